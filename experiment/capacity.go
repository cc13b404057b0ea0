package experiment

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Capacity is the greatest rate at which a treatment keeps the objective.
type Capacity struct {
	Treatment int
	Bound     Bound
	// Rate is the knee with its interval, in requests/s; of a bound the rate
	// alone. Without an interval Low and High are NaN.
	Rate stat.Interval
	Why  string // there is a bound instead of a knee, or no interval
	// Logistic is the knee by a logistic curve through all replicated probes, and
	// Width the factor in the rate between one probe in four missing and three in
	// four; 0 without such a curve.
	Logistic, Width float64
	Blocks          []float64 // the knee of each block of replicated probes, in requests/s
	Stood           []int     // which these are, among the blocks that count
	Warnings        []stat.Warning
	Probes          []Probe // in the order in which they were made
	Curve           []CurvePoint
	USL             *stat.USL // throughput by requests under way; nil without a fit
	// Busiest is the greatest share of its threads' time that the generator
	// worked in a probe at or below the knee.
	Busiest float64
}

// Bound says on which side of Rate a knee lies that was not found.
type Bound string

// The bounds.
const (
	Exact   Bound = "knee"     // none: the knee was found
	AtLeast Bound = "at least" // no rate missed the objective
	Below   Bound = "below"    // no rate met it
	Unknown Bound = "unknown"  // the probes say neither
)

// CurvePoint is what the probes near one rate gave, as medians over them.
type CurvePoint struct {
	Rate           float64              // mean
	Probes         int                  // judged ones
	Met            int                  // of these
	Values         map[Endpoint]float64 // of those that every probe has
	Served, Within float64
	In, Out        float64
}

// kneeMargin is the study's for capacities: a share of the baseline's.
func kneeMargin(p *study.Plan, baseline float64) float64 {
	return KneeRate.margin(p.Study.Margin, baseline)
}

// analyseKnee fills in what a knee study says.
func (an *Analysis) analyseKnee(s *sheet) error {
	p, good := s.plan, s.blocks
	for i, t := range p.Study.Treatments {
		const why = "a knee study has no latency phase: its probes are at many rates"
		an.Treatments = append(an.Treatments, Treatment{Index: i, Name: t.Name, Values: map[Endpoint]float64{},
			Why: map[Endpoint]string{P50: why, P90: why, P99: why, CPU: why}, PerBlock: map[Endpoint][]float64{}})
	}
	for _, i := range p.Study.Probed() {
		c := capacityOf(s, i)
		an.Capacities = append(an.Capacities, c)
		t := &an.Treatments[i]
		t.Blocks, t.Stood, t.PerBlock[KneeRate] = len(c.Blocks), c.Stood, c.Blocks
		if c.Bound == Exact {
			t.Values[KneeRate] = c.Rate.Estimate
		}
		for _, x := range c.Probes {
			t.Requests += x.Requests
		}
	}
	an.Apparatus = probeLoad(good)
	if len(good) >= 2 { // the replicate is the block
		if err := an.compareKnees(p); err != nil {
			return err
		}
	}
	an.warnKnees(p, good)
	return nil
}

// capacityOf computes treatment i's knee from the probes of every block.
func capacityOf(s *sheet, i int) Capacity {
	c := Capacity{Treatment: i}
	var t trail
	for _, fs := range s.of {
		t.block(fs[i].probes)
		c.Probes = append(c.Probes, fs[i].probes...)
	}
	c.find(&t, s.plan.Rule.Level)
	c.Curve = curveOf(c.Probes)
	c.USL = uslOf(c.Curve)
	for _, p := range c.Probes {
		if p.Rate <= c.Rate.Estimate*bracketStep {
			c.Busiest = max(c.Busiest, p.Generator)
		}
	}
	return c
}

func (c *Capacity) find(t *trail, level float64) {
	met, missed, overrun := ratesOf(t.search, Met), ratesOf(t.search, Missed), ratesOf(t.search, Overrun)
	none := func(b Bound, rate float64, why string) {
		c.Bound, c.Why = b, why
		c.Rate = stat.Interval{Estimate: rate, Low: math.NaN(), High: math.NaN()}
	}
	switch {
	case len(met)+len(missed)+len(overrun) == 0:
		none(Unknown, math.NaN(), "no probe has been judged")
	case len(missed)+len(met) == 0:
		none(Unknown, math.NaN(), "the generator was the bottleneck at every rate")
	case len(missed) == 0 && len(overrun) > 0:
		none(AtLeast, slices.Max(met), fmt.Sprintf("the greatest rate that the generator can offer still meets the objective: beyond it the generator is the bottleneck (more than %.0f %% of its threads' time)", 100*GeneratorLimit))
	case len(missed) == 0 && slices.Max(met) >= study.MaxProbeRate:
		none(AtLeast, slices.Max(met), fmt.Sprintf("the greatest rate that is probed, %d/s, still meets the objective", study.MaxProbeRate))
	case len(missed) == 0:
		none(AtLeast, slices.Max(met), "no rate that was tried misses the objective; give it more time, or begin higher (load.rate)")
	case len(met) == 0:
		none(Below, slices.Min(missed), "no rate that was tried meets the objective; if lower ones may, begin lower (load.rate) or give it more time")
	default:
		c.estimate(t, level, none)
	}
}

func (c *Capacity) estimate(t *trail, level float64, none func(Bound, float64, string)) {
	k, err := stat.FindKnee(t.replicates, level)
	if err == nil {
		c.Bound, c.Rate, c.Logistic, c.Width, c.Blocks, c.Stood, c.Warnings = Exact, k.Rate, k.Logistic, k.Width, k.Blocks, t.blocks, k.Warnings
		return
	}
	knee, _ := t.centre()
	why := "no interval: " + err.Error()
	if len(t.replicates) < 2 {
		why = fmt.Sprintf("no interval: %d of at least 2 blocks of replicated probes; another start has another knee", len(t.replicates))
	}
	none(Exact, knee, why)
}

// HasInterval reports whether the knee has one.
func (c *Capacity) HasInterval() bool { return !math.IsNaN(c.Rate.Low) }

// sameRate is the factor within which rates are one point of a curve.
const sameRate = 1.04

// curveOf puts probes at about the same rate together.
func curveOf(ps []Probe) []CurvePoint {
	sorted := slices.Clone(ps)
	slices.SortStableFunc(sorted, func(a, b Probe) int { return cmp.Compare(a.Rate, b.Rate) })
	var curve []CurvePoint
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].Rate <= sorted[0].Rate*sameRate {
			n++
		}
		curve = append(curve, curvePoint(sorted[:n]))
		sorted = sorted[n:]
	}
	return curve
}

func curvePoint(ps []Probe) CurvePoint {
	c := CurvePoint{Values: map[Endpoint]float64{}}
	of := func(f func(Probe) float64) float64 {
		xs := make([]float64, len(ps))
		for i, p := range ps {
			xs[i] = f(p)
		}
		return median(xs)
	}
	for _, p := range ps {
		c.Rate += p.Rate / float64(len(ps))
		switch p.Result {
		case Met:
			c.Probes, c.Met = c.Probes+1, c.Met+1
		case Missed:
			c.Probes++
		}
	}
	for e := range ps[0].Values {
		if !slices.ContainsFunc(ps, func(p Probe) bool { _, has := p.Values[e]; return !has }) {
			c.Values[e] = of(func(p Probe) float64 { return p.Values[e] })
		}
	}
	c.Served, c.Within = of(func(p Probe) float64 { return p.Served }), of(func(p Probe) float64 { return p.Within })
	c.In, c.Out = of(func(p Probe) float64 { return p.In }), of(func(p Probe) float64 { return p.Out })
	return c
}

// uslOf fits the law to a curve, for display.
func uslOf(curve []CurvePoint) *stat.USL {
	var within, served []float64
	for _, p := range curve {
		if p.Within > 0 {
			within, served = append(within, p.Within), append(served, p.Served)
		}
	}
	u, err := stat.FitUSL(within, served)
	if err != nil {
		return nil // too few points, or no curve of the kind: nothing to display
	}
	return &u
}

// compareKnees compares knees by paired blocks, where both have one.
func (an *Analysis) compareKnees(p *study.Plan) error {
	found := map[int]*Capacity{}
	for k := range an.Capacities {
		if c := &an.Capacities[k]; c.Bound == Exact && c.HasInterval() {
			found[c.Treatment] = c
		}
	}
	if err := an.gateKnees(p, found); err != nil {
		return err
	}
	var pairs []stat.Pair
	var cs []Comparison
	for _, i := range p.Study.Probed() {
		for _, base := range kneeBaselines(&p.Study, i) {
			a, b := found[base], found[i]
			if a == nil || b == nil || p.Study.Treatments[i].Control == study.AA {
				continue
			}
			c := Comparison{Treatment: i, Baseline: base, Endpoint: KneeRate, Primary: true}
			of, with := common(a, b)
			if len(of) < 2 {
				continue
			}
			for k := range of {
				c.PerBlock = append(c.PerBlock, with[k]-of[k])
			}
			cs = append(cs, c)
			pairs = append(pairs, stat.Pair{Name: fmt.Sprintf("%s against %s by knee", an.Treatments[i].Name, an.Treatments[base].Name),
				A: of, B: with, Margin: kneeMargin(p, a.Rate.Estimate), NoNull: an.noisyKnees()})
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	out, err := stat.Compare(pairs, stat.Options{Level: p.Rule.Level, Seed: p.Seed, Screening: an.Blocks < study.MinBlocks})
	if err != nil {
		return fmt.Errorf("compare knees: %w", err)
	}
	for k := range cs {
		cs[k].Comparison = out[k]
		cs[k].Direction = KneeRate.direction(out[k].Direction)
	}
	an.Comparisons = cs
	return nil
}

// common are the knees of two treatments in the blocks that have both.
func common(a, b *Capacity) (of, with []float64) {
	for k, at := range a.Stood {
		if n := slices.Index(b.Stood, at); n >= 0 {
			of, with = append(of, a.Blocks[k]), append(with, b.Blocks[n])
		}
	}
	return of, with
}

// knees is how many comparisons of knees there are, if all are found.
func knees(s *study.Study) int {
	n := 0
	for _, i := range s.Probed() {
		if s.Treatments[i].Control != study.AA {
			n += len(kneeBaselines(s, i))
		}
	}
	return n
}

// kneeBaselines are what the knee of treatment i is compared with.
func kneeBaselines(s *study.Study, i int) []int {
	base := s.KneeBaseline(i)
	if base < 0 {
		return nil
	}
	bases := []int{base}
	for _, name := range s.Treatments[i].Against {
		if j := s.Index(name); j >= 0 && j != base && slices.Contains(s.Probed(), j) {
			bases = append(bases, j)
		}
	}
	return bases
}

// gateKnees holds the knee of each A/A copy against its baseline's.
func (an *Analysis) gateKnees(p *study.Plan, found map[int]*Capacity) error {
	for i, t := range p.Study.Treatments {
		base := p.Study.Index(t.Baseline)
		if t.Control != study.AA || found[i] == nil || found[base] == nil {
			continue
		}
		of, with := common(found[base], found[i])
		if len(of) < 2 {
			continue
		}
		d, err := stat.Differences(of, with)
		if err != nil {
			return err
		}
		one, err := stat.Gate(d, kneeMargin(p, found[base].Rate.Estimate), 0.95)
		if errors.Is(err, stat.ErrNoSpread) {
			continue
		}
		if err != nil {
			return err
		}
		an.Gates = append(an.Gates, Gate{Copy: i, Baseline: base, By: map[Endpoint]stat.AA{KneeRate: one}})
	}
	return nil
}

func (an *Analysis) noisyKnees() bool {
	return slices.ContainsFunc(an.Gates, func(g Gate) bool { return !g.By[KneeRate].Inside })
}

// kneeWidths are the half-widths of the knees and what these may be: half the
// margin ends a run. A bound is not made better by more blocks.
func (an *Analysis) kneeWidths(p *study.Plan) (halves, margins []float64) {
	for _, c := range an.Capacities {
		switch {
		case c.Bound == AtLeast || c.Bound == Below:
			halves, margins = append(halves, 0), append(margins, 1)
		case c.Bound == Exact && c.HasInterval():
			halves, margins = append(halves, c.Rate.Half()), append(margins, kneeMargin(p, c.Rate.Estimate))
		default:
			halves, margins = append(halves, math.Inf(1)), append(margins, 0)
		}
	}
	return halves, margins
}
