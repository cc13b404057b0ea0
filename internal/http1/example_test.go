package http1_test

import (
	"fmt"

	"github.com/taremesh/tare/internal/http1"
)

// A head is found, parsed in place, and written for the next hop.
func ExampleRequest_Parse() {
	in := []byte("GET http://a/pull?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	from := 0
	n, err := http1.End(in, &from)
	if err != nil {
		fmt.Println(err)
		return
	}
	var r http1.Request
	if err := r.Parse(in[:n]); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %s, the last one: %t\n", r.Method, r.Path, r.Close)
	fmt.Printf("%q\n", r.Append(nil))
	// Output:
	// GET /pull, the last one: true
	// "GET /pull?x=1 HTTP/1.1\r\nhost: a\r\n\r\n"
}
