package tracing_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function/tracing"
	"github.com/taremesh/tare/study"
)

// What an application calls is told of the application's own span.
func Example() {
	fn := tracing.Function()
	params, err := study.JSONParams("example", []byte(`{"collector": "127.0.0.1:4317", "service": "shop"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	spec, err := fn.Decode(params)
	if err != nil {
		fmt.Println(err)
		return
	}
	wrap, err := fn.Library.Middleware(spec)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text := r.Header.Get("traceparent")
		fmt.Println(text[:36], text[36:52] != "b7ad6b7169203331", text[52:])
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: 00-0af7651916cd43dd8448eb211c80319c- true -01
}
