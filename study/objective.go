package study

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
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

// ParseObjective reads "p99<5ms,errors<0.1%".
func ParseObjective(text string) (Objective, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New(`the objective is empty; write what a rate must keep, such as "p99<5ms,errors<0.1%"`)
	}
	var o Objective
	for _, part := range strings.Split(text, ",") {
		c, err := parseCondition(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("objective %q: %w", text, err)
		}
		if slices.ContainsFunc(o, func(d Condition) bool { return d.Quantile == c.Quantile }) {
			return nil, fmt.Errorf("objective %q: %s is bounded twice", text, c.Name())
		}
		o = append(o, c)
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("objective %q: %w", text, err)
	}
	return o, nil
}

func parseCondition(part string) (Condition, error) {
	name, bound, ok := strings.Cut(part, "<")
	name, bound = strings.TrimSpace(name), strings.TrimSpace(bound)
	switch {
	case part == "":
		return Condition{}, errors.New("there is a comma without a condition")
	case strings.Contains(part, ">"):
		return Condition{}, fmt.Errorf("condition %q: an objective bounds from above, with <", part)
	case !ok:
		return Condition{}, fmt.Errorf("condition %q has no bound; write it as p99<5ms or errors<0.1%%", part)
	case strings.HasPrefix(bound, "="):
		return Condition{}, fmt.Errorf("condition %q: write < (whether a time of exactly the bound counts, no clock can tell)", part)
	case name == "errors":
		return errorsCondition(part, bound)
	}
	return quantileCondition(part, name, bound)
}

func errorsCondition(part, bound string) (Condition, error) {
	var c Condition
	if err := c.Errors.UnmarshalText([]byte(bound)); err != nil {
		return c, fmt.Errorf("condition %q: %w", part, err)
	}
	switch {
	case c.Errors == 0:
		return c, fmt.Errorf("condition %q: no share is below 0%%; write a small one, such as errors<0.1%%", part)
	case c.Errors == 1:
		return c, fmt.Errorf("condition %q: every rate meets it until nothing is answered at all; write a share below 100%%", part)
	case c.Requests() > maxProbeRequests:
		return c, fmt.Errorf("condition %q: a probe would need %d requests to tell; want at most %d", part, c.Requests(), maxProbeRequests)
	}
	return c, nil
}

func quantileCondition(part, name, bound string) (Condition, error) {
	var c Condition
	number, ok := strings.CutPrefix(name, "p")
	q, err := strconv.ParseFloat(number, 64)
	q = math.Round(q*1e6) / 1e6 // no finer than it is written again
	switch {
	case !ok || err != nil || strings.ContainsAny(number, "eExX_+-"):
		return c, fmt.Errorf("condition %q: unknown figure %q (known: p50, p90, p99 and other quantiles, errors)", part, name)
	case !(q >= 1 && q < 100):
		return c, fmt.Errorf("condition %q: %s is no quantile from p1 to below p100", part, name)
	}
	c.Quantile = math.Round(q*1e6) / 1e8
	d, err := time.ParseDuration(bound)
	switch _, bare := strconv.ParseFloat(bound, 64); {
	case bound == "":
		return c, fmt.Errorf("condition %q has no bound; write it as %s<5ms", part, name)
	case bare == nil:
		return c, fmt.Errorf("condition %q: %s has no unit; write it as %q or %q", part, bound, bound+"ms", bound+"us")
	case err != nil:
		return c, fmt.Errorf("condition %q: %q is no time such as 5ms or 800us", part, bound)
	case d <= 0:
		return c, fmt.Errorf("condition %q: no response takes less than %v; want a time above 0", part, d)
	case d >= probeTimeout:
		return c, fmt.Errorf("condition %q: a request is given up after %v; want a time below it", part, probeTimeout)
	case c.Requests() > maxProbeRequests:
		return c, fmt.Errorf("condition %q: a probe would need %d requests to tell; want at most %d", part, c.Requests(), maxProbeRequests)
	}
	c.Response = d
	return c, nil
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
		return "errors"
	}
	return "p" + strconv.FormatFloat(math.Round(c.Quantile*1e8)/1e6, 'f', -1, 64)
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
