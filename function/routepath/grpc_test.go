package routepath

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

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

// A generated client's calls and streams go each by its full method.
func TestGRPC(t *testing.T) {
	to := services(t)
	for _, c := range []struct {
		rule         Rule
		check, watch int
	}{
		{Rule{Path: "/grpc.health.v1.Health/Check", Service: 2}, 2, 0},
		{Rule{Path: "/grpc.health.v1.Health/Chec", Service: 2}, 0, 0},
		{Rule{Prefix: "/grpc.health.v1.Health/", Service: 1}, 1, 1},
		{Rule{Prefix: "/grpc.health.v1.Health/W", Service: 1}, 0, 1},
		{Rule{Regex: `/.*[.]Health/(Watch|List)`, Service: 2}, 0, 2},
		{Rule{Regex: `Health/Watch`, Service: 2}, 0, 0},
	} {
		g, err := NewGRPC(Spec{Rules: []Rule{c.rule}}, to)
		if err != nil {
			t.Fatal(err)
		}
		client := grpc_health_v1.NewHealthClient(g)
		got, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil || int(got.GetStatus()) != c.check {
			t.Errorf("%+v: a call reached %v, %v, not %d", c.rule, got.GetStatus(), err, c.check)
		}
		stream, err := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || int(got.GetStatus()) != c.watch {
			t.Errorf("%+v: a stream reached %v, %v, not %d", c.rule, got.GetStatus(), err, c.watch)
		}
	}
}

// The service's own errors are the call's.
func TestGRPCErrors(t *testing.T) {
	g, err := NewGRPC(Spec{Rules: []Rule{{Prefix: "/none.", Service: 1}}}, services(t))
	if err != nil {
		t.Fatal(err)
	}
	err = g.Invoke(t.Context(), "/none.Such/Method", &grpc_health_v1.HealthCheckRequest{}, &grpc_health_v1.HealthCheckResponse{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("%v", err)
	}
}

func TestGRPCRefuses(t *testing.T) {
	if _, err := NewGRPC(Spec{}, make([]grpc.ClientConnInterface, Services)); err == nil {
		t.Error("no rules were taken")
	}
	s := Spec{Rules: []Rule{{Path: "/a/b", Service: 1}}}
	if _, err := NewGRPC(s, make([]grpc.ClientConnInterface, 2)); err == nil || !strings.Contains(err.Error(), "2 connections") {
		t.Errorf("two connections: %v", err)
	}
}
