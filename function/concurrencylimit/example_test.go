package concurrencylimit_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function/concurrencylimit"
)

func ExampleMiddleware() {
	wrap := concurrencylimit.Middleware(1, http.StatusServiceUnavailable)
	var handler http.Handler
	handler = wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		second := httptest.NewRecorder() // while the first is under way
		handler.ServeHTTP(second, r)
		fmt.Println(second.Code, second.Body)
	}))
	first := httptest.NewRecorder()
	handler.ServeHTTP(first, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println(first.Code)
	// Output:
	// 503 reached concurrency limit
	// 200
}
