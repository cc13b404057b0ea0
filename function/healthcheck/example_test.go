package healthcheck_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/healthcheck"
)

// The replica that says it is not well is not asked.
func ExampleNewTransport() {
	serve := func(name string, health int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/healthz" {
				w.WriteHeader(health)
				return
			}
			fmt.Fprint(w, name)
		}))
		return s.Listener.Addr().String()
	}
	s := healthcheck.Spec{Path: "/healthz", Interval: function.Duration(time.Minute), Timeout: function.Duration(10 * time.Second), HealthyAfter: 1, UnhealthyAfter: 1}
	t := healthcheck.NewTransport(context.Background(), s, []string{serve("sick", 503), serve("well", 200)}, http.DefaultTransport)
	defer t.Close()
	client := &http.Client{Transport: t}
	for range 3 {
		r, err := client.Get("http://service.test/")
		if err != nil {
			fmt.Println(err)
			return
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		fmt.Print(string(body), " ", err, " ")
	}
	// Output: well <nil> well <nil> well <nil>
}
