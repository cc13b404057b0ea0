package extauthz

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the rules of the service, and what the proxy does without an answer.
type Spec struct {
	Rules     []Rule `json:"rules" yaml:"rules"`
	OnFailure string `json:"on_failure" yaml:"on_failure"` // deny or allow; empty: deny
	// Timeout is how long the proxy waits for the answer; by default 1s.
	Timeout function.Duration `json:"timeout" yaml:"timeout"`
}

// Rule is what becomes of the requests that it fits.
type Rule struct {
	Prefix string `json:"prefix" yaml:"prefix"` // of the path
	// Header, if set, has to be in the request, with the value Equals.
	Header string `json:"header,omitempty" yaml:"header"`
	Equals string `json:"equals,omitempty" yaml:"equals"`

	Answer string `json:"answer" yaml:"answer"` // allow, deny, fail or hang
	// Status and Body are those of a denied request; 0: 403.
	Status int    `json:"status,omitempty" yaml:"status"`
	Body   string `json:"body,omitempty" yaml:"body"`
	// Headers are added to an allowed request, or to the answer of a denied one.
	Headers map[string]string `json:"headers,omitempty" yaml:"headers"`
	// Remove are headers that are taken from an allowed request.
	Remove []string `json:"remove,omitempty" yaml:"remove"`
}

// The answers of a rule.
const (
	Allow = "allow"
	Deny  = "deny"
	Fail  = "fail" // with an error of gRPC
	Hang  = "hang" // until nobody waits any more
)

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	s := Spec{OnFailure: Deny, Timeout: function.Duration(time.Second)}
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("ext-authz: %w", err)
	}
	return s, nil
}

func (s Spec) validate() error {
	if len(s.Rules) == 0 {
		return fmt.Errorf("rules: none: at least one is needed")
	}
	if s.OnFailure != Allow && s.OnFailure != Deny {
		return fmt.Errorf("on_failure %q: want %s or %s", s.OnFailure, Allow, Deny)
	}
	if s.Timeout <= 0 {
		return fmt.Errorf("timeout %v: want one above zero", s.Timeout)
	}
	for i, r := range s.Rules {
		if err := r.validate(); err != nil {
			return fmt.Errorf("rules[%d]: %w", i, err)
		}
	}
	return nil
}

func (r Rule) validate() error {
	switch {
	case !strings.HasPrefix(r.Prefix, "/"):
		return fmt.Errorf("prefix %q does not begin with /", r.Prefix)
	case !slices.Contains([]string{Allow, Deny, Fail, Hang}, r.Answer):
		return fmt.Errorf("answer %q: want %s, %s, %s or %s", r.Answer, Allow, Deny, Fail, Hang)
	case (r.Header == "") != (r.Equals == ""):
		return fmt.Errorf("header and equals: both or none of them")
	case r.Answer != Deny && (r.Status != 0 || r.Body != ""):
		return fmt.Errorf("status and body are those of a denied request, and this rule says %s", r.Answer)
	case r.Answer != Allow && len(r.Remove) > 0:
		return fmt.Errorf("remove: of an allowed request only")
	case r.Answer != Allow && r.Answer != Deny && len(r.Headers) > 0:
		return fmt.Errorf("headers: a service that gives no answer adds none")
	case r.Status != 0 && (r.Status < 400 || http.StatusText(r.Status) == ""):
		return fmt.Errorf("status %d: want a known one from 400 on", r.Status)
	case r.Header != "" && !plain(r.Header):
		return fmt.Errorf("header %q: no name of a header, in lower case", r.Header)
	}
	return r.validateChanges()
}

func (r Rule) validateChanges() error {
	names := slices.Clone(r.Remove)
	for name, value := range r.Headers {
		names = append(names, name)
		if strings.ContainsAny(value, "\r\n\x00") {
			return fmt.Errorf("headers: the value of %q would end the header", name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		if !plain(name) || i > 0 && names[i-1] == name {
			return fmt.Errorf("headers and remove: %q: given twice, or no name of a header that may be changed, in lower case", name)
		}
	}
	return nil
}

// plain reports whether a filter may change the header.
func plain(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '-' && c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && !slices.Contains([]string{"host", "content-length", "transfer-encoding", "connection"}, name)
}
