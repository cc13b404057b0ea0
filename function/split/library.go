package split

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/taremesh/tare/function"
)

// NewTransport is the library form: a client's round trippers, wrapped so, send
// each request to a service drawn by weight, by its address (host:port).
func NewTransport(s Spec, services []string) (func(http.RoundTripper) http.RoundTripper, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	if len(services) < len(s.Weights) {
		return nil, fmt.Errorf("split: %d services are given, and there are %d weights", len(services), len(s.Weights))
	}
	sticky := http.CanonicalHeaderKey(s.Sticky)
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(q *http.Request) (*http.Response, error) {
			return next.RoundTrip(function.Send(q, services[s.at(number(q.Header[sticky]))]))
		})
	}, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// number is drawn, or made of the values that decide.
func number(values []string) uint64 {
	if len(values) == 0 {
		return rand.Uint64()
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, strings.Join(values, ",")) // it does not fail
	return mixed(h.Sum64())
}

// mixed spreads a hash over all of its bits: those of FNV below do not depend
// enough on the text (the finalizer of MurmurHash3).
func mixed(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// at is the service at a number.
func (s Spec) at(number uint64) int {
	rest := int(number % uint64(s.total()))
	for i, w := range s.Weights {
		if rest < w {
			return i
		}
		rest -= w
	}
	return 0 // not reached: rest is less than the sum
}
