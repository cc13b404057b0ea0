package rewrite_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/taremesh/tare/function/rewrite"
)

// A service that knows /v2 alone is called by its old paths.
func Example() {
	wrap, err := rewrite.NewMiddleware(rewrite.Spec{Rules: []rewrite.Rule{
		{Regex: "/users/([a-z]+)/images", To: `/v2/images/\1`},
		{Prefix: "/v1/", To: "/v2/"},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { fmt.Println(r.URL) }))
	for _, target := range []string{"/users/ann/images?n=3", "/v1/tags", "/v2/tags"} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
	}
	// Output:
	// /v2/images/ann?n=3
	// /v2/tags
	// /v2/tags
}

// A client of gRPC that knows version 1 alone calls version 2.
func ExampleNewGRPC() {
	conn, err := rewrite.NewGRPC(rewrite.Spec{Rules: []rewrite.Rule{{Prefix: "/grpc.health.v1.", To: "/grpc.health.v2."}}}, service("images"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = grpc_health_v1.NewHealthClient(conn).Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	fmt.Println(err)
	// Output:
	// images /grpc.health.v2.Health/Check
	// <nil>
}

// service sends nothing and says what it would have sent.
type service string

func (s service) Invoke(_ context.Context, method string, _, _ any, _ ...grpc.CallOption) error {
	fmt.Println(s, method)
	return nil
}

func (s service) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	fmt.Println(s, method)
	return nil, nil
}
