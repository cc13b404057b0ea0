package compression_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/taremesh/tare/function/compression"
)

func ExampleMiddleware() {
	wrap, err := compression.Middleware(compression.DefaultSpec())
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", "text/plain")
		if _, err := io.WriteString(w, strings.Repeat("all work and no play ", 1000)); err != nil {
			fmt.Println(err)
		}
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("accept-encoding", "gzip")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Header().Get("content-encoding"), w.Body.Len() < 1000)
	// Output: gzip true
}
