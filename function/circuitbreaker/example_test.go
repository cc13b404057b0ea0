package circuitbreaker_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function/circuitbreaker"
)

// While one request is under way a second one is refused.
func ExampleNewTransport() {
	began, end := make(chan bool), make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		began <- true
		<-end
	}))
	defer s.Close()
	t := circuitbreaker.NewTransport(circuitbreaker.Spec{MostRequests: 1}, []string{s.Listener.Addr().String()}, http.DefaultTransport)
	defer t.Close()
	client := &http.Client{Transport: t}
	done := make(chan int)
	ask := func() int {
		r, err := client.Get("http://service.test/")
		if err != nil {
			return 0
		}
		defer r.Body.Close()
		return r.StatusCode
	}
	go func() { done <- ask() }()
	<-began
	fmt.Println(ask())
	end <- true
	fmt.Println(<-done)
	// Output:
	// 503
	// 200
}
