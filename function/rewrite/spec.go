package rewrite

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

// Rule changes the requests whose path it matches. One of Prefix and Regex is
// set, and To or Host.
type Rule struct {
	Prefix string `json:"prefix,omitempty" yaml:"prefix"`
	Regex  string `json:"regex,omitempty" yaml:"regex"` // RE2, of the whole path
	To     string `json:"to,omitempty" yaml:"to"`       // empty: the path stays
	Host   string `json:"host,omitempty" yaml:"host"`   // empty: the host stays
}

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s Spec) validate() error {
	if len(s.Rules) == 0 {
		return fmt.Errorf("rewrite: rules: none: at least one is needed")
	}
	for i, r := range s.Rules {
		if err := r.validate(); err != nil {
			return fmt.Errorf("rewrite: rules[%d]%w", i, err)
		}
	}
	return nil
}

func (r Rule) validate() error {
	switch {
	case (r.Prefix == "") == (r.Regex == ""):
		return fmt.Errorf(": one of prefix and regex is needed")
	case r.To == "" && r.Host == "":
		return fmt.Errorf(": to and host: both are empty, nothing would change")
	case r.Prefix != "" && !isPath(r.Prefix):
		return fmt.Errorf(".prefix: %q is no beginning of a path: want / first, no query and no spaces", r.Prefix)
	case r.To != "" && !isPath(r.To):
		return fmt.Errorf(".to: %q is no beginning of a path: want / first, no query and no spaces", r.To)
	case r.Host != "" && !isHost(r.Host):
		return fmt.Errorf(".host: %q is no host", r.Host)
	}
	if r.Regex == "" {
		if strings.Contains(r.To, `\`) {
			return fmt.Errorf(`.to: %q: \ stands for groups of a regex, and there is none`, r.To)
		}
		return nil
	}
	e, err := regexp.Compile(r.Regex) // and not whole: ")(" would pass
	if err != nil {
		return fmt.Errorf(".regex: %w", err)
	}
	return groups(r.To, e.NumSubexp())
}

// groups checks that a text names only groups that there are.
func groups(to string, most int) error {
	for i := 0; i < len(to); i++ {
		if to[i] != '\\' {
			continue
		}
		i++
		if i == len(to) || to[i] < '0' || to[i] > '9' || int(to[i]-'0') > most {
			return fmt.Errorf(`.to: %q: \ is followed by the number of a group, 0 to %d`, to, min(most, 9))
		}
	}
	return nil
}

func isPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '?' || r == '#' })
}

func isHost(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`/\?#@"<>`, r) })
}
