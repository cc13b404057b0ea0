package ratelimit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters of the rate limit.
type Spec struct {
	// Limits are the allowances of one user, by subscription.
	Limits map[string]Rate `json:"limits" yaml:"limits"`
	// Others is what all callers share whose subscription is not listed, or
	// who are not known at all: one bucket per path for all of them.
	Others Rate `json:"others" yaml:"others"`
	// Paths are what is limited, each the whole path without query and each
	// with buckets of its own. A request for another path goes on unlimited.
	Paths []string `json:"paths" yaml:"paths"`
	// Users is the number of buckets per path and subscription that the native form
	// holds at most; the least recently used one goes when there would be
	// more, and its user starts anew. The library form keeps every bucket
	// that is not full.
	Users int `json:"users" yaml:"users"`
}

// mostUsers is the largest Users: the memory of a proxy is finite.
const mostUsers = 10_000_000

// DefaultSpec returns Image Hub's subscriptions. Others is one token a
// nanosecond, which no proxy can exhaust: a caller that no limit is meant for
// goes on, and does so by the same rule in all forms.
func DefaultSpec() Spec {
	return Spec{
		Limits: map[string]Rate{
			"Personal":   {Tokens: 10, Per: time.Minute},
			"Team":       {Tokens: 100, Per: time.Minute},
			"Enterprise": {Tokens: 1000, Per: time.Minute},
		},
		Others: Rate{Tokens: maxTokens, Per: time.Second},
		Paths:  []string{"/pull"},
		Users:  100_000,
	}
}

// Decode reads a Spec strictly; what is not given is taken from DefaultSpec.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	d := DefaultSpec()
	if s.Limits == nil {
		s.Limits = d.Limits
	}
	if s.Paths == nil {
		s.Paths = d.Paths
	}
	if s.Others == (Rate{}) {
		s.Others = d.Others
	}
	if s.Users == 0 {
		s.Users = d.Users
	}
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("ratelimit: %w", err)
	}
	return s, nil
}

func (s Spec) validate() error {
	if len(s.Limits) == 0 {
		return fmt.Errorf("limits: empty: list at least one subscription, as in Personal: 10/min")
	}
	for _, name := range s.subscriptions() {
		if name == "" || !printable(name) {
			return fmt.Errorf("limits: %q is no name of a subscription: it must be printable and not empty", name)
		}
		if s.Limits[name].Tokens == 0 {
			return fmt.Errorf("limits: %s: has no rate: write N/s, N/min or N/h", name)
		}
	}
	if len(s.Paths) == 0 {
		return fmt.Errorf("paths: empty: list at least one path, as in /pull")
	}
	for i, path := range s.Paths {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#") || !printable(path) {
			return fmt.Errorf("paths: %q is no path: it begins with / and has no query", path)
		}
		if slices.Contains(s.Paths[:i], path) {
			return fmt.Errorf("paths: %s is listed twice", path)
		}
	}
	if s.Users < 1 || s.Users > mostUsers {
		return fmt.Errorf("users: %d: must be from 1 to %d", s.Users, mostUsers)
	}
	return nil
}

// printable reports whether the text can stand in a header.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' && text[i] != ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// subscriptions lists the names in a fixed order.
func (s Spec) subscriptions() []string { return slices.Sorted(maps.Keys(s.Limits)) }

func (s Spec) limited(path string) bool { return slices.Contains(s.Paths, path) }

// account is whose bucket a request draws from: one per path, user and
// subscription, and one per path for all callers without a listed
// subscription.
type account struct {
	path   string
	caller function.Caller // zero: all others
}

func (s Spec) account(path string, c function.Caller) (account, Rate) {
	if r, listed := s.Limits[c.Subscription]; listed && c.User != "" {
		return account{path, c}, r
	}
	return account{path: path}, s.Others
}

// specOf is the parameters, valid even where they were not decoded but made.
func specOf(spec function.Spec) (Spec, error) {
	s, err := function.SpecAs[Spec](spec)
	if err == nil {
		err = s.validate()
	}
	if err != nil {
		return Spec{}, fmt.Errorf("ratelimit: %w", err)
	}
	return s, nil
}
