package fault_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function/fault"
)

func ExampleMiddleware() {
	all := 100.0
	wrap := fault.Middleware(fault.Spec{Abort: &fault.Abort{Status: http.StatusTeapot, Percent: &all}})
	handler := wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fmt.Println("not reached") }))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println(w.Code, w.Body)
	// Output: 418 fault filter abort
}
