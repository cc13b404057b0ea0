package redirect

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the rules.
type Spec struct {
	Rules []Rule `json:"rules" yaml:"rules"`
}

// Rule answers the requests that it matches. One of Path and Prefix is set, and
// one or more of Scheme, Host, Port and To.
type Rule struct {
	Path       string `json:"path,omitempty" yaml:"path"`
	Prefix     string `json:"prefix,omitempty" yaml:"prefix"`
	Scheme     string `json:"scheme,omitempty" yaml:"scheme"` // http or https; empty: that of the request
	Host       string `json:"host,omitempty" yaml:"host"`     // without a port; empty: that of the request
	Port       int    `json:"port,omitempty" yaml:"port"`
	To         string `json:"to,omitempty" yaml:"to"` // a path, or what the prefix becomes; empty: the path stays
	StripQuery bool   `json:"strip_query,omitempty" yaml:"strip_query"`
	Status     int    `json:"status" yaml:"status"` // 0 means 301
}

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	return s.complete()
}

// complete validates a Spec and fills in what it leaves open.
func (s Spec) complete() (Spec, error) {
	if len(s.Rules) == 0 {
		return s, fmt.Errorf("redirect: rules: none: at least one is needed")
	}
	rules := make([]Rule, len(s.Rules))
	for i, r := range s.Rules {
		if r.Status == 0 {
			r.Status = http.StatusMovedPermanently
		}
		if err := r.validate(); err != nil {
			return s, fmt.Errorf("redirect: rules[%d]%w", i, err)
		}
		rules[i] = r
	}
	return Spec{Rules: rules}, nil
}

func (r Rule) validate() error {
	switch {
	case (r.Path == "") == (r.Prefix == ""):
		return fmt.Errorf(": one of path and prefix is needed")
	case !isPath(r.Path + r.Prefix):
		return fmt.Errorf(": %q is no path: want / first, no query and no spaces", r.Path+r.Prefix)
	case r.Scheme == "" && r.Host == "" && r.Port == 0 && r.To == "":
		return fmt.Errorf(": scheme, host, port and to: all are empty: it would lead to itself")
	case r.Scheme != "" && r.Scheme != "http" && r.Scheme != "https":
		return fmt.Errorf(".scheme: %q: want http or https", r.Scheme)
	case strings.ContainsFunc(r.Host, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`/\?#@:"<>`, c) }):
		return fmt.Errorf(".host: %q is no host (a port is given as port)", r.Host)
	case r.Port < 0 || r.Port > 65535:
		return fmt.Errorf(".port: %d: want 1 to 65535", r.Port)
	case r.To != "" && !isPath(r.To):
		return fmt.Errorf(".to: %q is no path: want / first, no query and no spaces", r.To)
	}
	switch r.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return nil
	}
	return fmt.Errorf(".status: %d: want 301, 302, 303, 307 or 308", r.Status)
}

func isPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '?' || r == '#' })
}
