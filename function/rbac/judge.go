package rbac

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/fullmatch"
)

// asked is a request as the model sees it.
type asked struct {
	method, path string
	header       http.Header
	source       netip.Addr
	identities   []string
}

// admits is the model: whether the request may go on.
func (s Spec) admits(q asked) bool {
	for _, p := range s.Policies {
		if p.covers(q) {
			return s.Action == Allow
		}
	}
	return s.Action == Deny
}

func (p Policy) covers(q asked) bool {
	what := len(p.Permissions) == 0 || slices.ContainsFunc(p.Permissions, func(x Permission) bool { return x.covers(q) })
	who := len(p.Principals) == 0 || slices.ContainsFunc(p.Principals, func(x Principal) bool { return x.is(q) })
	return what && who
}

func (p Permission) covers(q asked) bool {
	return (p.Path == "" || q.path == p.Path) &&
		strings.HasPrefix(q.path, p.Prefix) &&
		(p.Regex == "" || fullmatch.MustCompile(p.Regex).MatchString(q.path)) &&
		(len(p.Methods) == 0 || slices.Contains(p.Methods, q.method)) &&
		p.Header.on(q)
}

func (p Principal) is(q asked) bool {
	within := p.Source == "" || q.source.IsValid() && netip.MustParsePrefix(p.Source).Contains(q.source)
	known := p.SPIFFE == "" || slices.Contains(q.identities, p.SPIFFE)
	is := within && known && p.Header.on(q) &&
		(p.User == "" || q.header.Get(function.UserHeader) == p.User) &&
		(p.Subscription == "" || q.header.Get(function.SubscriptionHeader) == p.Subscription)
	return is != p.Not
}

func (h *Header) on(q asked) bool {
	if h == nil {
		return true
	}
	return slices.ContainsFunc(q.header.Values(h.Name), func(v string) bool {
		return (h.Exact == "" || v == h.Exact) && strings.HasPrefix(v, h.Prefix)
	})
}

// judge: requests that the model admits reached the service once and were
// answered by it, the others got 403 with Envoy's words and reached none.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Request == nil && !s.decidedByCaller() || o.Outcome == function.Unknown {
			continue
		}
		if admitted := s.admits(question(o)); admitted != (o.Outcome == function.Allowed) {
			return fmt.Errorf("rbac: request %d for %s: admitted %t, the model says %t", i, o.Path, !admitted, admitted)
		}
		if o.Request == nil {
			continue
		}
		reached := len(e.Reached(i))
		switch {
		case o.Outcome == function.Allowed && reached != 1:
			return fmt.Errorf("rbac: request %d for %s was admitted and reached the service %d times", i, o.Path, reached)
		case o.Outcome == function.Refused && reached != 0:
			return fmt.Errorf("rbac: request %d for %s was refused and reached the service", i, o.Path)
		case o.Outcome == function.Refused && (o.Response.Status != http.StatusForbidden || string(o.Response.Body) != denied):
			return fmt.Errorf("rbac: request %d for %s was refused with %d %.60q, not 403 %q", i, o.Path, o.Response.Status, o.Response.Body, denied)
		}
	}
	return nil
}

// question is the request of an observation. Under load only path and caller
// are known, and the method is GET.
func question(o function.Observation) asked {
	q := asked{method: http.MethodGet, path: o.Path, header: http.Header{}}
	if o.Request != nil {
		q.method, q.header = o.Request.Method, o.Request.Header
		q.source, q.identities = o.Request.From, o.Request.Identities
		return q
	}
	for name, value := range map[string]string{function.UserHeader: o.Caller.User, function.SubscriptionHeader: o.Caller.Subscription} {
		if value != "" {
			q.header.Set(name, value)
		}
	}
	return q
}

// decidedByCaller reports whether path and caller are all that counts.
func (s Spec) decidedByCaller() bool {
	for _, p := range s.Policies {
		for _, x := range p.Permissions {
			if x.Header != nil {
				return false
			}
		}
		for _, x := range p.Principals {
			if x.Header != nil || x.SPIFFE != "" || x.Source != "" {
				return false
			}
		}
	}
	return true
}
