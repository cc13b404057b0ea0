package balanceleastrequest

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/balance"
)

// NewTransport sends a client's requests to the replicas (host:port), each to
// the less busy of those drawn for it. Close it when it is not needed any more.
func NewTransport(s Spec, replicas []string, next http.RoundTripper) *balance.Transport {
	c := balance.DefaultConfig()
	c.Policy, c.Choices = balance.LeastRequest, s.choices()
	return balance.NewTransport(next, c, replicas, nil)
}

func transport(spec function.Spec, replicas []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := specOf(spec)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper { return NewTransport(s, replicas, next) }, nil
}
