package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/taremesh/tare/function/metrics"
	"github.com/taremesh/tare/study"
)

func Example() {
	fn := metrics.Function()
	params, err := study.JSONParams("example", []byte(`{"paths": ["/pull"], "buckets": [1]}`))
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
	handler := wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	var w *httptest.ResponseRecorder
	for _, path := range []string{"/pull", "/pull", "/x", "/metrics"} {
		w = httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	}
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "tare_requests_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// tare_requests_total{class="2xx",path="/pull"} 2
	// tare_requests_total{class="2xx",path="other"} 1
}
