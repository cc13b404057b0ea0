package routecontext

import (
	"context"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/taremesh/tare/function"
)

// counting is a service that says which one it is.
type counting struct {
	grpc_health_v1.UnimplementedHealthServer
	status grpc_health_v1.HealthCheckResponse_ServingStatus
}

func (c counting) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{Status: c.status}, nil
}

func (c counting) Watch(_ *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	return s.Send(&grpc_health_v1.HealthCheckResponse{Status: c.status})
}

// services are three servers, and a connection to each.
func services(t *testing.T) (all []*grpc.ClientConn) {
	t.Helper()
	for i := range Services {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer()
		grpc_health_v1.RegisterHealthServer(s, counting{status: grpc_health_v1.HealthCheckResponse_ServingStatus(i)})
		done := make(chan error, 1)
		go func() { done <- s.Serve(l) }()
		c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			c.Close()
			s.Stop()
			<-done
		})
		all = append(all, c)
	}
	return all
}

func TestGRPC(t *testing.T) {
	s := Spec{Forwarded: true, Rules: []Rule{
		{When: []Condition{{From: Header, Name: "X-Tier", Value: "gold"}}, Service: 1},
		{When: []Condition{{From: Cookie, Name: "lab", Match: Present}, {From: Method, Value: "POST"}}, Service: 2},
		{When: []Condition{{From: Claim, Name: "user", Value: "ann"}}, Service: 2},
		{When: []Condition{{From: Identity, Match: Prefix, Value: "spiffe://mesh/"}}, Service: 1},
		{When: []Condition{{From: Query, Name: "v", Match: Present}}, Service: 1},
	}}
	conns := services(t)
	g, err := NewGRPC(s, conns)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(conns[0].Target(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(g.Unary), grpc.WithStreamInterceptor(g.Stream))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)
	for _, c := range []struct {
		md   []string
		user string
		want int
	}{
		{nil, "", 0},
		{[]string{"x-tier", "gold"}, "", 1},
		{[]string{"x-tier", "Gold"}, "", 0},
		{[]string{"x-tier", "tin", "x-tier", "gold"}, "", 1},
		{[]string{"cookie", "a=1; lab=2"}, "", 2},
		{[]string{"x-tier", "gold", "cookie", "lab=2"}, "", 1},
		{nil, "ann", 2},
		{[]string{"x-user", "ann"}, "", 0},
		{[]string{"x-forwarded-client-cert", "URI=spiffe://mesh/web"}, "", 1},
	} {
		ctx := function.WithCaller(metadata.AppendToOutgoingContext(t.Context(), c.md...), function.Caller{User: c.user})
		got, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err != nil || int(got.GetStatus()) != c.want {
			t.Errorf("%q %q: a call reached %v, %v, not %d", c.md, c.user, got.GetStatus(), err, c.want)
		}
		stream, err := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || int(got.GetStatus()) != c.want {
			t.Errorf("%q %q: a stream reached %v, %v, not %d", c.md, c.user, got.GetStatus(), err, c.want)
		}
	}
}

func TestGRPCRefuses(t *testing.T) {
	if _, err := NewGRPC(Spec{}, make([]*grpc.ClientConn, Services)); err == nil {
		t.Error("no rules were taken")
	}
	s := Spec{Rules: []Rule{{When: []Condition{{From: Method, Value: "POST"}}}}}
	if _, err := NewGRPC(s, make([]*grpc.ClientConn, 2)); err == nil || !strings.Contains(err.Error(), "2 connections") {
		t.Errorf("two connections: %v", err)
	}
}
