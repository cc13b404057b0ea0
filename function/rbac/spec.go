package rbac

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is policies and what becomes of the requests that they match.
type Spec struct {
	Action   string   `json:"action" yaml:"action"` // allow or deny
	Policies []Policy `json:"policies" yaml:"policies"`
}

// The actions.
const (
	Allow = "allow"
	Deny  = "deny"
)

// Policy matches a request when one of its permissions and one of its
// principals do. An empty list matches everything.
type Policy struct {
	Name        string       `json:"name" yaml:"name"`
	Permissions []Permission `json:"permissions,omitempty" yaml:"permissions"`
	Principals  []Principal  `json:"principals,omitempty" yaml:"principals"`
}

// Permission is what is done: everything that is set has to match.
type Permission struct {
	Path    string   `json:"path,omitempty" yaml:"path"`       // the whole path
	Prefix  string   `json:"prefix,omitempty" yaml:"prefix"`   // how it begins
	Regex   string   `json:"regex,omitempty" yaml:"regex"`     // RE2, of the whole path
	Methods []string `json:"methods,omitempty" yaml:"methods"` // one of them
	Header  *Header  `json:"header,omitempty" yaml:"header"`
}

// Principal is who does it: everything that is set has to match.
type Principal struct {
	User         string  `json:"user,omitempty" yaml:"user"`                 // the claim sub
	Subscription string  `json:"subscription,omitempty" yaml:"subscription"` // the claim of that name
	Header       *Header `json:"header,omitempty" yaml:"header"`
	SPIFFE       string  `json:"spiffe,omitempty" yaml:"spiffe"` // URI of the client's certificate
	Source       string  `json:"source,omitempty" yaml:"source"` // range of the client's address: 10.0.0.0/8
	Not          bool    `json:"not,omitempty" yaml:"not"`       // who is none of this
}

// Header is a condition on a header: it is there, and its value is this or
// begins so.
type Header struct {
	Name   string `json:"name" yaml:"name"`
	Exact  string `json:"exact,omitempty" yaml:"exact"`
	Prefix string `json:"prefix,omitempty" yaml:"prefix"`
}

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("rbac: %w", err)
	}
	return s, nil
}

func (s Spec) validate() error {
	if s.Action != Allow && s.Action != Deny {
		return fmt.Errorf("action %q: want %s or %s", s.Action, Allow, Deny)
	}
	if len(s.Policies) == 0 {
		return fmt.Errorf("policies: none: at least one is needed")
	}
	names := map[string]bool{}
	for i, p := range s.Policies {
		if p.Name == "" || names[p.Name] {
			return fmt.Errorf("policies[%d]: name %q is empty or given twice", i, p.Name)
		}
		names[p.Name] = true
		for j, perm := range p.Permissions {
			if err := perm.validate(); err != nil {
				return fmt.Errorf("policies[%d].permissions[%d]: %w", i, j, err)
			}
		}
		for j, who := range p.Principals {
			if err := who.validate(); err != nil {
				return fmt.Errorf("policies[%d].principals[%d]: %w", i, j, err)
			}
		}
	}
	return nil
}

func (p Permission) validate() error {
	given := 0
	for _, text := range []string{p.Path, p.Prefix, p.Regex} {
		if text != "" {
			given++
		}
	}
	switch {
	case given > 1:
		return fmt.Errorf("path, prefix and regex: at most one of them may be set")
	case given == 0 && len(p.Methods) == 0 && p.Header == nil:
		return fmt.Errorf("says nothing: leave the list out to permit everything")
	case p.Path+p.Prefix != "" && !strings.HasPrefix(p.Path+p.Prefix, "/"):
		return fmt.Errorf("%q does not begin with /", p.Path+p.Prefix)
	case strings.ContainsAny(p.Path+p.Prefix, "?#"):
		return fmt.Errorf("%q holds a query: only the path is compared", p.Path+p.Prefix)
	}
	if _, err := regexp.Compile(p.Regex); err != nil {
		return fmt.Errorf("regex: %w", err)
	}
	for _, m := range p.Methods {
		if m == "" || strings.ToUpper(m) != m || strings.ContainsAny(m, " \t") {
			return fmt.Errorf("method %q: methods are written in capitals", m)
		}
	}
	return p.Header.validate()
}

func (p Principal) validate() error {
	if p.User == "" && p.Subscription == "" && p.Header == nil && p.SPIFFE == "" && p.Source == "" {
		return fmt.Errorf("says nothing: leave the list out for everybody")
	}
	if p.SPIFFE != "" && !strings.HasPrefix(p.SPIFFE, "spiffe://") {
		return fmt.Errorf("spiffe %q does not begin with spiffe://", p.SPIFFE)
	}
	if p.Source != "" {
		if _, err := netip.ParsePrefix(p.Source); err != nil {
			return fmt.Errorf("source: %w", err)
		}
	}
	return p.Header.validate()
}

func (h *Header) validate() error {
	switch {
	case h == nil:
		return nil
	case h.Name == "" || strings.ContainsAny(h.Name, ": \t"):
		return fmt.Errorf("header: %q is no name of a header", h.Name)
	case h.Exact != "" && h.Prefix != "":
		return fmt.Errorf("header %s: exact and prefix: at most one of them may be set", h.Name)
	}
	return nil
}
