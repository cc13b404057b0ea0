package cors

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is what pages of other origins may do. After Decode the methods hold
// GET, HEAD and POST, and names of headers are in lower case.
type Spec struct {
	Origins     []string          `json:"origins,omitempty" yaml:"origins"`           // https://a.test, null, or * for all
	OriginRegex []string          `json:"origin_regex,omitempty" yaml:"origin_regex"` // RE2, of the whole origin
	Methods     []string          `json:"methods,omitempty" yaml:"methods"`
	Headers     []string          `json:"headers,omitempty" yaml:"headers"` // that a page may set
	Expose      []string          `json:"expose,omitempty" yaml:"expose"`   // that a page may read
	MaxAge      function.Duration `json:"max_age,omitzero" yaml:"max_age"`  // for which a browser may keep a preflight's answer
	Credentials bool              `json:"credentials,omitempty" yaml:"credentials"`
}

// safe are methods that browsers send without asking.
func safe() []string { return []string{"GET", "HEAD", "POST"} }

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
	for _, check := range []func() error{s.badOrigins, s.badMethods, s.badHeaders, s.badAge} {
		if err := check(); err != nil {
			return s, fmt.Errorf("cors: %w", err)
		}
	}
	methods := safe()
	for _, m := range s.Methods {
		if !slices.Contains(methods, m) {
			methods = append(methods, m)
		}
	}
	s.Methods = methods
	s.Headers, s.Expose = lower(s.Headers), lower(s.Expose)
	return s, nil
}

func lower(names []string) (all []string) {
	for _, n := range names {
		all = append(all, strings.ToLower(n))
	}
	return all
}

func (s Spec) badOrigins() error {
	if len(s.Origins)+len(s.OriginRegex) == 0 {
		return fmt.Errorf("origins and origin_regex: none: no page could call")
	}
	for i, o := range s.Origins {
		scheme, host, ok := strings.Cut(o, "://")
		switch {
		case o == "*" && s.Credentials:
			return fmt.Errorf("origins[%d]: *: every page could act as its visitor; with credentials origins are named", i)
		case o == "*", o == "null":
		case !ok || scheme == "" || host == "" || strings.ContainsAny(host, "/*?#@ "):
			return fmt.Errorf("origins[%d]: %q is no origin: want one such as https://a.test:8443, without a path", i, o)
		case strings.ToLower(o) != o:
			return fmt.Errorf("origins[%d]: %q: browsers write origins in lower case", i, o)
		}
	}
	for i, e := range s.OriginRegex {
		if _, err := regexp.Compile(e); e == "" || err != nil {
			return fmt.Errorf("origin_regex[%d]: %q is no expression: %w", i, e, err)
		}
	}
	return nil
}

func (s Spec) badMethods() error {
	for i, m := range s.Methods {
		if !isToken(m) || strings.ToUpper(m) != m || m == "*" {
			return fmt.Errorf("methods[%d]: %q is no method: they are named, in capitals", i, m)
		}
	}
	return nil
}

func (s Spec) badHeaders() error {
	for field, names := range map[string][]string{"headers": s.Headers, "expose": s.Expose} {
		for i, n := range names {
			if !isToken(n) || n == "*" {
				return fmt.Errorf("%s[%d]: %q is no name of a header", field, i, n)
			}
		}
	}
	return nil
}

func (s Spec) badAge() error {
	if age := s.MaxAge.Std(); age < 0 || age%time.Second != 0 {
		return fmt.Errorf("max_age: %v: want whole seconds", age)
	}
	return nil
}

// isToken reports whether the text is a token as RFC 9110 5.6.2 has it.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
