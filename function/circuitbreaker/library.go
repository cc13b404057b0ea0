package circuitbreaker

import (
	"net/http"

	"google.golang.org/grpc"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/balance"
)

// NewTransport sends a client's requests to the replicas (host:port) in turn,
// as many at once as the limits let it; it answers the others with 503. Close
// it when it is not needed any more.
func NewTransport(s Spec, replicas []string, next http.RoundTripper) *balance.Transport {
	t := balance.NewTransport(next, balance.DefaultConfig(), replicas, nil)
	t.Breaker = s.breaker()
	return t
}

// NewGRPC is NewTransport for clients of gRPC: a client's connection, over those
// to the replicas, which fails the others with the code Unavailable. A stream is
// under way until its end. Connections are counted as if each carried one call.
// Close it, and then those.
func NewGRPC(s Spec, replicas []string, conns []grpc.ClientConnInterface) (*balance.Conn, error) {
	c, err := balance.NewConn(balance.DefaultConfig(), replicas, conns, nil)
	if err != nil {
		return nil, err
	}
	c.Breaker = s.breaker()
	return c, nil
}

func (s Spec) breaker() *balance.Breaker {
	l := balance.Limits{Connections: unlimited, Pending: unlimited, Requests: unlimited, Retries: unlimited}
	if s.MostRequests > 0 {
		l.Requests = s.MostRequests
	} else {
		l.Connections, l.Pending = s.MostConnections, *s.MostWaiting
	}
	return balance.NewBreaker(l)
}

func transport(spec function.Spec, replicas []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper { return NewTransport(s, replicas, next) }, nil
}
