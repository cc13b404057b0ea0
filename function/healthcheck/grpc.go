package healthcheck

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/internal/balance"
)

// NewGRPC is NewTransport for clients of gRPC: a client's connection, over those
// to the replicas. Each is asked for the health of the service, or of itself as a
// whole when that is empty, by gRPC's own protocol (grpc.health.v1), so that
// Spec.Path does not matter. SERVING is well; Unavailable and DeadlineExceeded
// are no answer, and every other status and code is one that is not well, as
// Envoy has it. Close it, and then those to the replicas.
func NewGRPC(ctx context.Context, s Spec, service string, replicas []string, conns []grpc.ClientConnInterface) (*balance.Conn, error) {
	if len(replicas) != len(conns) {
		return nil, fmt.Errorf("health-check: %d connections for %d replicas", len(conns), len(replicas))
	}
	to := make(map[string]grpc_health_v1.HealthClient, len(conns))
	for i, addr := range replicas {
		to[addr] = grpc_health_v1.NewHealthClient(conns[i])
	}
	config := s.balancing()
	config.Check.Ask = func(ctx context.Context, addr string) (well bool, err error) {
		a, err := to[addr].Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
		switch status.Code(err) {
		case codes.OK:
			return a.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING, nil
		case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
			return false, err
		}
		return false, nil
	}
	c, err := balance.NewConn(config, replicas, conns, nil)
	if err != nil {
		return nil, err
	}
	// That the time is over is no failure: see NewTransport.
	_ = c.Group.Settled(ctx)
	return c, nil
}
