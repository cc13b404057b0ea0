package headermutation

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/internal/calltest"
)

// telling is a service that sends back what it got, in the way it is asked for.
type telling struct {
	grpc_health_v1.UnimplementedHealthServer
}

func got(ctx context.Context) metadata.MD {
	md, _ := metadata.FromIncomingContext(ctx)
	return metadata.Pairs("got", strings.Join(md.Get("x-a"), "|")+";"+strings.Join(md.Get("x-b"), "|")+";"+strings.Join(md.Get("x-c"), "|"), "server", "go", "x-r", "1")
}

func (telling) Check(ctx context.Context, q *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	how := grpc.SetHeader
	if q.GetService() == "send" {
		how = grpc.SendHeader
	}
	if err := how(ctx, got(ctx)); err != nil {
		return nil, err
	}
	if q.GetService() == "fail" {
		return nil, status.Error(codes.NotFound, "none")
	}
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

func (telling) Watch(q *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	how := s.SetHeader
	if q.GetService() == "send" {
		how = s.SendHeader
	}
	if err := how(got(s.Context())); err != nil {
		return err
	}
	if q.GetService() == "fail" {
		return status.Error(codes.NotFound, "none")
	}
	return s.Send(&grpc_health_v1.HealthCheckResponse{})
}

func client(t *testing.T, s Spec) grpc_health_v1.HealthClient {
	t.Helper()
	g, err := NewGRPC(s)
	if err != nil {
		t.Fatal(err)
	}
	return grpc_health_v1.NewHealthClient(calltest.Serve(t, telling{}, grpc.UnaryInterceptor(g.Unary), grpc.StreamInterceptor(g.Stream)))
}

// Calls and streams are changed alike, however the handler sends its head.
func TestGRPC(t *testing.T) {
	c := client(t, Spec{
		Request:  []Mutation{{Op: Set, Name: "X-A", Value: "new"}, {Op: Append, Name: "x-b", Value: "3"}, {Op: Remove, Name: "x-c"}},
		Response: []Mutation{{Op: Remove, Name: "server"}, {Op: Append, Name: "x-r", Value: "2"}, {Op: Set, Name: "x-s", Value: "s"}},
	})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-a", "old", "x-a", "older", "x-b", "1", "x-b", "2", "x-c", "c")
	for _, way := range []string{"set", "send", "fail"} {
		q := &grpc_health_v1.HealthCheckRequest{Service: way}
		var head metadata.MD
		_, err := c.Check(ctx, q, grpc.Header(&head))
		hold(t, "a call, "+way, head, err)
		stream, err := c.Watch(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		head, headErr := stream.Header()
		if headErr != nil {
			t.Fatal(headErr)
		}
		hold(t, "a stream, "+way, head, err)
	}
}

func hold(t *testing.T, what string, head metadata.MD, err error) {
	t.Helper()
	if failed := strings.HasSuffix(what, "fail"); failed != (status.Code(err) == codes.NotFound) || !failed && err != nil {
		t.Errorf("%s: %v", what, err)
	}
	for name, want := range map[string][]string{"got": {"new;1|2|3;"}, "server": nil, "x-r": {"1", "2"}, "x-s": {"s"}} {
		if got := head.Get(name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s is %q, not %q", what, name, got, want)
		}
	}
}

func TestGRPCRefuses(t *testing.T) {
	for _, name := range []string{"grpc-timeout", "Content-Type", "trace-bin"} {
		if _, err := NewGRPC(Spec{Request: []Mutation{{Op: Remove, Name: name}}}); err == nil || !strings.Contains(err.Error(), strings.ToLower(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewGRPC(Spec{}); err == nil {
		t.Error("no mutations were taken")
	}
}
