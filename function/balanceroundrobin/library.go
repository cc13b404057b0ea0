package balanceroundrobin

import (
	"fmt"
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/balance"
)

// NewTransport sends a client's requests to the replicas (host:port) in turn,
// or by the weights. Close it when it is not needed any more.
func NewTransport(s Spec, replicas []string, next http.RoundTripper) (*balance.Transport, error) {
	if len(s.Weights) != 0 && len(s.Weights) != len(replicas) {
		return nil, fmt.Errorf("balance-round-robin: %d weights for %d replicas", len(s.Weights), len(replicas))
	}
	return balance.NewTransport(next, balance.DefaultConfig(), replicas, func(i int, m *balance.Member) {
		if len(s.Weights) > 0 {
			m.Weight = s.Weights[i]
		}
	}), nil
}

func transport(spec function.Spec, replicas []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := specOf(spec)
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
