package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/workload/imagehub/web"
)

// The front end says what is wrong when nothing is at the API's address.
func Example() {
	h, err := web.New("http://127.0.0.1:1")
	if err != nil {
		fmt.Println(err)
		return
	}
	page := httptest.NewRecorder()
	h.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/login", nil))
	fmt.Println(page.Code, page.Header().Get("Content-Type"))
	page = httptest.NewRecorder()
	h.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println(page.Code, http.StatusText(page.Code))
	// Output:
	// 200 text/html; charset=utf-8
	// 502 Bad Gateway
}
