package extauthz

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
)

// slack is how much later than its timeout an answer may come, and early what
// part of it must have passed: Envoy's timers go by the time at which its loop
// woke up.
const (
	slack = 15 * time.Second
	early = 2
)

// rule is the model: the rule of a request, and an empty one that denies where
// none fits.
func (s Spec) rule(path string, header http.Header) Rule {
	for _, r := range s.Rules {
		fits := r.Header == "" || strings.Join(header.Values(r.Header), ",") == r.Equals
		if strings.HasPrefix(path, r.Prefix) && fits {
			return r
		}
	}
	return Rule{Answer: Deny}
}

// judge: each request became what its rule says, and what the service behind
// got of it is what the rule left.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Outcome == function.Unknown || o.Request == nil && s.looksAtHeaders() {
			continue
		}
		header := http.Header{}
		if o.Request != nil {
			header = o.Request.Header
		}
		r := s.rule(o.Path, header)
		goesOn := r.Answer == Allow || r.Answer != Deny && s.OnFailure == Allow
		if goesOn != (o.Outcome == function.Allowed) {
			return fmt.Errorf("ext-authz: request %d for %s: went on %t, and its rule says %s", i, o.Path, !goesOn, r.Answer)
		}
		if o.Request == nil {
			continue
		}
		if err := s.inDetail(r, goesOn, o, e.Reached(i)); err != nil {
			return fmt.Errorf("ext-authz: request %d for %s: %w", i, o.Path, err)
		}
	}
	return nil
}

func (s Spec) looksAtHeaders() bool {
	for _, r := range s.Rules {
		if r.Header != "" {
			return true
		}
	}
	return false
}

func (s Spec) inDetail(r Rule, goesOn bool, o function.Observation, reached []function.Delivery) error {
	if took := o.Latest - o.Earliest; r.Answer == Hang && (took < s.Timeout.Std()/early || took > s.Timeout.Std()+slack) {
		return fmt.Errorf("took %v, and the service is waited for %v", took, s.Timeout)
	}
	if goesOn {
		if len(reached) != 1 {
			return fmt.Errorf("reached the service behind %d times", len(reached))
		}
		return r.left(o.Request.Header, reached[0].Message.Header)
	}
	if len(reached) != 0 {
		return fmt.Errorf("was refused, and reached the service behind")
	}
	want := http.StatusServiceUnavailable
	if r.Answer == Deny {
		want = http.StatusForbidden
		if r.Status != 0 {
			want = r.Status
		}
	}
	if o.Response.Status != want || string(o.Response.Body) != r.Body {
		return fmt.Errorf("was answered with %d %.60q, not %d %.60q", o.Response.Status, o.Response.Body, want, r.Body)
	}
	for name, value := range r.Headers {
		if got := o.Response.Header.Values(name); len(got) != 1 || got[0] != value {
			return fmt.Errorf("the answer has %s %q, not %q", name, got, value)
		}
	}
	return nil
}

// left holds the headers that the service behind got against those that the
// client sent and the rule.
func (r Rule) left(sent, got http.Header) error {
	want := http.Header{}
	for name, values := range sent {
		want[name] = values
	}
	for _, name := range r.Remove {
		want.Del(name)
	}
	for name, value := range r.Headers {
		want.Set(name, value)
	}
	for name := range want {
		if strings.Join(got.Values(name), ",") != strings.Join(want.Values(name), ",") {
			return fmt.Errorf("the service behind got %s %q, not %q", name, got.Values(name), want.Values(name))
		}
	}
	for _, name := range r.Remove {
		if _, added := r.Headers[name]; !added && len(got.Values(name)) > 0 {
			return fmt.Errorf("the service behind got %s, which is taken away", name)
		}
	}
	return nil
}
