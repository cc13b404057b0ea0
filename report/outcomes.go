package report

import (
	"fmt"
	"slices"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/study"
)

// Outcomes is what became of all requests that a treatment was offered in the
// phases of one kind: all of them first, then each class of outcome.
type Outcomes struct {
	Phase   string         `json:"phase"` // latency, enforce
	Classes []ClassFigures `json:"classes"`
}

// ClassFigures is one class of outcome.
type ClassFigures struct {
	Class string  `json:"class"` // all: every request offered
	Count int     `json:"count"`
	Share float64 `json:"share"` // of all requests offered
	// Over the requests that were answered, whatever the answer; null with too few.
	P50 *float64 `json:"p50_us"`
	P90 *float64 `json:"p90_us"`
	// Of the means over blocks; null where not every block has its own figure.
	P50Interval *Interval `json:"p50_interval"`
	P90Interval *Interval `json:"p90_interval"`
	Why         string    `json:"why,omitempty"` // of what is null
}

// allClasses stands for every request offered.
const allClasses = "all"

func outcomes(o experiment.Outcomes) Outcomes {
	out := Outcomes{Phase: string(o.Kind), Classes: []ClassFigures{classFigures(allClasses, o.All)}}
	for _, c := range o.Classes {
		out.Classes = append(out.Classes, classFigures(c.Class.String(), c))
	}
	return out
}

func classFigures(name string, c experiment.ClassFigures) ClassFigures {
	out := ClassFigures{Class: name, Count: c.Count, Share: c.Share}
	for _, q := range []struct {
		e    experiment.Endpoint
		into **float64
		with **Interval
	}{{experiment.P50, &out.P50, &out.P50Interval}, {experiment.P90, &out.P90, &out.P90Interval}} {
		v, ok := c.Values[q.e]
		if !ok {
			if out.Why == "" {
				out.Why = fmt.Sprintf("no %s: %s", q.e, c.Why[q.e])
			}
			continue
		}
		*q.into = &v
		if i, ok := c.Intervals[q.e]; ok {
			w := interval(i)
			*q.with = &w
		}
	}
	return out
}

// plain reports whether all of a treatment's requests in a phase went well.
func (o Outcomes) plain() bool {
	return !slices.ContainsFunc(o.Classes, func(c ClassFigures) bool { return c.Class != allClasses && c.Class != load.OK.String() })
}

// outcomes prints the enforcement phases by class of outcome, and the latency
// phases in which not every request went well.
func (t *printer) outcomes(r *Report) {
	rows := [][]string{{"OUTCOMES", "phase", "class", ">requests", ">share", ">p50 µs", ">±", ">p90 µs", ">±", ">buckets touched", "judge"}}
	for _, x := range r.Treatments {
		for _, o := range x.Outcomes {
			enforced := o.Phase == string(study.Enforce)
			if !enforced && o.plain() {
				continue
			}
			for i, c := range o.Classes {
				row := append([]string{"", "", c.Class, fmt.Sprint(c.Count), fmt.Sprintf("%.1f %%", 100*c.Share)}, c.cells()...)
				row = append(row, "", "")
				if i == 0 {
					row[0], row[1] = x.Name, o.Phase
				}
				if i == 0 && enforced {
					row[9], row[10] = fmt.Sprint(x.BucketsTouched), "every decision right"
					if x.JudgeFound != nil {
						row[10] = "WRONG: " + *x.JudgeFound
					}
				}
				rows = append(rows, row)
			}
		}
	}
	if len(rows) == 1 {
		return
	}
	t.table(rows)
	t.line("all: every request offered; one without a whole response counts as never ending. ±: of the mean over blocks, where each has enough requests")
	t.line("")
}

// cells are the quantiles with the half-widths of their intervals.
func (c ClassFigures) cells() []string {
	half := func(i *Interval) string {
		if i == nil {
			return "–"
		}
		return plain((i.High - i.Low) / 2)
	}
	return []string{number(c.P50), half(c.P50Interval), number(c.P90), half(c.P90Interval)}
}
