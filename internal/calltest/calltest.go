// Package calltest stands a server of real gRPC on loopback for the tests of
// interceptors and connections, with gRPC's own health service in it: one call,
// Check, and one stream, Watch. Tests only.
package calltest

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

// Serve stands a server with the service, and a connection to it, until the test
// has ended.
func Serve(t testing.TB, service grpc_health_v1.HealthServer, opts ...grpc.ServerOption) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, done := grpc.NewServer(opts...), make(chan error, 1)
	grpc_health_v1.RegisterHealthServer(server, service)
	go func() { done <- server.Serve(l) }()
	c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		server.Stop()
		<-done
	})
	return c
}

// Both are how a call and a stream with the context end, and what their heads say.
func Both(ctx context.Context, t testing.TB, c grpc.ClientConnInterface) (errs [2]error, heads [2]metadata.MD) {
	t.Helper()
	client := grpc_health_v1.NewHealthClient(c)
	_, errs[0] = client.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&heads[0]))
	s, err := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, errs[1] = s.Recv()
	if heads[1], err = s.Header(); err != nil && errs[1] == nil {
		t.Fatal(err)
	}
	return errs, heads
}
