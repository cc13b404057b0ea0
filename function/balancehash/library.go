package balancehash

import (
	"context"
	"fmt"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/balance"
)

// NewTransport sends a client's requests to the replicas (host:port) by their
// keys. Close it when it is not needed any more.
func NewTransport(s Spec, replicas []string, next http.RoundTripper) *balance.Transport {
	t := balance.NewTransport(next, s.balancing(), staying(s, replicas), nil)
	t.Key = func(r *http.Request) balance.Key {
		return s.hash(&function.Message{Target: r.URL.RequestURI(), Header: r.Header})
	}
	return t
}

// NewGRPC is NewTransport for clients of gRPC: a client's connection, over those
// to the replicas, whose calls and streams go by a header or a cookie in their
// outgoing metadata: a key's replica is that of requests of net/http. Close it,
// and then those.
func NewGRPC(s Spec, replicas []string, conns []grpc.ClientConnInterface) (*balance.Conn, error) {
	if len(replicas) != len(conns) {
		return nil, fmt.Errorf("balance-hash: %d connections for %d replicas", len(conns), len(replicas))
	}
	c, err := balance.NewConn(s.balancing(), staying(s, replicas), staying(s, conns), nil)
	if err != nil {
		return nil, err
	}
	name := s.Header
	if s.Cookie != "" {
		name = "cookie"
	}
	canonical := http.CanonicalHeaderKey(name)
	c.Key = func(ctx context.Context, method string) balance.Key {
		md, _ := metadata.FromOutgoingContext(ctx)
		return s.hash(&function.Message{Target: method, Header: http.Header{canonical: md[name]}})
	}
	return c, nil
}

func (s Spec) balancing() balance.Config {
	c := balance.DefaultConfig()
	c.Policy = balance.RingHash
	if s.Table == Maglev {
		c.Policy = balance.Maglev
	}
	return c
}

// staying are those of the replicas that are not left out.
func staying[T any](s Spec, replicas []T) (stay []T) {
	for i, r := range replicas {
		if s.stays(i) {
			stay = append(stay, r)
		}
	}
	return stay
}

func (s Spec) hash(m *function.Message) balance.Key {
	key := s.key(m)
	if key == "" {
		return balance.Key{}
	}
	return balance.Key{Hash: balance.Hash([]byte(key)), Hashed: true}
}

func transport(spec function.Spec, replicas []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper { return NewTransport(s, replicas, next) }, nil
}
