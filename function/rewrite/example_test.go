package rewrite_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function/rewrite"
)

// A service that knows /v2 alone is called by its old paths.
func Example() {
	wrap, err := rewrite.NewMiddleware(rewrite.Spec{Rules: []rewrite.Rule{
		{Regex: "/users/([a-z]+)/images", To: `/v2/images/\1`},
		{Prefix: "/v1/", To: "/v2/"},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { fmt.Println(r.URL) }))
	for _, target := range []string{"/users/ann/images?n=3", "/v1/tags", "/v2/tags"} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
	}
	// Output:
	// /v2/images/ann?n=3
	// /v2/tags
	// /v2/tags
}
