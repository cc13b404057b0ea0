package deadline_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/deadline"
)

func ExampleTransport() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		left, ok := deadline.Parse(r.Header.Get("x-request-deadline"))
		fmt.Fprint(w, ok && left <= 10*time.Second)
	}))
	defer server.Close()
	spec := deadline.Spec{Header: "x-request-deadline", Most: function.Duration(10 * time.Second)}
	client := &http.Client{Transport: deadline.Transport(spec, http.DefaultTransport)}
	resp, err := client.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var told string
	fmt.Fscan(resp.Body, &told)
	fmt.Println("the service knows:", told)
	// Output: the service knows: true
}
