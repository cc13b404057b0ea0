package headermutation_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function/headermutation"
)

// A service is not told of a header, and does not tell what it runs on.
func Example() {
	wrap, err := headermutation.NewMiddleware(headermutation.Spec{
		Request:  []headermutation.Mutation{{Op: headermutation.Remove, Name: "x-debug"}},
		Response: []headermutation.Mutation{{Op: headermutation.Set, Name: "server", Value: "images"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "go")
		fmt.Fprintf(w, "debug: %q", r.Header.Get("x-debug"))
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Debug", "1")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Header().Get("Server"), w.Body)
	// Output: images debug: ""
}
