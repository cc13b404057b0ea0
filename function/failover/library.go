package failover

import (
	"fmt"
	"net/http"

	"google.golang.org/grpc"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/balance"
)

// NewTransport sends a client's requests to the replicas (host:port) by their
// priorities. Close it when it is not needed any more.
func NewTransport(s Spec, replicas []string, next http.RoundTripper) (*balance.Transport, error) {
	if err := s.fit(replicas); err != nil {
		return nil, err
	}
	return balance.NewTransport(next, s.balancing(), replicas, s.rank), nil
}

// NewGRPC is NewTransport for clients of gRPC: a client's connection, over those
// to the replicas. Close it, and then those.
func NewGRPC(s Spec, replicas []string, conns []grpc.ClientConnInterface) (*balance.Conn, error) {
	if err := s.fit(replicas); err != nil {
		return nil, err
	}
	return balance.NewConn(s.balancing(), replicas, conns, s.rank)
}

func (s Spec) fit(replicas []string) error {
	if len(replicas) != len(s.Priorities) {
		return fmt.Errorf("failover: %d priorities for %d replicas", len(s.Priorities), len(replicas))
	}
	return nil
}

func (s Spec) balancing() balance.Config {
	c := balance.DefaultConfig()
	c.Panic, c.Overprovision = s.Panic, s.Overprovisioning
	return c
}

func (s Spec) rank(i int, m *balance.Member) {
	m.Priority, m.Down = s.Priorities[i], !s.healthy(i)
}

func transport(spec function.Spec, replicas []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	t, err := NewTransport(s, replicas, nil)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper {
		t.Next = next
		return t
	}, nil
}
