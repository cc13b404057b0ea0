package balancehash

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters. One of Header, Cookie and Query is set.
type Spec struct {
	// Table is "ring" or "maglev".
	Table  string `json:"table" yaml:"table"`
	Header string `json:"header,omitempty" yaml:"header"`
	Cookie string `json:"cookie,omitempty" yaml:"cookie"`
	Query  string `json:"query,omitempty" yaml:"query"`
	// Without are replicas that are left out, by place: what it is like when they leave.
	Without []int `json:"without,omitempty" yaml:"without"`
}

// Replicas is how many replicas there are to balance over.
const Replicas = 4

// The tables.
const (
	Ring   = "ring"
	Maglev = "maglev"
)

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	given := 0
	for _, name := range []string{s.Header, s.Cookie, s.Query} {
		if name != "" {
			given++
		}
	}
	switch {
	case s.Table != Ring && s.Table != Maglev:
		return nil, fmt.Errorf("balance-hash: table: %q is neither %q nor %q", s.Table, Ring, Maglev)
	case given != 1:
		return nil, fmt.Errorf("balance-hash: one of header, cookie and query is needed, %d are given", given)
	case s.Header != strings.ToLower(s.Header) || strings.ContainsAny(s.Header+s.Cookie+s.Query, " :;=&,\r\n\""):
		return nil, fmt.Errorf("balance-hash: %q is not a name; headers are written in lower case", s.Header+s.Cookie+s.Query)
	}
	for i, r := range s.Without {
		if r < 0 || r >= Replicas || slices.Contains(s.Without[:i], r) {
			return nil, fmt.Errorf("balance-hash: without[%d]: %d is given twice or is no replica: there are %d, from 0", i, r, Replicas)
		}
	}
	if len(s.Without) == Replicas {
		return nil, fmt.Errorf("balance-hash: without: no replica is left")
	}
	return s, nil
}

// stays reports whether a replica is not left out.
func (s Spec) stays(replica int) bool { return !slices.Contains(s.Without, replica) }
