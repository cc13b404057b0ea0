package balancehash_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function/balancehash"
)

// Requests of one user reach one replica.
func ExampleNewTransport() {
	addrs, end := replicas(4)
	defer end()
	t := balancehash.NewTransport(balancehash.Spec{Table: balancehash.Maglev, Query: "user"}, addrs, http.DefaultTransport)
	defer t.Close()
	client := &http.Client{Transport: t}
	first := ask(client, "http://service.test/?user=7")
	for range 20 {
		if ask(client, "http://service.test/?user=7") != first {
			fmt.Println("another one")
		}
	}
	fmt.Println("one replica for user 7")
	// Output: one replica for user 7
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
