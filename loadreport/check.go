package loadreport

import (
	"fmt"
	"math"
)

// State is how a check or a condition came out.
type State string

// The states of checks and of conditions.
const (
	OK          State = "ok"
	Failed      State = "failed"
	NotPossible State = "not possible" // of a check: the figure is not to be had here
	Undecided   State = "undecided"    // of a condition: the samples cannot tell
)

// Check is one thing that the generator says of itself.
type Check struct {
	Name   string   `json:"name"`
	State  State    `json:"state"`
	Figure *float64 `json:"figure"` // null where it is not to be had
	Limit  *float64 `json:"limit"`  // null where there is none
	Unit   string   `json:"unit"`
	Words  string   `json:"words"`
}

// Verdict is whether the figures are the target's or the generator's.
type Verdict string

// The verdicts, the gravest last.
const (
	Sound      Verdict = "sound"
	Late       Verdict = "late"       // the times were kept badly: latencies hold the generator's lateness
	Queued     Verdict = "queued"     // all connections were busy: latencies hold the wait for one
	Bottleneck Verdict = "bottleneck" // the generator could not do more
)

// Words are the verdict as a sentence.
func (v Verdict) Words() string {
	return map[Verdict]string{
		Sound:      "the generator kept up: the figures are the target's",
		Late:       "the generator was late: latencies hold its lateness",
		Queued:     "every connection was busy at times: latencies hold the wait for one; give more --connections",
		Bottleneck: "THE GENERATOR WAS THE BOTTLENECK: the figures are its own, not the target's",
	}[v]
}

// The limits of method.md §4.
const (
	latenessP50 = 5    // µs
	latenessP99 = 50   // µs
	workLimit   = 0.6  // of the generator's cores, spin left out
	scarceSpin  = 0.15 // of one core, where there are fewer than scarceCores
	scarceCores = 3
	floorLimit  = 0.5  // of the latency: beyond, most of it is not the target's
	sentLimit   = 1.0  // of what was scheduled
	spinMargin  = 1.05 // a cap is kept on the average, from round to round
)

// check fills the checks and the verdict.
func (r *Result) check(run Run, c *Collector) {
	r.Checks = []Check{
		r.latenessCheck("lateness p50", r.Lateness.P50, r.Lateness.Why["p50"], latenessP50),
		r.latenessCheck("lateness p99", r.Lateness.P99, r.Lateness.Why["p99"], latenessP99),
		r.workCheck(),
		r.spinCheck(run.Use.Cores),
		r.sentCheck(),
		c.arrivals.check(),
		r.floorCheck(run),
		r.goodputCheck(run),
	}
	r.Verdict = r.verdict()
	for _, w := range r.Workers {
		if w.Lost != "" {
			r.Warnings = append(r.Warnings, fmt.Sprintf("worker %s was lost (%s): of %s nothing was heard", w.Name, w.Lost, plural(w.Missing, "arrival", "arrivals")))
		}
	}
	if !r.Samples.Exact {
		r.Warnings = append(r.Warnings, "not all samples could be kept: quantiles are within 0.1 %")
	}
	if r.Interrupted {
		r.Warnings = append(r.Warnings, fmt.Sprintf("interrupted: the figures are of the %d requests that were made", r.Requests))
	}
}

func (r *Result) state(name string) State {
	for _, c := range r.Checks {
		if c.Name == name {
			return c.State
		}
	}
	return NotPossible
}

func (r *Result) verdict() Verdict {
	sent := r.state("sent") == Failed && !r.Interrupted && !r.Saturated
	switch late := r.state("lateness p50") == Failed || r.state("lateness p99") == Failed; {
	case r.state("work") == Failed || sent:
		return Bottleneck
	case r.Saturated:
		return Queued
	case late:
		return Late
	}
	return Sound
}

// within makes a check of a figure that must not pass a limit.
func within(name, unit string, figure, limit float64, words string) Check {
	c := Check{Name: name, State: OK, Figure: &figure, Limit: &limit, Unit: unit, Words: words}
	if !(figure <= limit) {
		c.State = Failed
	}
	return c
}

// unknown is a check that cannot be made.
func unknown(name, unit, why string) Check {
	return Check{Name: name, State: NotPossible, Unit: unit, Words: why}
}

func (r *Result) latenessCheck(name string, figure *float64, why string, limit float64) Check {
	switch {
	case r.Closed:
		return unknown(name, "us", "a closed loop has no intended times")
	case figure == nil && why == "":
		return unknown(name, "us", "nothing was sent")
	case figure == nil:
		return unknown(name, "us", why)
	}
	return within(name, "us", *figure, limit, fmt.Sprintf("requests were written %s µs after their time, %s µs at most wanted", number(*figure), number(limit)))
}

func (r *Result) workCheck() Check {
	if r.Threads == 0 {
		return unknown("work", "share", "the generator does not say on how many threads it ran")
	}
	return within("work", "share", r.WorkShare, workLimit,
		fmt.Sprintf("work took %s of the generator's %s, spinning left out", percent(r.WorkShare), plural(r.Threads, "core", "cores")))
}

func (r *Result) spinCheck(cores int) Check {
	if r.Threads == 0 {
		return unknown("spin", "share", "the generator does not say how much it spun")
	}
	limit := 1.0
	if cores > 0 && cores < scarceCores {
		limit = scarceSpin
	}
	return within("spin", "share", r.SpinShare, limit*spinMargin, fmt.Sprintf("waiting for intended times took %s of one core", percent(r.SpinShare)))
}

func (r *Result) sentCheck() Check {
	if r.Closed {
		return unknown("sent", "share", "a closed loop has no schedule")
	}
	share := 1.0
	if r.Scheduled > 0 {
		share = float64(r.Requests) / float64(r.Scheduled)
	}
	limit := sentLimit
	c := Check{Name: "sent", State: OK, Figure: &share, Limit: &limit, Unit: "share", Words: fmt.Sprintf("%d of %d scheduled requests were sent", r.Requests, r.Scheduled)}
	if r.Requests != r.Scheduled {
		c.State = Failed
	}
	return c
}

func (r *Result) floorCheck(run Run) Check {
	switch {
	case r.Floor == nil:
		return unknown("floor", "share", run.NoFloor)
	case r.Floor.Latency.P50 == nil:
		return unknown("floor", "share", "the own echo answered too few requests: "+r.Floor.Latency.Why["p50"])
	case r.Latency.P50 == nil:
		return unknown("floor", "share", "there is no p50 to hold it against")
	}
	floor := *r.Floor.Latency.P50
	return within("floor", "share", floor / *r.Latency.P50, floorLimit,
		fmt.Sprintf("of its own echo the same engine reads %s µs at p50, %s of the target's", number(floor), percent(floor / *r.Latency.P50)))
}

func (r *Result) goodputCheck(run Run) Check {
	if run.Stats.BytesReceived == 0 && run.Stats.BytesSent == 0 {
		return unknown("goodput", "Mb/s", "the generator counted no bytes")
	}
	sum := r.In + r.Out
	return Check{Name: "goodput", State: OK, Figure: &sum, Unit: "Mb/s", Words: fmt.Sprintf("%s Mb/s of responses in, %s Mb/s of requests out", number(r.In), number(r.Out))}
}

// finite is a pointer to a number, or nil: JSON knows no NaN.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
