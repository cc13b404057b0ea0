package routepath

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the rules.
type Spec struct {
	Rules []Rule `json:"rules" yaml:"rules"`
}

// Rule sends the paths that it matches to a service. One of Path, Prefix and
// Regex is set.
type Rule struct {
	Path    string `json:"path,omitempty" yaml:"path"`
	Prefix  string `json:"prefix,omitempty" yaml:"prefix"`
	Regex   string `json:"regex,omitempty" yaml:"regex"` // RE2, of the whole path
	Service int    `json:"service" yaml:"service"`       // 0 is the first
}

// Services is how many services there are to choose between.
const Services = 3

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	return s, s.validate()
}

func (s Spec) validate() error {
	if len(s.Rules) == 0 {
		return fmt.Errorf("route-path: rules: none: at least one is needed")
	}
	for i, r := range s.Rules {
		if err := r.validate(); err != nil {
			return fmt.Errorf("route-path: rules[%d]: %w", i, err)
		}
	}
	return nil
}

func (r Rule) validate() error {
	given := 0
	for _, text := range []string{r.Path, r.Prefix, r.Regex} {
		if text != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return fmt.Errorf("one of path, prefix and regex is needed, %d are given", given)
	case r.Service < 0 || r.Service >= Services:
		return fmt.Errorf("service %d: there are %d, from 0", r.Service, Services)
	case r.Regex == "" && !strings.HasPrefix(r.Path+r.Prefix, "/"):
		return fmt.Errorf("%q does not begin with /", r.Path+r.Prefix)
	case strings.ContainsAny(r.Path+r.Prefix, "?#"):
		return fmt.Errorf("%q holds a query", r.Path+r.Prefix)
	}
	if _, err := regexp.Compile(r.Regex); err != nil {
		return fmt.Errorf("regex: %w", err)
	}
	return nil
}
