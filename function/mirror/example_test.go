package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/taremesh/tare/function/mirror"
)

// A new release is tried with copies of the requests that the old one answers.
func Example() {
	copied := make(chan string, 1)
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "old") }))
	defer old.Close()
	release := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		copied <- r.URL.String()
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer release.Close()
	addr := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

	t, err := mirror.NewTransport(mirror.Spec{Percent: 100}, []string{addr(old), addr(release)}, http.DefaultTransport)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	client := http.Client{Transport: t}
	resp, err := client.Get("http://images.test/tags?n=3")
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	fmt.Println(resp.StatusCode, <-copied)
	// Output: 200 /tags?n=3
}

// A new release is tried with copies of the calls that the old one answers.
func ExampleNewGRPC() {
	conn, err := mirror.NewGRPC(mirror.Spec{Percent: 100}, []grpc.ClientConnInterface{service{"old", nil}, service{"new", errors.New("broken")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = grpc_health_v1.NewHealthClient(conn).Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	fmt.Println("the caller got", err)
	if err := conn.Close(); err != nil { // copies under way end with it
		fmt.Println(err)
	}
	// Unordered output:
	// old /grpc.health.v1.Health/Check
	// the caller got <nil>
	// new /grpc.health.v1.Health/Check
}

// service sends nothing and says what it would have sent.
type service struct {
	name string
	err  error
}

func (s service) Invoke(_ context.Context, method string, _, _ any, _ ...grpc.CallOption) error {
	fmt.Println(s.name, method)
	return s.err
}

func (s service) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	fmt.Println(s.name, method)
	return nil, s.err
}
