// Package report makes an answer of an experiment and prints it.
//
// New computes a Report from the plan and the blocks alone; Text, JSON, HTML
// and CSV print the same Report. It measures nothing and decides nothing: verdicts and
// warnings come from the analysis. Pictures are drawn here as inline SVG; the
// page needs no script. The JSON is documented in docs/formats/report.md, the
// CSV in docs/formats/csv.md.
package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Format is the version of the JSON.
const Format = "report/2"

// Report is the answer to a study. Times are in microseconds where the name
// ends in _us; a field that is null could not or may not be given.
type Report struct {
	Format       string              `json:"tare"`
	ID           string              `json:"id"`
	Study        string              `json:"study"`
	Question     string              `json:"question,omitempty"`
	Design       string              `json:"design"`
	Started      time.Time           `json:"started"`
	State        string              `json:"state"`
	Treatments   []Treatment         `json:"treatments"`
	Comparisons  []Comparison        `json:"comparisons"`
	AA           []AA                `json:"aa"`           // one for each copy
	Interference []Interference      `json:"interference"` // one for each baseline that stood alone
	CostRatios   []CostRatio         `json:"cost_ratios,omitempty"`
	Factors      []Factor            `json:"factors,omitempty"`
	Effects      []Effect            `json:"effects,omitempty"`
	Slopes       []Slope             `json:"slopes,omitempty"`
	Shapley      []Waterfall         `json:"shapley,omitempty"`
	Shifts       []Shift             `json:"shifts,omitempty"`
	Checks       *Checks             `json:"checks,omitempty"` // null without a block that counts
	Pairs        *Pairs              `json:"pairs,omitempty"`
	Knee         *Knee               `json:"knee,omitempty"` // of design knee
	Rejections   *Rejections         `json:"rejections,omitempty"`
	Blocks       int                 `json:"blocks"`
	Voids        int                 `json:"voids"`
	VoidReasons  []string            `json:"void_reasons,omitempty"`
	WithVoids    []Comparison        `json:"comparisons_with_voids,omitempty"`
	VoidEffects  []Effect            `json:"effects_with_voids,omitempty"`
	Screening    bool                `json:"screening"`
	Level        float64             `json:"level"`
	Method       string              `json:"method,omitempty"` // of the simultaneous intervals
	Family       int                 `json:"family"`           // comparisons that hold together
	Cells        int                 `json:"cells,omitempty"`  // of design pairs: the level is shared among them by Bonferroni, and the method holds within each
	Rate         float64             `json:"rate_per_treatment"`
	Arrivals     string              `json:"arrivals,omitempty"` // empty: Poisson
	Apparatus    *Apparatus          `json:"apparatus"`
	Seed         uint64              `json:"seed"`
	Digest       string              `json:"digest"`
	Environment  measure.Environment `json:"environment"`
	Program      experiment.Program  `json:"program"`
	Planes       []dataplane.Program `json:"planes"`
	// Components are all other parts; none in results of before they were kept.
	Components []experiment.Component `json:"components,omitempty"`
	// Counting says how instructions were counted, or why not.
	Counting  string     `json:"instructions,omitempty"`
	Command   []string   `json:"command"`
	Sentences []string   `json:"sentences"`
	Series    *Series    `json:"series"`    // these three are what the pictures show;
	Spectrum  *Spectrum  `json:"spectrum"`  // null without a block that counts
	Histogram *Histogram `json:"histogram"` //
	Warnings  []string   `json:"warnings"`
}

// Treatment is one treatment's own figures, medians over blocks.
type Treatment struct {
	Name             string             `json:"name"`
	Baseline         *string            `json:"baseline"`
	Form             *string            `json:"form"`
	Site             *string            `json:"site"`
	Control          *string            `json:"control"`
	DataPlane        *string            `json:"dataplane"`
	Of               *string            `json:"of,omitempty"`    // its name in the study file, where it is a copy
	Level            *string            `json:"level,omitempty"` // of design pairs
	Set              map[string]string  `json:"set,omitempty"`   // levels of factors
	Blocks           int                `json:"blocks"`          // that its figures come from
	Requests         int                `json:"requests"`
	P50              *float64           `json:"p50_us"`
	P90              *float64           `json:"p90_us"`
	P99              *float64           `json:"p99_us"`
	CPU              *float64           `json:"cpu_us_per_request"`
	PrivateMB        *float64           `json:"private_mb"`
	Throughput       *float64           `json:"throughput,omitempty"`         // requests/s of a closed loop
	ClosedP50        *float64           `json:"closed_loop_p50_us,omitempty"` // compares with nothing
	Why              map[string]string  `json:"why,omitempty"`                // of each null
	Parts            []experiment.Usage `json:"parts"`
	Outcomes         []Outcomes         `json:"outcomes,omitempty"`
	Enforcement      []Outcome          `json:"enforcement,omitempty"` // those of the enforcement phases, in short
	BucketsTouched   int                `json:"buckets_touched,omitempty"`
	JudgeFound       *string            `json:"judge_found,omitempty"`
	PlantedWork      float64            `json:"planted_cpu_us_per_request,omitempty"` // the service's own witness
	RefusedUnderLoad int                `json:"refused_where_overhead_is_measured,omitempty"`
}

// Outcome is the requests of the enforcement phases with one outcome.
type Outcome struct {
	Class string  `json:"class"`
	Count int     `json:"count"`
	P50   float64 `json:"p50_us"`
}

// Interval is an estimate with its interval.
type Interval struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// Comparison is one treatment against its baseline by one endpoint.
type Comparison struct {
	Treatment string `json:"treatment"`
	Baseline  string `json:"baseline"`
	Endpoint  string `json:"endpoint"`
	Interval
	Unit              string    `json:"unit"` // us: microseconds, per request; per_s: requests/s
	Level             *string   `json:"level,omitempty"`
	Ratio             *Interval `json:"ratio"`
	Margin            float64   `json:"margin"`
	Verdict           string    `json:"verdict"`
	Direction         *string   `json:"direction"`
	Primary           bool      `json:"primary"` // of the simultaneous family; else exploratory
	SD                float64   `json:"sd"`      // of the block differences
	MinimumDetectable float64   `json:"minimum_detectable"`
	HodgesLehmann     *Interval `json:"hodges_lehmann,omitempty"`
	BlocksNeeded      int       `json:"blocks_needed,omitempty"` // further blocks that would decide
	PerBlock          []float64 `json:"per_block,omitempty"`     // differences, in the order of the plan
	Warnings          []string  `json:"warnings,omitempty"`
}

// AA is the A/A gate of one copy, at its data plane and level.
type AA struct {
	Treatment string  `json:"treatment"`
	Baseline  string  `json:"baseline"`
	DataPlane *string `json:"dataplane"`
	Level     *string `json:"level,omitempty"`
	// Pooled are the endpoints, of those that the gate has, by which the baseline is
	// compared as the mean of it and the copy.
	Pooled []string `json:"pooled,omitempty"`
	P50    *Gate    `json:"p50"` // null while few blocks agree to the nanosecond
	CPU    *Gate    `json:"cpu"`
	// Throughput is that of a closed loop, in requests/s; Knee that of a knee study.
	Throughput *Gate `json:"throughput,omitempty"`
	Knee       *Gate `json:"knee,omitempty"`
}

// Gate is the difference of two identical treatments by one endpoint.
type Gate struct {
	Interval
	Margin float64 `json:"margin"`
	Inside bool    `json:"inside"`
}

// Interference is the interference control.
type Interference struct {
	Baseline     string    `json:"baseline"`
	Heaviest     string    `json:"heaviest"`
	Blocks       int       `json:"blocks"`
	Shared       float64   `json:"shared_us"`
	Solo         float64   `json:"solo_us"`
	BaselineP99  *float64  `json:"baseline_solo_p99_us"` // null with too few requests
	HeaviestP99  *float64  `json:"heaviest_solo_p99_us"`
	Disagreement *Interval `json:"disagreement"` // null with fewer than 3 control blocks
	Margin       float64   `json:"margin"`
	Interferes   bool      `json:"interferes"`
}

// Rejections counts identical pairs that were found to differ.
type Rejections struct {
	Rejected int     `json:"rejected"`
	Of       int     `json:"of"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// Apparatus is what the apparatus itself did.
type Apparatus struct {
	Rate         float64 `json:"rate"`
	HostBusy     float64 `json:"host_busy"`
	Steal        float64 `json:"steal"`
	LatenessP50  float64 `json:"lateness_p50_us"`
	LatenessP99  float64 `json:"lateness_p99_us"`
	GeneratorCPU float64 `json:"generator_cpu_us_per_request"`
	SpinShare    float64 `json:"spin_share"`
	Remainder    float64 `json:"host_remainder"`
}

// New makes the report of an experiment.
func New(e experiment.Experiment, state experiment.State, blocks []experiment.Block) (*Report, error) {
	p := &e.Plan
	an, err := experiment.Analyse(p, blocks)
	if err != nil {
		return nil, fmt.Errorf("report %s: %w", e.ID, err)
	}
	r := head(e, state)
	r.Blocks, r.Voids, r.Warnings = an.Blocks, an.Voids, append(r.Warnings, an.Warnings...)
	r.Screening = p.Screening || an.Blocks < study.MinBlocks
	for i := range an.Treatments {
		if p.Study.Stands(i) {
			r.Treatments = append(r.Treatments, treatment(&p.Study, an, i))
		}
	}
	for _, c := range an.Comparisons {
		r.Comparisons = append(r.Comparisons, comparison(&p.Study, an, c))
		if c.Primary {
			r.Method = string(c.Multiplicity.Method)
			r.Family++
		}
	}
	l := an.Apparatus
	r.Apparatus = &Apparatus{l.Rate, l.HostBusy, l.Steal, l.LatenessP50, l.LatenessP99, l.GeneratorCPU, l.SpinShare, l.Remainder}
	r.Counting = counting(an.Counting, r.Treatments)
	r.addGates(&p.Study, an)
	r.addInterference(an)
	r.addCostRatios(&p.Study, an)
	r.addPairs(&p.Study, an)
	r.addFactors(&p.Study, an)
	r.addShifts(an)
	if n := an.Rejections; n != nil {
		r.Rejections = &Rejections{n.Rejected, n.Of, n.Low, n.High}
	}
	if err := r.addVoids(p, blocks); err != nil {
		return nil, err
	}
	if p.Study.Design.Name == study.Knee {
		r.addKnee(p, an, blocks)
		return r, nil
	}
	r.addChecks(an)
	r.Sentences = sentences(r, p)
	r.addSeries(&p.Study, an, blocks)
	return r, nil
}

// Unfinished is the report of an experiment that cannot be analysed, with why.
func Unfinished(e experiment.Experiment, state experiment.State, why error) *Report {
	r := head(e, state)
	r.Screening = true
	r.Warnings = append(r.Warnings, why.Error())
	return r
}

// head is the part of a report that needs no block.
func head(e experiment.Experiment, state experiment.State) *Report {
	p := &e.Plan
	return &Report{
		Format: Format, ID: e.ID, Study: p.Study.Name, Question: p.Study.Question, Design: p.Study.Design.Name, Started: e.Started, State: string(state),
		Level: p.Rule.Level, Rate: float64(p.Study.Load.Rate), Arrivals: unusual(p.Study.Load.Arrivals), Seed: p.Seed, Digest: p.Digest, Environment: e.Environment,
		Program: e.Program, Planes: e.Planes, Components: e.Components, Command: e.Command, Treatments: []Treatment{}, Comparisons: []Comparison{}, AA: []AA{}, Interference: []Interference{}, Sentences: []string{}, Warnings: []string{},
	}
}

// addVoids gives the reasons, and the comparisons as they would be with the
// void blocks that were carried to their end.
func (r *Report) addVoids(p *study.Plan, blocks []experiment.Block) error {
	var all []experiment.Block
	for _, b := range blocks {
		if b.Void != "" {
			r.VoidReasons = append(r.VoidReasons, fmt.Sprintf("block %d, attempt %d: %s", b.Index, b.Attempt, b.Void))
			if len(b.Phases) < len(p.Blocks[b.Index].Phases) {
				continue
			}
			b.Void = ""
		}
		all = append(all, b)
	}
	if r.Voids == 0 || len(all) == r.Blocks {
		return nil
	}
	an, err := experiment.Analyse(p, all)
	if err != nil {
		return fmt.Errorf("report %s with its void blocks: %w", r.ID, err)
	}
	for _, c := range an.Comparisons {
		r.WithVoids = append(r.WithVoids, comparison(&p.Study, an, c))
	}
	for _, x := range an.Effects {
		r.VoidEffects = append(r.VoidEffects, effect(&p.Study, x))
	}
	return nil
}

func treatment(s *study.Study, an *experiment.Analysis, i int) Treatment {
	t, st := an.Treatments[i], s.Treatments[i]
	out := Treatment{Name: t.Name, Baseline: text(st.Baseline), Form: text(string(s.FormOf(i))), Control: text(string(st.Control)),
		Requests: t.Requests, Parts: t.Usage, BucketsTouched: t.Callers, RefusedUnderLoad: t.Refused, JudgeFound: text(t.Wrong), PlantedWork: t.Witness}
	if f := s.FormOf(i); f != "" {
		out.Site = text(string(siteOf(s, i)))
	}
	out.DataPlane, out.Of, out.Level, out.Blocks = text(s.PlaneOf(i)), text(st.Of), level(st.Level), t.Blocks
	out.Set = settingsOf(s, i)
	if v, ok := t.Values[experiment.Throughput]; ok {
		out.Throughput = &v
	}
	if v, ok := t.Values[experiment.ClosedP50]; ok {
		out.ClosedP50 = &v
	}
	for _, q := range []struct {
		e    experiment.Endpoint
		into **float64
	}{{experiment.P50, &out.P50}, {experiment.P90, &out.P90}, {experiment.P99, &out.P99}, {experiment.CPU, &out.CPU}} {
		if v, ok := t.Values[q.e]; ok {
			*q.into = &v
			continue
		}
		if out.Why == nil {
			out.Why = map[string]string{}
		}
		out.Why[string(q.e)] = t.Why[q.e]
	}
	var private float64
	for _, u := range t.Usage {
		private += u.PrivateMB
	}
	if len(t.Usage) > 0 {
		out.PrivateMB = &private
	}
	for _, o := range t.Outcomes {
		out.Outcomes = append(out.Outcomes, outcomes(o))
		for _, c := range o.Classes {
			if o.Kind == study.Enforce {
				out.Enforcement = append(out.Enforcement, Outcome{c.Class.String(), c.Count, c.Median})
			}
		}
	}
	return out
}

func siteOf(s *study.Study, i int) study.Site {
	t := s.Treatments[i]
	if t.Control == study.AA {
		return siteOf(s, s.Index(t.Baseline))
	}
	return t.Site
}

// text is nil for an empty string.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// level is nil where a treatment has none.
func level(l study.Level) *string {
	if l.IsZero() {
		return nil
	}
	return text(l.String())
}

// The units of comparisons.
const (
	unitMicros    = "us"
	unitPerSecond = "per_s"
)

func unit(e experiment.Endpoint) string {
	if e == experiment.Throughput || e == experiment.KneeRate {
		return unitPerSecond
	}
	return unitMicros
}

func interval(i stat.Interval) Interval { return Interval{i.Estimate, i.Low, i.High} }

func comparison(s *study.Study, an *experiment.Analysis, c experiment.Comparison) Comparison {
	out := Comparison{
		Treatment: an.Treatments[c.Treatment].Name, Baseline: an.Treatments[c.Baseline].Name, Endpoint: string(c.Endpoint),
		Interval: interval(c.Difference), Unit: unit(c.Endpoint), Level: level(s.Treatments[c.Treatment].Level), Margin: c.Margin, Verdict: string(c.Verdict), Direction: text(string(c.Direction)),
		Primary: c.Primary, SD: c.SD, PerBlock: c.PerBlock, MinimumDetectable: c.MinimumDetectable, BlocksNeeded: c.BlocksNeeded,
	}
	if c.Ratio != nil {
		i := interval(*c.Ratio)
		out.Ratio = &i
	}
	if c.HodgesLehmann != nil {
		i := interval(*c.HodgesLehmann)
		out.HodgesLehmann = &i
	}
	for _, w := range c.Warnings {
		out.Warnings = append(out.Warnings, w.Text)
	}
	return out
}

func (r *Report) addGates(s *study.Study, an *experiment.Analysis) {
	of := func(g experiment.Gate, e experiment.Endpoint) *Gate {
		a, ok := g.By[e]
		if !ok {
			return nil
		}
		return &Gate{interval(a.Interval), a.Margin, a.Inside}
	}
	for _, g := range an.Gates {
		a := AA{Treatment: an.Treatments[g.Copy].Name, Baseline: an.Treatments[g.Baseline].Name,
			DataPlane: text(s.PlaneOf(g.Copy)), Level: level(s.Treatments[g.Copy].Level),
			P50: of(g, experiment.P50), CPU: of(g, experiment.CPU), Throughput: of(g, experiment.Throughput), Knee: of(g, experiment.KneeRate)}
		for _, e := range g.Pooled {
			a.Pooled = append(a.Pooled, string(e))
		}
		r.AA = append(r.AA, a)
	}
}

func (r *Report) addInterference(an *experiment.Analysis) {
	for _, in := range an.Interference {
		out := Interference{Baseline: an.Treatments[in.Baseline].Name, Heaviest: an.Treatments[in.Heaviest].Name, Blocks: in.Blocks,
			Shared: in.Shared, Solo: in.Solo, BaselineP99: in.BaselineP99, HeaviestP99: in.HeaviestP99, Margin: in.Margin, Interferes: in.Interferes}
		if in.Disagreement != nil {
			i := interval(*in.Disagreement)
			out.Disagreement = &i
		}
		r.Interference = append(r.Interference, out)
	}
}

// primaries lists the comparisons that verdicts are given on, in order.
func (r *Report) primaries() []Comparison {
	return slices.DeleteFunc(slices.Clone(r.Comparisons), func(c Comparison) bool { return !c.Primary })
}
