package balanceroundrobin

import (
	"fmt"
	"net/http"

	"google.golang.org/grpc"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/balance"
)

// NewTransport sends a client's requests to the replicas (host:port) in turn,
// or by the weights. Close it when it is not needed any more.
func NewTransport(s Spec, replicas []string, next http.RoundTripper) (*balance.Transport, error) {
	if err := s.fit(replicas); err != nil {
		return nil, err
	}
	return balance.NewTransport(next, balance.DefaultConfig(), replicas, s.weigh), nil
}

// NewGRPC is NewTransport for clients of gRPC: a client's connection, over those
// to the replicas, whose calls and streams take turns. Close it, and then those.
func NewGRPC(s Spec, replicas []string, conns []grpc.ClientConnInterface) (*balance.Conn, error) {
	if err := s.fit(replicas); err != nil {
		return nil, err
	}
	return balance.NewConn(balance.DefaultConfig(), replicas, conns, s.weigh)
}

func (s Spec) fit(replicas []string) error {
	if len(s.Weights) != 0 && len(s.Weights) != len(replicas) {
		return fmt.Errorf("balance-round-robin: %d weights for %d replicas", len(s.Weights), len(replicas))
	}
	return nil
}

func (s Spec) weigh(i int, m *balance.Member) {
	if len(s.Weights) > 0 {
		m.Weight = s.Weights[i]
	}
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
