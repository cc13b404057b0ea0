package split_test

import (
	"context"
	"fmt"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/taremesh/tare/function/split"
)

// A client sends half of the users to a new release, and each of them always.
func Example() {
	wrap, err := split.NewTransport(split.Spec{Weights: []int{50, 50}, Sticky: "x-user"}, []string{"old:80", "new:80"})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := http.Client{Transport: wrap(printing{})}
	for _, user := range []string{"ann", "eve", "ann", "eve"} {
		r, err := http.NewRequest(http.MethodGet, "http://images.test/", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		r.Header.Set("X-User", user)
		resp, err := client.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
	}
	power, err := split.Power(800, 0.1, 0.2)
	fmt.Printf("a share of 0.2 for one of 0.1 is found among 800 requests with probability %.3f, %v\n", power, err)
	// Output:
	// ann new:80
	// eve old:80
	// ann new:80
	// eve old:80
	// a share of 0.2 for one of 0.1 is found among 800 requests with probability 0.997, <nil>
}

// printing sends nothing and says what it would have sent.
type printing struct{}

func (printing) RoundTrip(r *http.Request) (*http.Response, error) {
	fmt.Println(r.Header.Get("X-User"), r.URL.Host)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// A client of gRPC sends half of the users to a new release, and each of them
// to the one that their requests over HTTP get.
func ExampleNewGRPC() {
	conn, err := split.NewGRPC(split.Spec{Weights: []int{50, 50}, Sticky: "x-user"}, []grpc.ClientConnInterface{service("old"), service("new")})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := grpc_health_v1.NewHealthClient(conn)
	for _, user := range []string{"ann", "eve", "ann"} {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "x-user", user)
		if _, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// new /grpc.health.v1.Health/Check
	// old /grpc.health.v1.Health/Check
	// new /grpc.health.v1.Health/Check
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
