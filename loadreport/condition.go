package loadreport

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/taremesh/tare/internal/condition"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// DefaultConditions hold where the user says nothing about errors.
const DefaultConditions = "errors<1%"

// Condition is one thing that a user demands of a load.
type Condition struct {
	figure   figure
	name     string  // p99, service.p90, errors
	quantile float64 // of a time; 1: its greatest
	greater  bool    // the figure is to be above the bound
	bound    float64 // in the figure's unit
	text     string
}

// String is the condition as it can be written again.
func (c Condition) String() string { return c.text }

// ConditionOutcome is a condition held against a load.
type ConditionOutcome struct {
	Condition string   `json:"condition"`
	State     State    `json:"state"` // ok, failed or undecided
	Figure    *float64 `json:"figure"`
	Unit      string   `json:"unit"`
	Why       string   `json:"why,omitempty"` // of undecided, and of a figure that never came
}

// figure is what a condition can bound.
type figure struct {
	name string
	unit string
	// of gives the figure of a result; quantiles have none.
	of func(r *Result) float64
}

// The units of figures.
const (
	share     = "share"
	perSecond = "requests/s"
	us        = "us"
)

// units say how a bound is read, and what one looks like.
var units = map[string]struct {
	read    func(bound string) (float64, error)
	example string
}{
	share:     {readShare, "<0.1%"},
	perSecond: {readRate, ">900/s"},
	us:        {readTime, "<10us"},
}

// The figures that are no quantiles.
var figures = append([]figure{
	{"errors", share, func(r *Result) float64 { return r.ErrorShare }},
	{"rate", perSecond, func(r *Result) float64 { return r.Throughput }},
	{"cpu", us, func(r *Result) float64 { return r.CPU }},
	{"spin", share, func(r *Result) float64 { return r.SpinShare }},
	{"work", share, func(r *Result) float64 { return r.WorkShare }},
}, classFigures()...)

// classFigures are the shares of the classes of outcome, by their names.
func classFigures() []figure {
	var out []figure
	for class := range load.Classes {
		name := class.String()
		out = append(out, figure{name, share, func(r *Result) float64 {
			return float64(r.Outcomes[name]) / float64(max(r.counted(), 1))
		}})
	}
	return out
}

// counted is how many requests have an outcome.
func (r *Result) counted() int {
	n := 0
	for _, k := range r.Outcomes {
		n += k
	}
	return n
}

// language is what can be written of a load.
var language = func() condition.Language {
	l := condition.Language{Times: []string{"latency", "service", "lateness"}, Max: true, Above: true}
	for _, f := range figures {
		u := units[f.unit]
		l.Figures = append(l.Figures, condition.Figure{Name: f.name, Example: u.example, Read: u.read})
	}
	return l
}()

// ParseConditions reads conditions that are joined by commas, such as
// "p99<5ms,errors<0.1%,rate>900/s,service.p90<2ms". A quantile without a kind is
// of the latency.
func ParseConditions(text string) ([]Condition, error) {
	written, err := language.Parse(text)
	if err != nil {
		return nil, err
	}
	var out []Condition
	for _, w := range written {
		c := Condition{name: w.Name, quantile: w.Quantile, greater: w.Above, bound: w.Bound, text: w.Text}
		if w.Quantile > 0 {
			c.figure, c.bound = figure{name: w.Kind, unit: us}, micros(time.Duration(w.Bound))
		} else {
			c.figure = figures[slices.IndexFunc(figures, func(f figure) bool { return f.name == w.Name })]
		}
		if c.figure.unit == share && !c.greater && c.bound == 0 {
			return nil, fmt.Errorf("condition %q: no share is below 0%%; write a small one, such as %s<0.001%%", c.text, c.name)
		}
		out = append(out, c)
	}
	return out, nil
}

// WithDefaults adds the limit of errors where no condition bounds them.
func WithDefaults(conditions []Condition) ([]Condition, error) {
	if slices.ContainsFunc(conditions, func(c Condition) bool { return c.name == "errors" && !c.greater }) {
		return conditions, nil
	}
	standard, err := ParseConditions(DefaultConditions)
	return append(slices.Clone(conditions), standard...), err
}

func readShare(text string) (float64, error) {
	var p study.Percent
	err := p.UnmarshalText([]byte(text))
	return float64(p), err
}

func readRate(text string) (float64, error) {
	var r study.Rate
	err := r.UnmarshalText([]byte(text))
	return float64(r), err
}

// readTime reads a time as µs.
func readTime(text string) (float64, error) {
	d, err := condition.Time(text)
	return micros(d), err
}

// judge holds the load against the conditions.
func (r *Result) judge(conditions []Condition, t *times) {
	r.Conditions, r.Outcome = []ConditionOutcome{}, OK
	for _, c := range conditions {
		var o ConditionOutcome
		if c.quantile > 0 {
			o = c.time(t.named(c.figure.name))
		} else {
			o = c.share(r)
		}
		o.Condition, o.Unit = c.text, c.figure.unit
		// What the generator slowed down itself does not speak against the target.
		if o.State == Failed && r.Verdict == Bottleneck && (c.quantile > 0 && c.figure.name != "lateness" || c.name == "rate") {
			o.State, o.Why = Undecided, "the generator was the bottleneck, so this need not be the target's fault"
		}
		r.Conditions = append(r.Conditions, o)
		if o.State == Failed || o.State == Undecided && r.Outcome == OK {
			r.Outcome = o.State
		}
	}
}

// share holds a figure that is no time against its bound.
func (c Condition) share(r *Result) ConditionOutcome {
	v := c.figure.of(r)
	if r.counted() == 0 {
		return ConditionOutcome{State: Undecided, Why: "no request was made"}
	}
	return ConditionOutcome{State: c.held(v), Figure: finite(v)}
}

func (c Condition) held(v float64) State {
	if c.greater && v > c.bound || !c.greater && v < c.bound {
		return OK
	}
	return Failed
}

// time holds a quantile against its bound. A quantile that lies among requests
// that were never answered is greater than any.
func (c Condition) time(of *column) ConditionOutcome {
	n := of.total()
	switch {
	case n == 0:
		return ConditionOutcome{State: Undecided, Why: "no request has this time"}
	case c.quantile == 1 && of.never > 0:
		return ConditionOutcome{State: c.held(math.Inf(1)), Why: fmt.Sprintf("%d requests were never answered", of.never)}
	case c.quantile == 1:
		v := of.most
		return ConditionOutcome{State: c.held(v), Figure: &v}
	}
	if ok, why := stat.Supported(n, c.quantile); !ok {
		return ConditionOutcome{State: Undecided, Why: why}
	}
	if why := of.beyond(c.quantile); why != "" {
		return ConditionOutcome{State: c.held(math.Inf(1)), Why: why}
	}
	v := of.values[c.quantile]
	return ConditionOutcome{State: c.held(v), Figure: &v}
}
