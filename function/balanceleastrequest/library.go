package balanceleastrequest

import (
	"net/http"

	"google.golang.org/grpc"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/balance"
)

// NewTransport sends a client's requests to the replicas (host:port), each to
// the less busy of those drawn for it. Close it when it is not needed any more.
func NewTransport(s Spec, replicas []string, next http.RoundTripper) *balance.Transport {
	return balance.NewTransport(next, s.balancing(), replicas, nil)
}

// NewGRPC is NewTransport for clients of gRPC: a client's connection, over those
// to the replicas. A stream is under way until its end. Close it, and then those.
func NewGRPC(s Spec, replicas []string, conns []grpc.ClientConnInterface) (*balance.Conn, error) {
	return balance.NewConn(s.balancing(), replicas, conns, nil)
}

func (s Spec) balancing() balance.Config {
	c := balance.DefaultConfig()
	c.Policy, c.Choices = balance.LeastRequest, s.choices()
	return c
}

func transport(spec function.Spec, replicas []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper { return NewTransport(s, replicas, next) }, nil
}
