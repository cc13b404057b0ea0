package healthcheck

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/calltest"
)

// replica is one of them, and its connection.
type replica struct {
	*health.Server
	conn grpc.ClientConnInterface
}

// standing stands a replica of gRPC's own health server.
func standing(t *testing.T, name string, calls chan string) replica {
	t.Helper()
	h := health.NewServer()
	h.SetServingStatus("hub", grpc_health_v1.HealthCheckResponse_SERVING)
	conn := calltest.Serve(t, h, grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if q, ok := req.(*grpc_health_v1.HealthCheckRequest); ok && q.GetService() == "" {
			calls <- name
		}
		return handle(ctx, req)
	}))
	return replica{h, conn}
}

// TestGRPC: a replica that says it does not serve gets no calls, and gets them
// again when it does, by gRPC's own servers and protocol.
func TestGRPC(t *testing.T) {
	calls := make(chan string, 1)
	a, b := standing(t, "a", calls), standing(t, "b", calls)
	s := Spec{Interval: function.Duration(5 * time.Millisecond), Timeout: function.Duration(5 * time.Second), HealthyAfter: 2, UnhealthyAfter: 2}
	c, err := NewGRPC(t.Context(), s, "hub", []string{"a:1", "b:1"}, []grpc.ClientConnInterface{a.conn, b.conn})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	client := grpc_health_v1.NewHealthClient(c)
	ten := func() (who string) {
		for range 10 {
			if _, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
				return status.Code(err).String()
			}
			if name := <-calls; !strings.Contains(who, name) {
				who += name
			}
		}
		return who
	}
	reach := func(want ...string) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; {
			got := ten()
			for _, w := range want {
				if got == w {
					return
				}
			}
			if time.Now().After(end) {
				t.Fatalf("calls reach %q, want %q", got, want)
			}
		}
	}
	reach("ab", "ba")
	a.SetServingStatus("hub", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	reach("b")
	b.SetServingStatus("hub", grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN)
	reach(codes.Unavailable.String())
	a.SetServingStatus("hub", grpc_health_v1.HealthCheckResponse_SERVING)
	reach("a")
	b.SetServingStatus("hub", grpc_health_v1.HealthCheckResponse_SERVING)
	reach("ab", "ba")
}

// TestGRPCWithoutTheService: a code that is an answer is one that is not well.
func TestGRPCWithoutTheService(t *testing.T) {
	calls := make(chan string, 1)
	a := standing(t, "a", calls)
	s := Spec{Interval: function.Duration(time.Hour), Timeout: function.Duration(5 * time.Second), HealthyAfter: 1, UnhealthyAfter: 100}
	c, err := NewGRPC(t.Context(), s, "no such service", []string{"a:1"}, []grpc.ClientConnInterface{a.conn})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := grpc_health_v1.NewHealthClient(c).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("error %v, want that there is no healthy host", err)
	}
	if _, err := NewGRPC(t.Context(), s, "", []string{"a:1"}, nil); err == nil {
		t.Error("an address without a connection is taken")
	}
}
