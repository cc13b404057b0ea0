package failover_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function/failover"
)

// The first two replicas are unhealthy: the others are asked.
func ExampleNewTransport() {
	addrs, end := replicas(4)
	defer end()
	s := failover.Spec{Priorities: []int{0, 0, 1, 1}, Unhealthy: []int{0, 1}, Overprovisioning: 140}
	t, err := failover.NewTransport(s, addrs, http.DefaultTransport)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	client := &http.Client{Transport: t}
	fmt.Println(ask(client, "http://service.test/"), ask(client, "http://service.test/"))
	// Output: 2 3
}

// replicas are services that say their number.
func replicas(n int) (addrs []string, end func()) {
	var all []*httptest.Server
	for i := range n {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, i) }))
		all, addrs = append(all, s), append(addrs, s.Listener.Addr().String())
	}
	return addrs, func() {
		for _, s := range all {
			s.Close()
		}
	}
}

func ask(client *http.Client, url string) string {
	r, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}
