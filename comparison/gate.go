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

// GateFormat is the version of a gate's JSON.
const GateFormat = "gate/1"

// ErrNoCase is a gate that has nothing to judge.
var ErrNoCase = errors.New("there is nothing to gate")

// Outcome is what a gate says of a case, or of all of them.
type Outcome string

const (
	// Fail: material, and worse.
	Fail Outcome = "fail"
	// Unsure: undecided, or an answer that the noise floor forbids.
	Unsure Outcome = "undecided"
	// Pass: better, or shown to lie within the margin.
	Pass Outcome = "pass"
)

// Gate is verdicts turned into one outcome: fail where a case fails, else
// undecided where one is, else pass.
type Gate struct {
	Format string `json:"tare"` // GateFormat
	Result Side   `json:"result"`
	// Baseline is the kept result that it was held against; null: the verdicts
	// are those within the result.
	Baseline *Side        `json:"baseline"`
	Name     string       `json:"baseline_name,omitempty"`
	Forced   []Difference `json:"forced,omitempty"`
	Differs  []Difference `json:"differs,omitempty"`
	Outcome  Outcome      `json:"outcome"`
	Cases    []Case       `json:"cases"`
	Level    float64      `json:"level"`
	Warnings []string     `json:"warnings"`
}

// Case is one comparison that the gate judges.
type Case struct {
	Kind      Kind      `json:"kind"`
	Treatment string    `json:"treatment"`
	Baseline  *string   `json:"baseline"` // null for own figures
	Endpoint  string    `json:"endpoint"`
	Unit      string    `json:"unit"`
	Outcome   Outcome   `json:"outcome"`
	Verdict   string    `json:"verdict"`
	Direction *string   `json:"direction"`
	Interval  *Interval `json:"difference"`
	Margin    float64   `json:"margin"`
	Why       []string  `json:"why,omitempty"`
}

// Name says what a case compares.
func (c Case) Name() string {
	if c.Baseline == nil {
		return fmt.Sprintf("%s by %s", c.Treatment, c.Endpoint)
	}
	return fmt.Sprintf("%s against %s by %s", c.Treatment, *c.Baseline, c.Endpoint)
}

// Selection is which cases a gate judges.
type Selection struct {
	Endpoints  []string // none: all that are primary
	Treatments []string // none: all; a name in the study file is all its copies
	// Own adds each treatment's own figure, which holds the drift of the host
	// between two runs. Of a kept baseline only.
	Own bool
}

// GateEndpoints are those that a gate can ask for: the primary ones.
func GateEndpoints() []string {
	var names []string
	for _, e := range compared() {
		names = append(names, string(e))
	}
	return names
}

func (sel Selection) check() error {
	for _, e := range sel.Endpoints {
		if !slices.Contains(GateEndpoints(), e) {
			return fmt.Errorf("endpoint %q cannot be gated (those that can: %s)", e, strings.Join(GateEndpoints(), ", "))
		}
	}
	return nil
}

// checkTreatments refuses names that the result does not have.
func (sel Selection) checkTreatments(r *Result) error {
	for _, name := range sel.Treatments {
		var have []string
		found := false
		for _, i := range r.treatments() {
			if r.Plan.Study.Treatments[i].Control != "" {
				continue // a part of the ladder: no case is about it
			}
			have = append(have, r.Plan.Study.Treatments[i].Name)
			found = found || r.named(i, name)
		}
		if !found {
			return fmt.Errorf("result %s gates no treatment %q (it has: %s)", r.ID, name, orNone(strings.Join(have, ", ")))
		}
	}
	return nil
}

// named: a treatment has a name of its own, and that of the study file.
func (r *Result) named(i int, name string) bool {
	return r.Plan.Study.Treatments[i].Name == name || r.Plan.Study.Written(i) == name
}

func (sel Selection) takes(r *Result, i int, endpoint string) bool {
	if len(sel.Endpoints) > 0 && !slices.Contains(sel.Endpoints, endpoint) {
		return false
	}
	return len(sel.Treatments) == 0 || slices.ContainsFunc(sel.Treatments, func(name string) bool { return r.named(i, name) })
}

// InRun gates a result by its own primary comparisons. What is asked for and
// has no figure is undecided, with the reason; it never passes unseen.
func InRun(r *Result, sel Selection) (*Gate, error) {
	what := "gate " + r.ID
	if err := errors.Join(sel.check(), sel.checkTreatments(r)); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if sel.Own {
		return nil, fmt.Errorf("%s: own figures are judged against a kept baseline only", what)
	}
	g := &Gate{Format: GateFormat, Result: r.side(), Level: r.Plan.Rule.Level, Cases: []Case{},
		Warnings: append(append([]string{}, r.warnings()...), append(r.warnMargins(), r.Analysis.Warnings...)...)}
	s := &r.Plan.Study
	for _, i := range r.treatments() {
		t := s.Treatments[i]
		if t.Control != "" || t.Baseline == "" {
			continue
		}
		for _, base := range append([]string{t.Baseline}, t.Against...) {
			for _, e := range r.wanted(i, sel) {
				if sel.takes(r, i, string(e)) {
					g.Cases = append(g.Cases, r.caseOf(i, s.Index(base), e))
				}
			}
		}
	}
	if !slices.ContainsFunc(s.Treatments, func(t study.Treatment) bool { return t.Control == study.AA }) {
		g.Warnings = append(g.Warnings, "the study has no A/A copy: nothing says how far identical treatments differ here")
	}
	return g.judged(what)
}

// wanted are the endpoints that a treatment must have an answer on: those that
// a run gives by its design, those that this one gave, and those asked for.
func (r *Result) wanted(i int, sel Selection) []experiment.Endpoint {
	if r.Plan.Study.Treatments[i].Level.Closed {
		return []experiment.Endpoint{experiment.Throughput}
	}
	return slices.DeleteFunc(compared(), func(e experiment.Endpoint) bool {
		byDesign := e == experiment.P50 || e == experiment.CPU
		return !byDesign && !slices.Contains(sel.Endpoints, string(e)) && len(r.own(i, e)) == 0
	})
}

func (r *Result) caseOf(i, base int, e experiment.Endpoint) Case {
	s := &r.Plan.Study
	c := Case{Kind: Apart, Treatment: s.Treatments[i].Name, Baseline: &s.Treatments[base].Name, Endpoint: string(e), Unit: unit(e), Verdict: string(stat.Undecided)}
	k := slices.IndexFunc(r.Analysis.Comparisons, func(c experiment.Comparison) bool {
		return c.Treatment == i && c.Baseline == base && c.Endpoint == e
	})
	switch {
	case k < 0 && len(r.own(i, e)) == 1:
		c.Why = append(c.Why, fmt.Sprintf("one block: an interval needs at least 2, a verdict %d", study.MinBlocks))
	case k < 0 && len(r.own(i, e)) > 0:
		c.Why = append(c.Why, r.why(base, e))
	case k < 0:
		c.Why = append(c.Why, r.why(i, e))
	default:
		one := r.Analysis.Comparisons[k]
		c.Verdict, c.Interval, c.Margin = string(one.Verdict), interval(one.Difference), one.Margin
		if d := string(one.Direction); d != "" {
			c.Direction = &d
		}
		for _, w := range one.Warnings {
			if w.Code != stat.WarnSkewed && w.Code != stat.WarnNoRatio {
				c.Why = append(c.Why, w.Text)
			}
		}
		c.Why = append(c.Why, moreBlocks(one.BlocksNeeded)...)
	}
	c.judge(r.Analysis.Noisy(&r.Plan, i, e))
	return c
}

func moreBlocks(n int) []string {
	if n == 0 {
		return nil
	}
	return []string{stat.MoreBlocks(n) + " would decide it, if estimate and spread stay"}
}

// judge gives the outcome. Where the A/A gate failed, nothing passes as lying
// within the margin: two that are identical did not.
func (c *Case) judge(noisy bool) {
	worse := c.Direction != nil && *c.Direction == string(stat.Worse)
	within := c.Verdict == string(stat.NoDifference) || c.Verdict == string(stat.Immaterial)
	switch {
	case c.Verdict == string(stat.Material) && worse:
		c.Outcome = Fail
	case c.Verdict == string(stat.Material), within && !noisy:
		c.Outcome = Pass
	case within:
		c.Outcome = Unsure
		c.Why = append(c.Why, "the A/A gate failed: the noise floor is too high for this margin")
	default:
		c.Outcome = Unsure
	}
}

// Against gates a result by an answer that compares it with a kept baseline of
// that name: by the differences of what the study was made for, and where it is
// asked by own figures.
func Against(now, old *Result, a *Answer, name string, sel Selection) (*Gate, error) {
	what := fmt.Sprintf("gate %s against baseline %s", now.ID, name)
	if err := errors.Join(sel.check(), sel.checkTreatments(now)); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	g := &Gate{Format: GateFormat, Result: a.New, Baseline: &a.Old, Name: name, Forced: a.Forced, Differs: a.Differs, Level: a.Level,
		Cases: []Case{}, Warnings: a.Warnings}
	for _, r := range a.Rows {
		i := now.Plan.Study.Index(r.Treatment)
		asked := r.Primary || sel.Own && r.Kind == Own && now.Plan.Study.Treatments[i].Control == ""
		if !asked || !sel.takes(now, i, r.Endpoint) {
			continue
		}
		c := Case{Kind: r.Kind, Treatment: r.Treatment, Baseline: r.Baseline, Endpoint: r.Endpoint, Unit: r.Unit,
			Verdict: r.Verdict, Direction: r.Direction, Interval: r.Interval, Margin: r.Margin, Why: r.Warnings}
		c.Why = append(slices.Clone(c.Why), moreBlocks(r.BlocksNeeded)...)
		if r.Why != "" {
			c.Why = append(c.Why, r.Why)
		}
		oldName := r.Treatment
		if r.OldName != "" {
			oldName = r.OldName
		}
		e := experiment.Endpoint(r.Endpoint)
		c.judge(now.Analysis.Noisy(&now.Plan, i, e) || old.Analysis.Noisy(&old.Plan, old.Plan.Study.Index(oldName), e))
		g.Cases = append(g.Cases, c)
	}
	for _, name := range a.Unmatched {
		g.Warnings = append(g.Warnings, "not judged, since only one of the two results has it: "+name)
	}
	return g.judged(what)
}

// judged sums the cases up.
func (g *Gate) judged(what string) (*Gate, error) {
	if len(g.Cases) == 0 {
		return nil, fmt.Errorf("%s: %w: no primary comparison of a treatment with its baseline is among what was asked for", what, ErrNoCase)
	}
	g.Outcome = Pass
	for _, c := range g.Cases {
		switch c.Outcome {
		case Fail:
			g.Outcome = Fail
		case Unsure:
			if g.Outcome == Pass {
				g.Outcome = Unsure
			}
		}
	}
	return g, nil
}

// Count is how many cases have an outcome.
func (g *Gate) Count(o Outcome) int {
	n := 0
	for _, c := range g.Cases {
		if c.Outcome == o {
			n++
		}
	}
	return n
}
