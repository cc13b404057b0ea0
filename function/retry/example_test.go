package retry_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/retry"
)

func ExampleTransport() {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	spec := retry.Spec{
		On: []string{retry.On5xx}, Retries: 5,
		Base: function.Duration(time.Millisecond), Longest: function.Duration(10 * time.Millisecond),
	}
	client := &http.Client{Transport: retry.Transport(spec, nil, http.DefaultTransport)}
	resp, err := client.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode, calls)
	// Output: 200 3
}
