package comparison

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Format is the version of an answer's JSON.
const Format = "comparison/1"

// ErrIncomparable is two results whose figures say nothing of each other.
var ErrIncomparable = errors.New("not comparable")

// Options of Compare.
type Options struct {
	// Force compares what is not comparable; the answer says so.
	Force bool
	// Map is the new name of treatments that are named otherwise in the old
	// result, by the old name.
	Map map[string]string
}

// Answer is a new result against an old one.
type Answer struct {
	Format string `json:"tare"` // Format
	Old    Side   `json:"old"`
	New    Side   `json:"new"`
	// Forced are the differences that make the two incomparable, where it was
	// forced; empty: they are comparable.
	Forced  []Difference `json:"forced,omitempty"`
	Differs []Difference `json:"differs"` // all of them, those that break first
	Level   float64      `json:"level"`   // that each family of rows holds together at
	Rows    []Row        `json:"rows"`
	// Unmatched are treatments of one result that the other lacks.
	Unmatched []string `json:"unmatched,omitempty"`
	Warnings  []string `json:"warnings"`
}

// Kind says what a row compares.
type Kind string

const (
	// Apart: the difference from the in-run baseline against that same
	// difference of the old run. What befell the host between the runs cancels.
	Apart Kind = "difference"
	// Own: a treatment's own figure, which holds the drift of the host.
	Own Kind = "own"
)

// Row is one comparison of an answer. The interval and all that follows of it
// is null where one of the runs has too few blocks; Why then holds the reason.
type Row struct {
	Kind      Kind    `json:"kind"`
	Treatment string  `json:"treatment"`          // its name in the new result
	OldName   string  `json:"old_name,omitempty"` // where the old one's is another
	Baseline  *string `json:"baseline"`           // of the difference, in the new result; null for own figures
	Endpoint  string  `json:"endpoint"`
	Unit      string  `json:"unit"`
	// Primary: the difference of what the study was made for, at a primary endpoint.
	Primary   bool      `json:"primary"`
	Old       *float64  `json:"old"` // means over blocks
	New       *float64  `json:"new"`
	Interval  *Interval `json:"difference"` // new − old
	Ratio     *Interval `json:"ratio"`      // new ÷ old, of own figures
	Margin    float64   `json:"margin"`
	Verdict   string    `json:"verdict"`
	Direction *string   `json:"direction"`
	// MinimumDetectable is null without an interval.
	MinimumDetectable *float64 `json:"minimum_detectable"`
	BlocksNeeded      int      `json:"blocks_needed,omitempty"`
	Why               string   `json:"why,omitempty"`
	Warnings          []string `json:"warnings,omitempty"`
}

// Interval is an estimate with its interval.
type Interval struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

func interval(i stat.Interval) *Interval { return &Interval{i.Estimate, i.Low, i.High} }

// match is a treatment of both results.
type match struct{ old, new int }

// Compare holds a new result against an old one, by the new one's margins and
// level. Not comparable is ErrIncomparable, which lists why, unless forced.
func Compare(old, now *Result, o Options) (*Answer, error) {
	what := fmt.Sprintf("compare %s with %s", now.ID, old.ID)
	if old.ID == now.ID {
		return nil, fmt.Errorf("%s: %w: they are one result, whose blocks pair; its own report compares them", what, ErrIncomparable)
	}
	matches, unmatched, err := matchesOf(old, now, o.Map)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	a := &Answer{Format: Format, Old: old.side(), New: now.side(), Level: now.Plan.Rule.Level, Unmatched: unmatched,
		Differs: differ(old, now, matches), Rows: []Row{}, Warnings: []string{}}
	if breaks := breaking(a.Differs); len(breaks) > 0 {
		if !o.Force {
			return nil, refusal(what, breaks)
		}
		a.Forced = breaks
	}
	for _, k := range []Kind{Apart, Own} {
		if err := a.family(old, now, k, matches); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	if len(a.Rows) == 0 {
		return nil, fmt.Errorf("%s: they share no figure: %w", what, ErrIncomparable)
	}
	a.warn(old, now)
	return a, nil
}

func refusal(what string, breaks []Difference) error {
	var lines []string
	for _, d := range breaks {
		lines = append(lines, d.String())
	}
	return fmt.Errorf("%s: %w, since they differ in %s; --force compares them all the same", what, ErrIncomparable, strings.Join(lines, "; "))
}

// matchesOf pairs treatments by name, those of the map first.
func matchesOf(old, now *Result, names map[string]string) (ms []match, unmatched []string, err error) {
	olds, news := old.treatments(), now.treatments()
	find := func(r *Result, is []int, name string) (int, error) {
		if i := r.Plan.Study.Index(name); slices.Contains(is, i) {
			return i, nil
		}
		var have []string
		for _, i := range is {
			have = append(have, r.Plan.Study.Treatments[i].Name)
		}
		return 0, fmt.Errorf("result %s has no treatment %q (it has: %s)", r.ID, name, strings.Join(have, ", "))
	}
	for _, from := range sortedNames(names) {
		i, err := find(old, olds, from)
		if err != nil {
			return nil, nil, err
		}
		j, err := find(now, news, names[from])
		if err != nil {
			return nil, nil, err
		}
		if slices.ContainsFunc(ms, func(m match) bool { return m.new == j }) {
			return nil, nil, fmt.Errorf("treatment %q is mapped to twice", names[from])
		}
		ms = append(ms, match{i, j})
	}
	for _, i := range olds {
		if slices.ContainsFunc(ms, func(m match) bool { return m.old == i }) {
			continue
		}
		name := old.Plan.Study.Treatments[i].Name
		j := now.Plan.Study.Index(name)
		taken := slices.ContainsFunc(ms, func(m match) bool { return m.new == j })
		if !slices.Contains(news, j) || taken {
			unmatched = append(unmatched, fmt.Sprintf("%s of %s", name, old.ID))
			continue
		}
		ms = append(ms, match{i, j})
	}
	for _, j := range news {
		if !slices.ContainsFunc(ms, func(m match) bool { return m.new == j }) {
			unmatched = append(unmatched, fmt.Sprintf("%s of %s", now.Plan.Study.Treatments[j].Name, now.ID))
		}
	}
	if len(ms) == 0 {
		return nil, nil, fmt.Errorf("%w: they share no treatment; name pairs with --map OLD=NEW", ErrIncomparable)
	}
	slices.SortFunc(ms, func(a, b match) int { return a.new - b.new })
	return ms, unmatched, nil
}

func sortedNames(m map[string]string) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// compared lists the endpoints of an answer. Those of a closed loop and the
// exploratory quantiles come with what the result has.
func compared() []experiment.Endpoint {
	return []experiment.Endpoint{experiment.P50, experiment.CPU, experiment.P99, experiment.Throughput}
}

// candidate is one row to come, with the values of both runs.
type candidate struct {
	row      Row
	old, now []float64
	new      int // the treatment
	endpoint experiment.Endpoint
	invalid  string
}

// family adds the rows of a kind, whose intervals hold together.
func (a *Answer) family(old, now *Result, k Kind, matches []match) error {
	var cs []candidate
	for _, m := range matches {
		for _, e := range compared() {
			if k == Own {
				cs = appendOwn(cs, old, now, m, e)
				continue
			}
			cs = appendApart(cs, old, now, m, e, matches)
		}
	}
	var pairs []stat.Pair
	var of []int
	for i := range cs {
		c := &cs[i]
		if len(c.old) < 2 || len(c.now) < 2 {
			c.few(old, now)
			continue
		}
		of = append(of, i)
		pairs = append(pairs, stat.Pair{Name: fmt.Sprintf("%s of %s", c.endpoint, c.row.Treatment), A: c.old, B: c.now, Margin: c.row.Margin,
			NoNull: old.Analysis.Noisy(&old.Plan, matchOf(matches, c.new).old, c.endpoint) || now.Analysis.Noisy(&now.Plan, c.new, c.endpoint)})
	}
	if len(pairs) > 0 {
		out, err := stat.Independent(pairs, stat.Options{Level: a.Level, Seed: now.Plan.Seed, Screening: old.screening() || now.screening()})
		if err != nil {
			return err
		}
		for n, i := range of {
			cs[i].answer(out[n])
		}
	}
	for _, c := range cs {
		a.Rows = append(a.Rows, c.row)
	}
	return nil
}

func matchOf(ms []match, i int) match {
	return ms[slices.IndexFunc(ms, func(m match) bool { return m.new == i })]
}

// appendOwn adds a treatment's own figure; one that neither run has is left out.
func appendOwn(cs []candidate, old, now *Result, m match, e experiment.Endpoint) []candidate {
	x, y := old.own(m.old, e), now.own(m.new, e)
	if len(x) == 0 && len(y) == 0 {
		return cs
	}
	return append(cs, candidateOf(old, now, m, e, Own, x, y, x))
}

// appendApart adds the differences from every baseline that both runs have.
func appendApart(cs []candidate, old, now *Result, m match, e experiment.Endpoint, matches []match) []candidate {
	s, t := &now.Plan.Study, now.Plan.Study.Treatments[m.new]
	if t.Baseline == "" {
		return cs
	}
	for _, name := range append([]string{t.Baseline}, t.Against...) {
		k := slices.IndexFunc(matches, func(b match) bool { return b.new == s.Index(name) })
		if k < 0 || !against(&old.Plan.Study, m.old, matches[k].old) {
			continue // the old run did not ask it
		}
		x, base := old.differences(m.old, matches[k].old, e)
		y, _ := now.differences(m.new, matches[k].new, e)
		if len(x) == 0 && len(y) == 0 {
			continue
		}
		c := candidateOf(old, now, m, e, Apart, x, y, base)
		c.row.Baseline = &s.Treatments[matches[k].new].Name
		c.row.Primary = t.Control == "" && old.Plan.Study.Treatments[m.old].Control == ""
		cs = append(cs, c)
	}
	return cs
}

// against reports whether a study compares treatment i with treatment base.
func against(s *study.Study, i, base int) bool {
	t, name := s.Treatments[i], s.Treatments[base].Name
	return t.Baseline == name || slices.Contains(t.Against, name)
}

// candidateOf makes a row without its interval. The margin is that of the
// values that the old run's own comparison would be held against.
func candidateOf(old, now *Result, m match, e experiment.Endpoint, k Kind, x, y, base []float64) candidate {
	t := now.Plan.Study.Treatments[m.new]
	c := candidate{old: x, now: y, new: m.new, endpoint: e, row: Row{Kind: k, Treatment: t.Name, Endpoint: string(e), Unit: unit(e), Verdict: string(stat.Undecided)}}
	if name := old.Plan.Study.Treatments[m.old].Name; name != t.Name {
		c.row.OldName = name
	}
	if len(base) > 0 {
		c.row.Margin = e.Margin(now.Plan.Study.Margin, median(base))
	}
	c.row.Old, c.row.New = mean(x), mean(y)
	for _, side := range []struct {
		r *Result
		i int
	}{{old, m.old}, {now, m.new}} {
		if why := invalid(side.r, side.i); why != "" {
			c.invalid = why
		}
	}
	return c
}

// invalid says why a treatment's figures are of something else.
func invalid(r *Result, i int) string {
	t := r.Analysis.Treatments[i]
	switch {
	case t.Wrong != "":
		return fmt.Sprintf("%s of %s is invalid: its judge found: %s", t.Name, r.ID, t.Wrong)
	case t.Refused > 0:
		return fmt.Sprintf("%s of %s is invalid: %d requests were refused where overhead is measured", t.Name, r.ID, t.Refused)
	}
	return ""
}

// few leaves a row undecided, with the reason.
func (c *candidate) few(old, now *Result) {
	for _, side := range []struct {
		r *Result
		n int
	}{{old, len(c.old)}, {now, len(c.now)}} {
		switch side.n {
		case 0:
			c.row.Why = side.r.why(side.r.Plan.Study.Index(c.nameIn(side.r, now)), c.endpoint)
			return
		case 1:
			c.row.Why = fmt.Sprintf("result %s has one block: an interval needs at least 2, a verdict %d", side.r.ID, study.MinBlocks)
			return
		}
	}
}

// nameIn is the treatment's name in one of the two results.
func (c *candidate) nameIn(r, now *Result) string {
	if r != now && c.row.OldName != "" {
		return c.row.OldName
	}
	return c.row.Treatment
}

// answer fills in what the statistics say.
func (c *candidate) answer(s stat.Comparison) {
	r := &c.row
	r.Interval, r.Verdict, r.BlocksNeeded = interval(s.Difference), string(s.Verdict), s.BlocksNeeded
	r.MinimumDetectable = &s.MinimumDetectable
	if d := string(c.endpoint.Direction(s.Direction)); d != "" {
		r.Direction = &d
	}
	if s.Ratio != nil && r.Kind == Own {
		r.Ratio = interval(*s.Ratio)
	}
	for _, w := range s.Warnings {
		if w.Code != stat.WarnNoRatio || r.Kind == Own { // differences have no ratio
			r.Warnings = append(r.Warnings, w.Text)
		}
	}
	if c.invalid != "" {
		r.Verdict, r.BlocksNeeded = string(stat.Undecided), 0
		r.Warnings = append(r.Warnings, c.invalid)
	}
}

func (a *Answer) warn(old, now *Result) {
	if len(a.Forced) > 0 {
		a.Warnings = append(a.Warnings, fmt.Sprintf("FORCED: the two are not comparable (%d differences break it); the verdicts say what the figures would mean if they were", len(a.Forced)))
	}
	a.Warnings = append(append(append(a.Warnings, old.warnings()...), now.warnings()...), now.warnMargins()...)
	if old.screening() || now.screening() {
		a.Warnings = append(a.Warnings, fmt.Sprintf("screening: %d and %d blocks; verdicts need at least %d in each", a.Old.Blocks, a.New.Blocks, study.MinBlocks))
	}
	if a.Old.Digest != a.New.Digest {
		a.Warnings = append(a.Warnings, "the plans differ: see what differs")
	}
	for _, r := range []*Result{old, now} {
		for _, g := range r.Analysis.Gates {
			for _, e := range []experiment.Endpoint{experiment.P50, experiment.CPU, experiment.Throughput} {
				if aa, has := g.By[e]; has && !aa.Inside {
					a.Warnings = append(a.Warnings, fmt.Sprintf("noise floor too high for this margin in result %s: its identical treatments differ by %.2f to %.2f %s by %s", r.ID, aa.Low, aa.High, e.Unit(), e))
				}
			}
		}
	}
}

// The units of rows, as in report/2.
func unit(e experiment.Endpoint) string {
	if e == experiment.Throughput {
		return "per_s"
	}
	return "us"
}

func mean(xs []float64) *float64 {
	if len(xs) == 0 {
		return nil
	}
	var sum float64
	for _, x := range xs {
		sum += x / float64(len(xs))
	}
	return &sum
}

func median(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return stat.Quantile(s, 0.5)
}
