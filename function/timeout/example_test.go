package timeout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/taremesh/tare/function/timeout"
)

func ExampleTransport() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	client := &http.Client{Transport: timeout.Transport(50*time.Millisecond, http.DefaultTransport)}
	_, err := client.Get(server.URL)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}
