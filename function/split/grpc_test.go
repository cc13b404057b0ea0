package split

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/taremesh/tare/internal/calltest"
)

// numbered is a service that says which one it is.
type numbered struct {
	grpc_health_v1.UnimplementedHealthServer
	status grpc_health_v1.HealthCheckResponse_ServingStatus
}

func (n numbered) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{Status: n.status}, nil
}

func (n numbered) Watch(_ *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	return s.Send(&grpc_health_v1.HealthCheckResponse{Status: n.status})
}

// services are three servers of real gRPC, and a connection to each.
func services(t *testing.T) (all []grpc.ClientConnInterface) {
	t.Helper()
	for i := range Services {
		all = append(all, calltest.Serve(t, numbered{status: grpc_health_v1.HealthCheckResponse_ServingStatus(i)}))
	}
	return all
}

// reached are the services that a call and a stream with the context got to.
func reached(t *testing.T, ctx context.Context, client grpc_health_v1.HealthClient) (call, stream int) {
	t.Helper()
	got, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	said, err := s.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return int(got.GetStatus()), int(said.GetStatus())
}

// A value's service is the same for calls, for streams and for requests of net/http.
func TestGRPCIsStickyAsHTTP(t *testing.T) {
	s := Spec{Weights: []int{2, 1, 1}, Sticky: "X-User"}
	g, err := NewGRPC(s, services(t))
	if err != nil {
		t.Fatal(err)
	}
	var sent string
	wrap, err := NewTransport(s, []string{"0", "1", "2"})
	if err != nil {
		t.Fatal(err)
	}
	rt := wrap(roundTripper(func(r *http.Request) (*http.Response, error) { sent = r.URL.Host; return nil, nil }))
	client := grpc_health_v1.NewHealthClient(g)
	for i := range 40 {
		values := []string{"x-user", fmt.Sprint("user-", i)}
		if i%4 == 0 {
			values = append(values, "x-user", "again")
		}
		r, err := http.NewRequest(http.MethodGet, "http://images.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		for k := 0; k < len(values); k += 2 {
			r.Header.Add(values[k], values[k+1])
		}
		if _, err := rt.RoundTrip(r); err != nil {
			t.Fatal(err)
		}
		call, stream := reached(t, metadata.AppendToOutgoingContext(t.Context(), values...), client)
		if fmt.Sprint(call) != sent || stream != call {
			t.Errorf("%q: a call reached %d, a stream %d, a request %s", values, call, stream, sent)
		}
	}
}

// Without a sticky header the weights decide.
func TestGRPCDraws(t *testing.T) {
	g, err := NewGRPC(Spec{Weights: []int{3, 1}}, services(t))
	if err != nil {
		t.Fatal(err)
	}
	client := grpc_health_v1.NewHealthClient(g)
	calls, streams := make([]int, Services), make([]int, Services)
	for range 400 {
		call, stream := reached(t, t.Context(), client)
		calls[call]++
		streams[stream]++
	}
	for what, counts := range map[string][]int{"calls": calls, "streams": streams} {
		if err := (Spec{Weights: []int{3, 1}}).holds(counts); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestGRPCRefuses(t *testing.T) {
	if _, err := NewGRPC(Spec{Weights: []int{1}}, make([]grpc.ClientConnInterface, 2)); err == nil {
		t.Error("one weight was taken")
	}
	if _, err := NewGRPC(Spec{Weights: []int{1, 1}}, make([]grpc.ClientConnInterface, 1)); err == nil || !strings.Contains(err.Error(), "1 connections") {
		t.Errorf("one connection: %v", err)
	}
}
