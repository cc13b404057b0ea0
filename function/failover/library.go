package failover

import (
	"fmt"
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/balance"
)

// NewTransport sends a client's requests to the replicas (host:port) by their
// priorities. Close it when it is not needed any more.
func NewTransport(s Spec, replicas []string, next http.RoundTripper) (*balance.Transport, error) {
	if len(replicas) != len(s.Priorities) {
		return nil, fmt.Errorf("failover: %d priorities for %d replicas", len(s.Priorities), len(replicas))
	}
	c := balance.DefaultConfig()
	c.Panic, c.Overprovision = s.Panic, s.Overprovisioning
	return balance.NewTransport(next, c, replicas, func(i int, m *balance.Member) {
		m.Priority, m.Down = s.Priorities[i], !s.healthy(i)
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
