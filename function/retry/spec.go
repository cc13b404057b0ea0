package retry

import (
	"fmt"
	"slices"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters of retries.
type Spec struct {
	// On are the conditions: 5xx, gateway-error, reset, connect-failure.
	On []string `json:"on,omitempty" yaml:"on"`
	// Statuses are further ones that are tried again.
	Statuses []int `json:"statuses,omitempty" yaml:"statuses"`
	// Retries is how many attempts there may be beyond the first; 1 if not given.
	Retries int `json:"retries" yaml:"retries"`
	// PerTry is how long one attempt may take until its response begins; not
	// given: any time.
	PerTry function.Duration `json:"per_try,omitzero" yaml:"per_try"`
	// Base and Longest are the bounds of the backoff; 25ms and ten times the
	// base if not given.
	Base    function.Duration `json:"base" yaml:"base"`
	Longest function.Duration `json:"longest" yaml:"longest"`
	// Budget bounds the retries of all requests together; not given: nothing does.
	Budget *Budget `json:"budget,omitempty" yaml:"budget"`
}

// Budget is how many retries there may be at once.
type Budget struct {
	Percent float64 `json:"percent" yaml:"percent"` // of the requests under way
	Least   int     `json:"least" yaml:"least"`     // but as many as this always
}

// The conditions.
const (
	On5xx            = "5xx"
	OnGatewayError   = "gateway-error"
	OnReset          = "reset"
	OnConnectFailure = "connect-failure"
)

// conditions are all of them.
var conditions = []string{On5xx, OnGatewayError, OnReset, OnConnectFailure}

// Defaults, which are Envoy's, and bounds.
const (
	defaultBase   = 25 * time.Millisecond
	longestFactor = 10
	mostRetries   = 100
	longestTime   = time.Hour
)

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	s := Spec{Retries: 1}
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if s.Base == 0 {
		s.Base = function.Duration(defaultBase)
	}
	if s.Longest == 0 {
		s.Longest = longestFactor * s.Base
	}
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("retry: %w", err)
	}
	return s, nil
}

func (s Spec) validate() error {
	if len(s.On)+len(s.Statuses) == 0 {
		return fmt.Errorf("on: no condition: name at least one of %v, or statuses", conditions)
	}
	for i, c := range s.On {
		if !slices.Contains(conditions, c) || slices.Contains(s.On[:i], c) {
			return fmt.Errorf("on[%d]: %q is none of %v, or there twice", i, c, conditions)
		}
	}
	for i, c := range s.Statuses {
		if c < 400 || c > 599 {
			return fmt.Errorf("statuses[%d]: %d is not between 400 and 599", i, c)
		}
	}
	switch {
	case s.Retries < 1 || s.Retries > mostRetries:
		return fmt.Errorf("retries: %d is not between 1 and %d", s.Retries, mostRetries)
	case s.Base.Std() < time.Millisecond || s.Base.Std() > longestTime:
		return fmt.Errorf("base: %v is not between 1ms and %v", s.Base, longestTime)
	case s.Longest < s.Base || s.Longest.Std() > longestTime:
		return fmt.Errorf("longest: %v is not between base, %v, and %v", s.Longest, s.Base, longestTime)
	case s.PerTry < 0 || s.PerTry.Std() > longestTime || s.PerTry.Std()%time.Millisecond != 0:
		return fmt.Errorf("per_try: %v is not between 0 and %v in whole milliseconds", s.PerTry, longestTime)
	case s.Budget != nil && (s.Budget.Least < 0 || s.Budget.Least > 1<<30):
		return fmt.Errorf("budget: least: %d is not between 0 and %d", s.Budget.Least, 1<<30)
	case s.Budget != nil && !(s.Budget.Percent >= 0 && s.Budget.Percent <= 100):
		return fmt.Errorf("budget: percent: %v is not from 0 to 100", s.Budget.Percent)
	}
	return nil
}
