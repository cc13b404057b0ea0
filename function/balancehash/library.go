package balancehash

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/balance"
)

// NewTransport sends a client's requests to the replicas (host:port) by their
// keys. Close it when it is not needed any more.
func NewTransport(s Spec, replicas []string, next http.RoundTripper) *balance.Transport {
	c := balance.DefaultConfig()
	c.Policy = balance.RingHash
	if s.Table == Maglev {
		c.Policy = balance.Maglev
	}
	var stay []string
	for i, addr := range replicas {
		if s.stays(i) {
			stay = append(stay, addr)
		}
	}
	t := balance.NewTransport(next, c, stay, nil)
	t.Key = func(r *http.Request) balance.Key {
		key := s.key(&function.Message{Target: r.URL.RequestURI(), Header: r.Header})
		if key == "" {
			return balance.Key{}
		}
		return balance.Key{Hash: balance.Hash([]byte(key)), Hashed: true}
	}
	return t
}

func transport(spec function.Spec, replicas []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := specOf(spec)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper { return NewTransport(s, replicas, next) }, nil
}
