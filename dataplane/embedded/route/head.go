package route

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/taremesh/tare/internal/http1"
)

// Head is the head of a message, to be changed.
type Head interface {
	Copy(name string, before int) (value []byte, ok bool)
	SetHeader(name string, value []byte) // replaces every copy
	AddHeader(name string, value []byte) // beside the copies that are there
	RemoveHeader(name string)            // removes every copy
}

// Facts are what values of headers may be made of, beside the request.
type Facts interface {
	Request
	Protocol() string // HTTP/1.1
	Remote() string   // host:port of the client
	Local() string    // host:port that it has come to
}

// Changes are what a route does to a head.
type Changes struct {
	remove    []string
	overwrite []addition
	add       []addition
}

// addition is one header to be set.
type addition struct {
	name  string
	value value
	keep  bool // also where it is empty
	when  when
}

type when uint8

const (
	always when = iota
	ifAbsent
	ifPresent
)

func newChanges(add []*corev3.HeaderValueOption, remove []string, what string) (c Changes, err error) {
	for i, name := range remove {
		if !changeable(name) {
			return c, fmt.Errorf("field %s_headers_to_remove[%d]: %q cannot be removed", what, i, name)
		}
		c.remove = append(c.remove, strings.ToLower(name))
	}
	for i, o := range add {
		if err := c.option(o); err != nil {
			return c, fmt.Errorf("field %s_headers_to_add[%d]: %w", what, i, err)
		}
	}
	return c, nil
}

func (c *Changes) option(o *corev3.HeaderValueOption) (err error) {
	a := addition{name: strings.ToLower(o.GetHeader().GetKey()), keep: o.GetKeepEmptyValue()}
	if !changeable(a.name) {
		return fmt.Errorf("field header.key: %q cannot be set", a.name)
	}
	text := o.GetHeader().GetValue()
	if raw := o.GetHeader().GetRawValue(); len(raw) > 0 {
		text = string(raw)
	}
	if a.value, err = newValue(text); err != nil {
		return fmt.Errorf("field header.value: %w", err)
	}
	switch action := o.GetAppendAction(); action {
	case corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD:
		c.add = append(c.add, a)
	case corev3.HeaderValueOption_ADD_IF_ABSENT:
		a.when = ifAbsent
		c.add = append(c.add, a)
	case corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD:
		c.overwrite = append(c.overwrite, a)
	case corev3.HeaderValueOption_OVERWRITE_IF_EXISTS:
		a.when = ifPresent
		c.overwrite = append(c.overwrite, a)
	default:
		return fmt.Errorf("field append_action: %v is not supported", action)
	}
	return nil
}

// changeable refuses what says where a message goes and how it is framed.
func changeable(name string) bool {
	b := []byte(name)
	return http1.ValidName(b) && !http1.Framing(b) && !strings.EqualFold(name, "host")
}

func (c *Changes) none() bool { return len(c.remove)+len(c.overwrite)+len(c.add) == 0 }

// Apply changes a head. What values are made of is taken from the facts.
func (c *Changes) Apply(h Head, x Facts) {
	for _, name := range c.remove {
		h.RemoveHeader(name)
	}
	for i := range c.overwrite {
		if v, due := c.overwrite[i].due(h, x); due {
			h.SetHeader(c.overwrite[i].name, v)
		}
	}
	for i := range c.add {
		if v, due := c.add[i].due(h, x); due {
			h.AddHeader(c.add[i].name, v)
		}
	}
}

// due is the value, if it is to be set.
func (a *addition) due(h Head, x Facts) (v []byte, due bool) {
	if a.when != always {
		if _, there := h.Copy(a.name, 0); there != (a.when == ifPresent) {
			return nil, false
		}
	}
	v = a.value.of(x)
	return v, len(v) > 0 || a.keep
}

// value is the value of a header: text, and what is known of the request.
type value struct {
	fixed []byte // where it has no operators
	parts []part
}

type part struct {
	text string
	of   func(Facts) []byte
}

// operators are those of Envoy's that are known, beside REQ(…).
var operators = map[string]func(Facts) []byte{
	"PROTOCOL":                               func(x Facts) []byte { return []byte(x.Protocol()) },
	"DOWNSTREAM_REMOTE_ADDRESS":              func(x Facts) []byte { return []byte(x.Remote()) },
	"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": func(x Facts) []byte { return []byte(withoutPort(x.Remote())) },
	"DOWNSTREAM_LOCAL_ADDRESS":               func(x Facts) []byte { return []byte(x.Local()) },
	"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT":  func(x Facts) []byte { return []byte(withoutPort(x.Local())) },
}

func withoutPort(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i >= 0 {
		return strings.Trim(addr[:i], "[]")
	}
	return addr
}

func newValue(text string) (v value, err error) {
	if strings.ContainsAny(text, "\r\n\x00") {
		return v, errors.New("holds a control character")
	}
	var fixed strings.Builder
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "%")
		fixed.WriteString(before)
		if !found {
			break
		}
		name, behind, closed := strings.Cut(after, "%")
		if !closed {
			return v, fmt.Errorf("the operator %%%s has no end", name)
		}
		rest = behind
		if name == "" {
			fixed.WriteByte('%')
			continue
		}
		of, err := operator(name)
		if err != nil {
			return v, err
		}
		v.parts = append(v.parts, part{fixed.String(), of})
		fixed.Reset()
	}
	if v.parts == nil {
		v.fixed = []byte(strings.TrimSpace(fixed.String()))
	} else {
		v.parts = append(v.parts, part{text: fixed.String()})
	}
	return v, nil
}

func operator(name string) (func(Facts) []byte, error) {
	for _, verb := range []string{"REQ(", "REQUEST_HEADER("} {
		field, ok := strings.CutPrefix(name, verb)
		if field, ends := strings.CutSuffix(field, ")"); ok && ends && field != "" && !strings.Contains(field, "?") {
			field = strings.ToLower(field)
			return func(x Facts) []byte {
				v, _ := pseudo(x, field, 0)
				return v
			}, nil
		}
	}
	if of, ok := operators[name]; ok {
		return of, nil
	}
	return nil, fmt.Errorf("the operator %%%s%% is not supported", name)
}

func (v *value) of(x Facts) []byte {
	if v.parts == nil {
		return v.fixed
	}
	var b []byte
	for _, p := range v.parts {
		b = append(b, p.text...)
		if p.of != nil {
			b = append(b, p.of(x)...)
		}
	}
	return bytes.Trim(b, " \t")
}
