package balanceleastrequest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function/balanceleastrequest"
)

// One replica gets everything, when there is only one.
func ExampleNewTransport() {
	addrs, end := replicas(1)
	defer end()
	t := balanceleastrequest.NewTransport(balanceleastrequest.Spec{Choices: 3}, addrs, http.DefaultTransport)
	defer t.Close()
	fmt.Println(ask(&http.Client{Transport: t}, "http://service.test/"))
	// Output: 0
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
