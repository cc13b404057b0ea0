package ratelimit_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/ratelimit"
	"github.com/taremesh/tare/study"
)

func Example() {
	fn := ratelimit.Function()
	params, err := study.JSONParams("example", []byte(`{"limits": {"Personal": "2/h"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	spec, err := fn.Decode(params)
	if err != nil {
		fmt.Println(err)
		return
	}
	limit, err := fn.Library.Middleware(spec)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for range 3 {
		r := httptest.NewRequest("GET", "/pull", nil)
		r = r.WithContext(function.WithCaller(r.Context(), function.Caller{User: "ann", Subscription: "Personal"}))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Printf("%d %s %q\n", w.Code, w.Header().Get("x-ratelimit-remaining"), w.Header().Get("retry-after"))
	}
	// Output:
	// 200 1 ""
	// 200 0 ""
	// 429 0 "1800"
}
