package routepath_test

import (
	"context"
	"fmt"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/taremesh/tare/function/routepath"
)

// A client sends logins to one service and files to another.
func Example() {
	rules := routepath.Spec{Rules: []routepath.Rule{
		{Path: "/login", Service: 1},
		{Prefix: "/static/", Service: 2},
		{Regex: "/v[0-9]+/login", Service: 1},
	}}
	wrap, err := routepath.NewTransport(rules, []string{"web:80", "auth:80", "files:80"})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := http.Client{Transport: wrap(printing{})}
	for _, path := range []string{"/", "/login?user=ann", "/static/logo.png", "/v2/login", "/login/"} {
		resp, err := client.Get("http://images.test" + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
	}
	// Output:
	// web:80 images.test /
	// auth:80 images.test /login?user=ann
	// files:80 images.test /static/logo.png
	// auth:80 images.test /v2/login
	// web:80 images.test /login/
}

// printing sends nothing and says what it would have sent.
type printing struct{}

func (printing) RoundTrip(r *http.Request) (*http.Response, error) {
	fmt.Println(r.URL.Host, r.Host, r.URL.RequestURI())
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// A client of gRPC asks one service whether it is well, and watches another.
func ExampleNewGRPC() {
	conn, err := routepath.NewGRPC(routepath.Spec{Rules: []routepath.Rule{
		{Path: "/grpc.health.v1.Health/Watch", Service: 1},
		{Prefix: "/grpc.reflection.", Service: 2},
	}}, []grpc.ClientConnInterface{service("images"), service("watchers"), service("catalog")})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := grpc_health_v1.NewHealthClient(conn)
	_, err = client.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	fmt.Println(err)
	// Output:
	// images /grpc.health.v1.Health/Check
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
