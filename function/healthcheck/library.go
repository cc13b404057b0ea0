package healthcheck

import (
	"context"
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/balance"
)

// NewTransport sends a client's requests to the healthy replicas (host:port) in
// turn. It returns when each has been checked once, or the context ends: who
// has not answered by then is unhealthy until it does. Close it.
func NewTransport(ctx context.Context, s Spec, replicas []string, next http.RoundTripper) *balance.Transport {
	t := balance.NewTransport(next, s.balancing(), replicas, nil)
	// That the time is over is no failure: see above.
	_ = t.Group.Settled(ctx)
	return t
}

func (s Spec) balancing() balance.Config {
	c := balance.DefaultConfig()
	c.Panic = 0
	c.Check = &balance.Check{Path: s.Path, Timeout: s.Timeout.Std(), Interval: s.Interval.Std(), Healthy: s.HealthyAfter, Unhealthy: s.UnhealthyAfter}
	return c
}

func transport(spec function.Spec, replicas []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper {
		ctx, cancel := context.WithTimeout(context.Background(), 2*s.Timeout.Std())
		defer cancel()
		return NewTransport(ctx, s, replicas, next)
	}, nil
}
