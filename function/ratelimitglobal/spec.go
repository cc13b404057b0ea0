package ratelimitglobal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/rls"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters of the global rate limit.
type Spec struct {
	// Limits are the allowances of one user, by subscription: Personal: 10/min.
	Limits map[string]rls.Rate `json:"limits" yaml:"limits"`
	// Paths are what is limited, each the whole path without query.
	Paths []string `json:"paths" yaml:"paths"`
	// OnFailure is what becomes of requests without the service's answer:
	// allow, which is the default, or deny.
	OnFailure string `json:"on_failure" yaml:"on_failure"`
	// Timeout is how long the answer is waited for; by default 1s.
	Timeout function.Duration `json:"timeout" yaml:"timeout"`
}

// What OnFailure may be.
const (
	Allow = "allow"
	Deny  = "deny"
)

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	s := Spec{OnFailure: Allow, Timeout: function.Duration(time.Second)}
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("ratelimit-global: %w", err)
	}
	return s, nil
}

func (s Spec) validate() error {
	switch {
	case len(s.Limits) == 0:
		return fmt.Errorf("limits: empty: list at least one subscription, as in Personal: 10/min")
	case len(s.Paths) == 0:
		return fmt.Errorf("paths: empty: list at least one path, as in /pull")
	case s.OnFailure != Allow && s.OnFailure != Deny:
		return fmt.Errorf("on_failure %q: want %s or %s", s.OnFailure, Allow, Deny)
	case s.Timeout <= 0:
		return fmt.Errorf("timeout %v: want one above zero", s.Timeout)
	}
	for name, rate := range s.Limits {
		if name == "" || rate.Tokens == 0 {
			return fmt.Errorf("limits: %q: has no name or no rate: write N/s, N/min or N/h", name)
		}
	}
	for i, path := range s.Paths {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#") || slices.Contains(s.Paths[:i], path) {
			return fmt.Errorf("paths: %q is no path, or given twice: a path begins with / and has no query", path)
		}
	}
	return nil
}
