package routecontext

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
)

// NewTransport is the library form: a client's round trippers, wrapped so, send
// each request to the service that the rules choose, by its address
// (host:port). Claims are those of the request's context (function.WithCaller),
// and so is the identity (WithIdentity) unless it is forwarded.
func NewTransport(s Spec, services []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := s.complete()
	if err != nil {
		return nil, err
	}
	if len(services) < Services {
		return nil, fmt.Errorf("route-context: %d services are given, and there are %d to choose between", len(services), Services)
	}
	r := newRouter(s)
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(q *http.Request) (*http.Response, error) {
			return next.RoundTrip(function.Send(q, services[r.service(q)]))
		})
	}, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// router is the rules, ready to be asked.
type router []compiled

type compiled struct {
	service int
	all     []func(*http.Request) bool
}

func newRouter(s Spec) router {
	var r router
	for _, rule := range s.Rules {
		c := compiled{service: rule.Service}
		for _, when := range rule.When {
			c.all = append(c.all, when.compile(s.Forwarded))
		}
		r = append(r, c)
	}
	return r
}

func (r router) service(q *http.Request) int {
next:
	for i := range r {
		for _, holds := range r[i].all {
			if !holds(q) {
				continue next
			}
		}
		return r[i].service
	}
	return 0
}

// compile makes the condition a func that looks for nothing twice.
func (c Condition) compile(forwarded bool) func(*http.Request) bool {
	is := c.is()
	switch c.From {
	case Header:
		name := http.CanonicalHeaderKey(c.Name)
		return func(q *http.Request) bool { return slices.ContainsFunc(q.Header[name], is) }
	case Cookie:
		return func(q *http.Request) bool { v, ok := cookie(q.Header["Cookie"], c.Name); return ok && is(v) }
	case Query:
		return func(q *http.Request) bool { v, ok := parameter(q.URL.RawQuery, c.Name); return ok && is(v) }
	case Method:
		return func(q *http.Request) bool { return q.Method == c.Value || q.Method == "" && c.Value == http.MethodGet }
	case Claim:
		return func(q *http.Request) bool { v := claim(q, c.Name); return v != "" && is(v) }
	}
	return func(q *http.Request) bool { return slices.ContainsFunc(identities(q, forwarded), is) }
}

func (c Condition) is() func(string) bool {
	switch c.Match {
	case Prefix:
		return func(v string) bool { return strings.HasPrefix(v, c.Value) }
	case Present:
		return func(string) bool { return true }
	}
	return func(v string) bool { return v == c.Value }
}

// cookie is the value of the first cookie of that name.
func cookie(lines []string, name string) (string, bool) {
	for _, rest := range lines {
		for rest != "" {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			pair = strings.TrimLeft(pair, " ")
			if len(pair) <= len(name) || pair[len(name)] != '=' || pair[:len(name)] != name {
				continue
			}
			return unquoted(pair[len(name)+1:]), true
		}
	}
	return "", false
}

func unquoted(v string) string {
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		return v[1 : len(v)-1]
	}
	return v
}

// parameter is the value of the first query parameter of that name.
func parameter(rest, name string) (string, bool) {
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if k, v, _ := strings.Cut(pair, "="); k == name {
			return v, true
		}
	}
	return "", false
}

func claim(q *http.Request, name string) string {
	who, _ := function.CallerFrom(q.Context())
	if name == "user" {
		return who.User
	}
	return who.Subscription
}

func identities(q *http.Request, forwarded bool) []string {
	if !forwarded {
		return identityFrom(q.Context())
	}
	return IdentitiesOf(strings.Join(q.Header["X-Forwarded-Client-Cert"], ","))
}
