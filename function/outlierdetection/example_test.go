package outlierdetection_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/outlierdetection"
)

// A replica that fails twice in a row is left out.
func ExampleNewTransport() {
	serve := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		return s.Listener.Addr().String()
	}
	s := outlierdetection.Spec{Failures: 2, Ejection: function.Duration(time.Minute), Review: function.Duration(time.Second)}
	t := outlierdetection.NewTransport(s, []string{serve(200), serve(500)}, http.DefaultTransport)
	defer t.Close()
	client := &http.Client{Transport: t}
	for range 8 {
		r, err := client.Get("http://service.test/")
		if err != nil {
			fmt.Println(err)
			return
		}
		r.Body.Close()
		fmt.Print(r.StatusCode, " ")
	}
	// Output: 200 500 200 500 200 200 200 200
}
