package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taremesh/tare/load"
)

// compareFormat is described in docs/formats/load-compare.md.
const compareFormat = "load-compare/1"

// compareResult is what tare load compare prints as JSON. A figure that a
// generator does not say is null.
type compareResult struct {
	Tare           string       `json:"tare"`
	URL            string       `json:"url"`
	Planted        *pauses      `json:"planted"`
	Rate           float64      `json:"rate"`
	Connections    int          `json:"connections"`
	MaxConnections int          `json:"max_connections"`
	Seconds        float64      `json:"seconds"`
	Rounds         int          `json:"rounds"`
	Seed           uint64       `json:"seed"`
	Truth          []truth      `json:"truth"`
	Rows           []compareRow `json:"rows"`
	Absent         []absence    `json:"absent"`
	Answer         []string     `json:"answer"`
}

// absence is a generator that is not here.
type absence struct {
	Generator string `json:"generator"`
	Why       string `json:"why"`
}

// compareRow is one generator at one setting.
type compareRow struct {
	Generator string        `json:"generator"`
	Setting   string        `json:"setting"`
	Doc       string        `json:"doc"`
	Loop      load.Loop     `json:"loop"`
	From      load.From     `json:"from"`
	Paced     bool          `json:"paced"`
	FineUS    *float64      `json:"resolution_us"`
	Program   *load.Program `json:"program"`
	Target    figures       `json:"target"`
	Floor     figures       `json:"floor"`
	// Agrees with the arithmetic of planted pauses; null: there is none, or the
	// generator gives no quantile to hold against it.
	Agrees *bool        `json:"agrees"`
	Off    []off        `json:"off"`
	Runs   []compareRun `json:"runs"`

	resolution time.Duration
}

// figures are medians over the runs that did not fail, but sums of counts and
// the greatest maximum.
type figures struct {
	Requests   *int     `json:"requests"`
	Errors     *int     `json:"errors"`
	Throughput *float64 `json:"requests_per_second"`
	Mean       *float64 `json:"mean_us"`
	P50        *float64 `json:"p50_us"`
	P90        *float64 `json:"p90_us"`
	P99        *float64 `json:"p99_us"`
	P999       *float64 `json:"p999_us"`
	Max        *float64 `json:"max_us"`
	CPU        *float64 `json:"cpu_us_per_request"`
}

// off is a quantile that the arithmetic rules out.
type off struct {
	Q    float64 `json:"q"`
	US   float64 `json:"us"`
	Low  float64 `json:"low_us"`
	High float64 `json:"high_us"`
}

// compareRun is one run.
type compareRun struct {
	Round    int        `json:"round"`
	Place    int        `json:"place"` // in the order of all runs, from 0
	On       string     `json:"on"`
	Failed   string     `json:"failed,omitempty"`
	Figures  figures    `json:"figures"`
	WallMS   float64    `json:"wall_ms"`
	Commands [][]string `json:"commands"`
	Notes    []string   `json:"notes"`
}

func newCompareRow(e entrant) compareRow {
	row := compareRow{Generator: e.tool, Setting: e.Name, Doc: e.Doc, Loop: e.Loop, From: e.From, Paced: e.Paced, Program: e.program, Off: []off{}, resolution: e.Resolution}
	if e.Resolution > 0 {
		row.FineUS = microsOf(&e.Resolution)
	}
	return row
}

func microsOf(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	us := micros(*d)
	return &us
}

func (r *compareRow) add(run compareRun, a load.Account, err error) {
	run.Commands, run.Notes = [][]string{}, []string{}
	if err != nil {
		run.Failed = err.Error()
	} else {
		run.Figures, run.WallMS = figuresOf(a), micros(a.Wall)/1000
		run.Commands, run.Notes = append(run.Commands, a.Commands...), append(run.Notes, a.Notes...)
	}
	r.Runs = append(r.Runs, run)
}

func figuresOf(a load.Account) figures {
	f := figures{Requests: a.Requests, Errors: a.Errors, Throughput: a.Throughput, Mean: microsOf(a.Mean), Max: microsOf(a.Max)}
	for i, to := range []**float64{&f.P50, &f.P90, &f.P99, &f.P999} {
		if at, ok := a.Quantile(comparedQuantiles[i]); ok {
			*to = microsOf(&at)
		}
	}
	if per, ok := a.CPUPerRequest(); ok {
		f.CPU = microsOf(&per)
	}
	return f
}

// over are the figures of a row on one place.
func (r *compareRow) over(on string) figures {
	var of []figures
	for _, run := range r.Runs {
		if run.On == on && run.Failed == "" {
			of = append(of, run.Figures)
		}
	}
	sum := func(get func(figures) *int) *int {
		total, any := 0, false
		for _, f := range of {
			if n := get(f); n != nil {
				total, any = total+*n, true
			}
		}
		if !any {
			return nil
		}
		return &total
	}
	values := func(get func(figures) *float64) []float64 {
		var xs []float64
		for _, f := range of {
			if x := get(f); x != nil {
				xs = append(xs, *x)
			}
		}
		slices.Sort(xs)
		return xs
	}
	median := func(get func(figures) *float64) *float64 {
		xs := values(get)
		if len(xs) == 0 {
			return nil
		}
		m := (xs[(len(xs)-1)/2] + xs[len(xs)/2]) / 2
		return &m
	}
	f := figures{
		Requests: sum(func(f figures) *int { return f.Requests }), Errors: sum(func(f figures) *int { return f.Errors }),
		Throughput: median(func(f figures) *float64 { return f.Throughput }), Mean: median(func(f figures) *float64 { return f.Mean }),
		P50: median(func(f figures) *float64 { return f.P50 }), P90: median(func(f figures) *float64 { return f.P90 }),
		P99: median(func(f figures) *float64 { return f.P99 }), P999: median(func(f figures) *float64 { return f.P999 }),
		CPU: median(func(f figures) *float64 { return f.CPU }),
	}
	if xs := values(func(f figures) *float64 { return f.Max }); len(xs) > 0 {
		f.Max = &xs[len(xs)-1]
	}
	return f
}

// conclude makes of the runs what is printed.
func (r *compareResult) conclude(p *pauses) {
	for i := range r.Rows {
		row := &r.Rows[i]
		row.Target, row.Floor = row.over(onTarget), row.over(onFloor)
		if p != nil {
			row.hold(*p)
		}
	}
	if p != nil {
		r.Answer = r.answerPlanted(*p)
	} else {
		r.Answer = r.answerUnknown()
	}
	if failing, _ := r.failing(); len(failing) > 0 {
		r.Answer = append(r.Answer, fmt.Sprintf("Not measured, since more than %g %% of its requests were errors or it failed: %s.", 100*mostErrors, strings.Join(failing, ", ")))
	}
	if short := r.short(); len(short) > 0 {
		r.Answer = append(r.Answer, fmt.Sprintf("Did not keep to the rate: %s.", strings.Join(short, ", ")))
	}
}

// mostErrors is the share of errors beyond which figures are those of errors.
const mostErrors = 0.01

// measured says whether a row's figures at the target are of good answers.
func (r *compareRow) measured() bool {
	t := r.Target
	return t.Requests != nil && *t.Requests > 0 && (t.Errors == nil || float64(*t.Errors) <= mostErrors*float64(*t.Requests))
}

// failing are the rows that measured nothing, and whether all are of them.
func (r *compareResult) failing() (names []string, all bool) {
	for _, row := range r.Rows {
		if !row.measured() {
			names = append(names, row.Generator+" "+row.Setting)
		}
	}
	return names, len(names) == len(r.Rows)
}

// leastRate is the part of the rate below which a generator did not keep to it.
const leastRate = 0.95

// short are those that did not.
func (r *compareResult) short() []string {
	var names []string
	for _, row := range r.Rows {
		if n, ok := row.perRun(); ok && row.measured() && row.Paced && float64(n) < leastRate*r.Rate*r.Seconds {
			names = append(names, fmt.Sprintf("%s %s (%d requests in %g s)", row.Generator, row.Setting, n, r.Seconds))
		}
	}
	return names
}

// perRun is how many requests a run at the target made, on average over those
// that did not fail.
func (r *compareRow) perRun() (int, bool) {
	runs := 0
	for _, run := range r.Runs {
		if run.On == onTarget && run.Failed == "" {
			runs++
		}
	}
	if runs == 0 || r.Target.Requests == nil {
		return 0, false
	}
	return *r.Target.Requests / runs, true
}

// hold holds a row against the arithmetic, by as many requests as one run made.
func (r *compareRow) hold(p pauses) {
	n, ok := r.perRun()
	if !ok || !r.measured() {
		return
	}
	held := false
	for i, x := range []*float64{r.Target.P50, r.Target.P90, r.Target.P99} {
		if x == nil {
			continue
		}
		q := comparedQuantiles[i]
		held = true
		low, high := p.interval(q, n, r.resolution)
		if *x < micros(low) || *x > micros(high) {
			r.Off = append(r.Off, off{q, *x, micros(low), micros(high)})
		}
	}
	if held {
		agrees := len(r.Off) == 0
		r.Agrees = &agrees
	}
}

func (r *compareResult) answerPlanted(p pauses) []string {
	words := []string{fmt.Sprintf("The truth is known: the server answers nothing for %s, and a request that arrives at any time waits longer than t with probability (%v − t) ÷ %v.",
		p, p.For, p.Every)}
	var right, wrong, silent []string
	for _, row := range r.Rows {
		name := row.Generator + " " + row.Setting
		switch {
		case !row.measured():
		case row.Agrees == nil:
			silent = append(silent, name)
		case *row.Agrees:
			right = append(right, name)
		default:
			o := row.Off[0]
			wrong = append(wrong, fmt.Sprintf("%s (p%g %s, not %s to %s ms)", name, o.Q*100, milli(o.US), milli(o.Low), milli(o.High)))
		}
	}
	for _, group := range []struct {
		says  string
		names []string
	}{{"Right", right}, {"Wrong", wrong}, {"Cannot be told, no quantiles", silent}} {
		if len(group.names) > 0 {
			words = append(words, fmt.Sprintf("%s: %s.", group.says, strings.Join(group.names, ", ")))
		}
	}
	return words
}

func (r *compareResult) answerUnknown() []string {
	words := []string{"Nobody knows the truth of this target; --planted starts a server of which it is known."}
	for _, place := range []struct {
		where string
		p50   func(compareRow) *float64
	}{
		{"At the target", func(row compareRow) *float64 {
			if !row.measured() {
				return nil
			}
			return row.Target.P50
		}},
		{"At our echo, where what is read is the generator's own and the machine's,", func(row compareRow) *float64 { return row.Floor.P50 }},
	} {
		var low, high *compareRow
		for i := range r.Rows {
			row := &r.Rows[i]
			x := place.p50(*row)
			if x == nil {
				continue
			}
			if low == nil || *x < *place.p50(*low) {
				low = row
			}
			if high == nil || *x > *place.p50(*high) {
				high = row
			}
		}
		if low != nil {
			words = append(words, fmt.Sprintf("%s the medians go from %s µs (%s %s, %s loop, from %s) to %s µs (%s %s, %s loop, from %s).", place.where,
				micro(place.p50(*low)), low.Generator, low.Setting, low.Loop, low.From, micro(place.p50(*high)), high.Generator, high.Setting, high.Loop, high.From))
		}
	}
	return append(words, "Closed loops compare with no others: while an answer is late they do not ask, and so do not see what their users would wait.")
}

func milli(us float64) string { return fmt.Sprintf("%.1f", us/1000) }
