package routecontext

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
)

// asked is a request as the model sees it.
type asked struct {
	method, target string
	header         http.Header
	caller         function.Caller
	identities     []string
}

// service is the model: the service that a request belongs to.
func (s Spec) service(q asked) int {
	for _, r := range s.Rules {
		if !slices.ContainsFunc(r.When, func(c Condition) bool { return !c.holds(q) }) {
			return r.Service
		}
	}
	return 0
}

func (c Condition) holds(q asked) bool {
	return slices.ContainsFunc(c.values(q), func(v string) bool {
		switch c.Match {
		case Prefix:
			return strings.HasPrefix(v, c.Value)
		case Present:
			return true
		}
		return v == c.Value
	})
}

// values are those that the condition looks at, of which one has to match.
func (c Condition) values(q asked) []string {
	switch c.From {
	case Header:
		return q.header.Values(c.Name)
	case Cookie:
		return firstCookie(q.header.Values("cookie"), c.Name)
	case Query:
		return firstQuery(q.target, c.Name)
	case Method:
		return []string{q.method}
	case Claim:
		if v := map[string]string{"user": q.caller.User, "subscription": q.caller.Subscription}[c.Name]; v != "" {
			return []string{v}
		}
	case Identity:
		return q.identities
	}
	return nil
}

func firstCookie(lines []string, name string) []string {
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			k, v, ok := strings.Cut(pair, "=")
			if !ok || strings.TrimLeft(k, " ") != name {
				continue
			}
			if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
				v = v[1 : len(v)-1]
			}
			return []string{v}
		}
	}
	return nil
}

func firstQuery(target, name string) []string {
	_, query, _ := strings.Cut(target, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if k, v, _ := strings.Cut(pair, "="); k == name {
			return []string{v}
		}
	}
	return nil
}

// judge: every request reached the one service of its rule, once, unchanged,
// and was answered.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Request == nil { // under load nobody looks where it went
			if o.Outcome == function.Refused {
				return fmt.Errorf("route-context: request %d for %s was refused: routing refuses none", i, o.Path)
			}
			continue
		}
		want, got := s.service(s.question(o)), e.Reached(i)
		if len(got) != 1 || got[0].Replica != want {
			return fmt.Errorf("route-context: request %d reached %v, not service %d alone", i, function.Replicas(got), want)
		}
		if m := got[0].Message; m.Target != o.Request.Target || m.Method != o.Request.Method || string(m.Body) != string(o.Request.Body) {
			return fmt.Errorf("route-context: request %d for %s %s reached its service as %s %s: routing changes none",
				i, o.Request.Method, o.Request.Target, m.Method, m.Target)
		}
		if o.Response == nil || o.Response.Status != got[0].Answered {
			return fmt.Errorf("route-context: request %d did not get the answer of its service", i)
		}
	}
	return nil
}

func (s Spec) question(o function.Observation) asked {
	q := asked{method: o.Request.Method, target: o.Request.Target, header: o.Request.Header, caller: o.Caller, identities: o.Request.Identities}
	if s.Forwarded {
		q.identities = IdentitiesOf(strings.Join(o.Request.Header.Values("x-forwarded-client-cert"), ","))
	}
	return q
}
