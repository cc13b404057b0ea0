package redirect_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function/redirect"
)

// A site has moved to https and to another name, and one page within it.
func Example() {
	wrap, err := redirect.NewMiddleware(redirect.Spec{Rules: []redirect.Rule{
		{Path: "/index.html", To: "/", Status: http.StatusPermanentRedirect},
		{Prefix: "/", Scheme: "https", Host: "images.test"},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := wrap(http.NotFoundHandler())
	for _, target := range []string{"/index.html", "/tags?n=3"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		fmt.Println(w.Code, w.Header().Get("Location"))
	}
	// Output:
	// 308 http://example.com/
	// 301 https://images.test/tags?n=3
}
