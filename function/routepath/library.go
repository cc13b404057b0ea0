package routepath

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/fullmatch"
)

// NewTransport is the library form: a client's round trippers, wrapped so, send
// each request to the service of its path, by its address (host:port).
func NewTransport(s Spec, services []string) (func(http.RoundTripper) http.RoundTripper, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	if len(services) < Services {
		return nil, fmt.Errorf("route-path: %d services are given, and there are %d to choose between", len(services), Services)
	}
	r := newRouter(s)
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(q *http.Request) (*http.Response, error) {
			return next.RoundTrip(function.Send(q, services[r.service(q.URL.EscapedPath())]))
		})
	}, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// router is the rules, with their expressions compiled.
type router []compiled

type compiled struct {
	Rule
	whole *regexp.Regexp
}

func newRouter(s Spec) router {
	var r router
	for _, rule := range s.Rules {
		c := compiled{Rule: rule}
		if rule.Regex != "" {
			c.whole = fullmatch.MustCompile(rule.Regex) // validate has tried
		}
		r = append(r, c)
	}
	return r
}

func (r router) service(path string) int {
	if path == "" {
		path = "/"
	}
	for i := range r {
		c := &r[i]
		if c.Path != "" && path == c.Path || c.Prefix != "" && strings.HasPrefix(path, c.Prefix) || c.whole != nil && c.whole.MatchString(path) {
			return c.Service
		}
	}
	return 0
}
