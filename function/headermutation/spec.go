package headermutation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is what is done with a request's headers, and with its response's. After
// Decode names are in lower case.
type Spec struct {
	Request  []Mutation `json:"request,omitempty" yaml:"request"`
	Response []Mutation `json:"response,omitempty" yaml:"response"`
}

// Mutation is one change.
type Mutation struct {
	Op    Op     `json:"op" yaml:"op"`
	Name  string `json:"name" yaml:"name"`
	Value string `json:"value" yaml:"value"` // for set and append; may be empty
}

// Op is what is done with a header.
type Op string

// The changes there are.
const (
	Set    Op = "set"
	Append Op = "append"
	Remove Op = "remove"
)

// refused are headers whose change would break the message, or send it
// elsewhere. Cookies are parted by semicolons, so that another one cannot be
// appended.
func refused() []string {
	return []string{"host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "content-encoding", "expect", "cookie"}
}

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	return s.complete()
}

// complete validates a Spec and writes names in lower case.
func (s Spec) complete() (Spec, error) {
	if len(s.Request)+len(s.Response) == 0 {
		return s, fmt.Errorf("header-mutation: request and response: both are empty; the function noop is what changes nothing")
	}
	request, err := complete(s.Request)
	if err != nil {
		return s, fmt.Errorf("header-mutation: request%w", err)
	}
	response, err := complete(s.Response)
	if err != nil {
		return s, fmt.Errorf("header-mutation: response%w", err)
	}
	return Spec{Request: request, Response: response}, nil
}

func complete(ms []Mutation) (all []Mutation, err error) {
	for i, m := range ms {
		m.Name = strings.ToLower(m.Name)
		if err := m.validate(); err != nil {
			return nil, fmt.Errorf("[%d].%w", i, err)
		}
		all = append(all, m)
	}
	return all, nil
}

func (m Mutation) validate() error {
	switch m.Op {
	case Set, Append:
	case Remove:
		if m.Value != "" {
			return fmt.Errorf("value: %q: remove takes every copy, whatever its value", m.Value)
		}
	default:
		return fmt.Errorf("op: %q: want %s, %s or %s", m.Op, Set, Append, Remove)
	}
	switch {
	case !isToken(m.Name):
		return fmt.Errorf("name: %q is no name of a header", m.Name)
	case slices.Contains(refused(), m.Name):
		return fmt.Errorf("name: %s: not to be changed: it says how the message is sent, or to whom", m.Name)
	case strings.Trim(m.Value, " \t") != m.Value:
		return fmt.Errorf("value: %q: no value of a header begins or ends with a space", m.Value)
	case strings.ContainsFunc(m.Value, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f }):
		return fmt.Errorf("value: %q holds what cannot stand in a header", m.Value)
	}
	return nil
}

// isToken reports whether the text is a token as RFC 9110 5.6.2 has it.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
