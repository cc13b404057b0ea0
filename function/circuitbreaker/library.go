package circuitbreaker

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/balance"
)

// NewTransport sends a client's requests to the replicas (host:port) in turn,
// as many at once as the limits let it; it answers the others with 503. Close
// it when it is not needed any more.
func NewTransport(s Spec, replicas []string, next http.RoundTripper) *balance.Transport {
	t := balance.NewTransport(next, balance.DefaultConfig(), replicas, nil)
	l := balance.Limits{Connections: unlimited, Pending: unlimited, Requests: unlimited, Retries: unlimited}
	if s.MostRequests > 0 {
		l.Requests = s.MostRequests
	} else {
		l.Connections, l.Pending = s.MostConnections, *s.MostWaiting
	}
	t.Breaker = balance.NewBreaker(l)
	return t
}

func transport(spec function.Spec, replicas []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := specOf(spec)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper { return NewTransport(s, replicas, next) }, nil
}
