package study

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/taremesh/tare/internal/condition"
)

// Objective is what users are promised of a rate: conditions that must all
// hold. In text they are joined by commas: "p99<5ms,errors<0.1%".
type Objective []Condition

// Condition is one of an objective: a quantile of the response time below a
// time, or the share of errors below a share.
type Condition struct {
	Quantile float64       // 0.99 of p99; 0: of errors
	Response time.Duration // that the quantile stays below
	Errors   Percent       // that the share of errors stays below
}

// The most requests that a probe may need: beyond, it would take hours.
const maxProbeRequests = 10_000_000

// errorsAtLimit is how many errors a probe must be able to hold and still be
// within the share that the objective allows: one more or less of fewer would
// decide it.
const errorsAtLimit = 10

// Requests is how many requests a probe needs to be held against the
// condition: n(1−q) ≥ 100 for a quantile (method.md §3), and for a share of
// errors ten at its limit.
func (c Condition) Requests() int {
	need := errorsAtLimit / float64(c.Errors)
	if c.Quantile > 0 {
		need = 100 / (1 - c.Quantile)
	}
	return int(math.Ceil(need - 1e-6)) // 1−q is not exact in binary
}

// Requests is how many requests a probe needs to be held against all conditions.
func (o Objective) Requests() int {
	n := 0
	for _, c := range o {
		n = max(n, c.Requests())
	}
	return n
}

// objectives is what can be written of an objective.
var objectives = condition.Language{Figures: []condition.Figure{{Name: errorsName, Example: "<0.1%", Read: func(bound string) (float64, error) {
	var p Percent
	err := p.UnmarshalText([]byte(bound))
	return float64(p), err
}}}}

// errorsName is the share of requests that fail, as a condition names it.
const errorsName = "errors"

// ParseObjective reads "p99<5ms,errors<0.1%".
func ParseObjective(text string) (Objective, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New(`the objective is empty; write what a rate must keep, such as "p99<5ms,errors<0.1%"`)
	}
	o, err := parseObjective(text)
	if err != nil {
		return nil, fmt.Errorf("objective %q: %w", text, err)
	}
	return o, nil
}

func parseObjective(text string) (Objective, error) {
	written, err := objectives.Parse(text)
	if err != nil {
		return nil, err
	}
	var o Objective
	for _, w := range written {
		c := Condition{Quantile: w.Quantile, Response: time.Duration(w.Bound)}
		if w.Name == errorsName {
			c = Condition{Errors: Percent(w.Bound)}
		}
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("condition %q: %w", w.Text, err)
		}
		o = append(o, c)
	}
	return o, o.check()
}

// check refuses what no probe can decide.
func (c Condition) check() error {
	switch {
	case c.Quantile == 0 && c.Errors == 0:
		return errors.New("no share is below 0%; write a small one, such as errors<0.1%")
	case c.Errors == 1:
		return errors.New("every rate meets it until nothing is answered at all; write a share below 100%")
	case c.Response >= probeTimeout:
		return fmt.Errorf("a request is given up after %v; want a time below it", probeTimeout)
	case c.Requests() > maxProbeRequests:
		return fmt.Errorf("a probe would need %d requests to tell; want at most %d", c.Requests(), maxProbeRequests)
	}
	return nil
}

// probeTimeout is after how long a request of a probe counts as never answered:
// the generator's own limit.
const probeTimeout = 5 * time.Second

// check: a lower quantile with a bound that is no tighter would decide nothing.
func (o Objective) check() error {
	for _, c := range o {
		for _, d := range o {
			if c.Quantile > 0 && c.Quantile < d.Quantile && c.Response >= d.Response {
				return fmt.Errorf("%v decides nothing beside %v: leave one out, or give the lower quantile the tighter bound", c, d)
			}
		}
	}
	return nil
}

// Name is what the condition bounds: p99, errors.
func (c Condition) Name() string {
	if c.Quantile == 0 {
		return errorsName
	}
	return condition.Quantile(c.Quantile)
}

func (c Condition) String() string {
	if c.Quantile == 0 {
		return c.Name() + "<" + c.Errors.String()
	}
	return c.Name() + "<" + c.Response.String()
}

func (o Objective) String() string {
	parts := make([]string, len(o))
	for i, c := range o {
		parts[i] = c.String()
	}
	return strings.Join(parts, ",")
}

// UnmarshalText reads what ParseObjective reads.
func (o *Objective) UnmarshalText(text []byte) error {
	read, err := ParseObjective(string(text))
	if err == nil {
		*o = read
	}
	return err
}

// MarshalText writes what UnmarshalText reads.
func (o Objective) MarshalText() ([]byte, error) { return []byte(o.String()), nil }
