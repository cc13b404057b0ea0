package mirror_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/taremesh/tare/function/mirror"
)

// A new release is tried with copies of the requests that the old one answers.
func Example() {
	copied := make(chan string, 1)
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "old") }))
	defer old.Close()
	release := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		copied <- r.URL.String()
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer release.Close()
	addr := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

	t, err := mirror.NewTransport(mirror.Spec{Percent: 100}, []string{addr(old), addr(release)}, http.DefaultTransport)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	client := http.Client{Transport: t}
	resp, err := client.Get("http://images.test/tags?n=3")
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.StatusCode, <-copied)
	// Output: 200 /tags?n=3
}
