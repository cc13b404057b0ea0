package experiment

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/taremesh/tare/stat"
)

// Checks are what the blocks say of the run itself: whether the place in the
// order of starting mattered, whether figures drifted from block to block,
// whether the warm-up was long enough. A check that fires is a warning, and
// changes no figure. The intervals of a kind hold together at 95 %, by
// Bonferroni. A kind without an entry had too few blocks.
type Checks struct {
	Order  []OrderCheck  // by endpoint
	Drift  []DriftCheck  // of all treatments together, then of each difference
	Warmup []WarmupCheck // by treatment
}

// OrderCheck is what being started later in a block adds, per place.
type OrderCheck struct {
	Endpoint Endpoint
	PerPlace stat.Interval // in the endpoint's unit
	// Span is PerPlace from the first place to the last.
	Span   float64
	Margin float64
	// Fired: the interval excludes 0, and Span is beyond a quarter of the margin.
	Fired bool
}

// DriftCheck is how a figure moved over the blocks.
type DriftCheck struct {
	Of       string // AllTreatments, or the difference
	Endpoint Endpoint
	// PerBlock is the slope over the blocks in the endpoint's unit; nil where the
	// figures lie on a line.
	PerBlock *stat.Interval
	Span     float64 // PerBlock from the first block to the last
	// Changes are the places, in the order of the plan among the blocks that the
	// figure has, where its level changed.
	Changes []stat.ChangePoint
	Margin  float64
	// Fired: the slope's interval excludes 0, or the level changed, by more than
	// a quarter of the margin.
	Fired bool
}

// AllTreatments is the mean of all of them: the drift of the machine.
const AllTreatments = "all treatments"

// WarmupCheck is MSER-5 on a treatment's latency phases: how many requests at
// their beginning still belong to the warm-up.
type WarmupCheck struct {
	Treatment int
	Requests  float64 // median over blocks
	Share     float64 // of the phase, median over blocks
	// Fired: Share is beyond 3 %.
	Fired bool
}

const (
	checkLevel = 0.95
	// A check fires for what is beyond this share of the margin, as lateness does
	// in the rule for voids.
	checkShare = 0.25
	// MSER-5 names some small number by chance in every block: over five blocks
	// the median of settled noise is below 1 % of the phase.
	warmupBlocks = 5
	warmupShare  = 0.03
)

// checkedEndpoints are those that the run is checked by.
func checkedEndpoints() []Endpoint { return []Endpoint{P50, CPU} }

func (an *Analysis) check(s *sheet) error {
	if err := an.checkOrder(s); err != nil {
		return err
	}
	if err := an.checkDrift(s); err != nil {
		return err
	}
	an.checkWarmup(s)
	an.warnOfChecks()
	return nil
}

// group is the blocks in which the same treatments stood.
type group struct {
	arms   []int
	blocks []int // places in the sheet
}

func (s *sheet) groups() []group {
	var out []group
	for k, b := range s.blocks {
		arms := s.plan.Arms(b.Index)
		i := slices.IndexFunc(out, func(g group) bool { return slices.Equal(g.arms, arms) })
		if i < 0 {
			i = len(out)
			out = append(out, group{arms: arms})
		}
		out[i].blocks = append(out[i].blocks, k)
	}
	return out
}

// values of a group's treatments in its blocks; nil where one lacks the endpoint.
func (g group) values(s *sheet, e Endpoint) [][]float64 {
	out := make([][]float64, len(g.arms))
	for t, i := range g.arms {
		for _, k := range g.blocks {
			v, has := s.of[k][i].values[e]
			if !has {
				return nil
			}
			out[t] = append(out[t], v)
		}
	}
	return out
}

// places are those of a group's treatments in the order of starting.
func (g group) places(s *sheet) [][]int {
	out := make([][]int, len(g.arms))
	for t, i := range g.arms {
		for _, k := range g.blocks {
			out[t] = append(out[t], slices.Index(s.plan.Blocks[s.blocks[k].Index].Start, i))
		}
	}
	return out
}

// baselineMargin is the margin by the first treatment of the first block.
func (s *sheet) baselineMargin(e Endpoint) float64 {
	var vs []float64
	first := s.plan.Baseline(s.blocks[0].Index)
	for _, fs := range s.of {
		if v, has := fs[first].values[e]; has {
			vs = append(vs, v)
		}
	}
	if len(vs) == 0 {
		return 0
	}
	return e.margin(s.plan.Study.Margin, median(vs))
}

func (an *Analysis) checkOrder(s *sheet) error {
	for _, e := range checkedEndpoints() {
		var slopes []float64
		arms := 0
		for _, g := range s.groups() {
			values := g.values(s, e)
			if values == nil || len(g.arms) < 2 || len(g.blocks) < 2 {
				continue
			}
			one, err := stat.Order(g.places(s), values)
			if err != nil {
				return err
			}
			slopes, arms = append(slopes, one...), max(arms, len(g.arms))
		}
		if len(slopes) < 2 {
			continue
		}
		i, err := stat.PairedT(slopes, together95(len(checkedEndpoints())))
		if errors.Is(err, stat.ErrNoSpread) {
			continue
		}
		if err != nil {
			return err
		}
		o := OrderCheck{Endpoint: e, PerPlace: i, Span: i.Estimate * float64(arms-1), Margin: s.baselineMargin(e)}
		o.Fired = !i.Contains(0) && math.Abs(o.Span) > checkShare*o.Margin
		an.Checks.Order = append(an.Checks.Order, o)
	}
	return nil
}

// together95 is the level at which each of n intervals is given so that all
// hold at 95 %.
func together95(n int) float64 { return 1 - (1-checkLevel)/float64(max(n, 1)) }

// checkDrift looks at all treatments together, where all stand in every block,
// and at every primary difference.
func (an *Analysis) checkDrift(s *sheet) error {
	type series struct {
		DriftCheck
		values []float64
	}
	var all []series
	add := func(of string, e Endpoint, margin float64, values []float64) {
		all = append(all, series{DriftCheck{Of: of, Endpoint: e, Margin: margin}, values})
	}
	if gs := s.groups(); len(gs) == 1 {
		for _, e := range checkedEndpoints() {
			if values := gs[0].values(s, e); values != nil {
				add(AllTreatments, e, s.baselineMargin(e), meanOver(values))
			}
		}
	}
	for _, c := range an.Comparisons {
		if c.Primary {
			add(an.Treatments[c.Treatment].Name+" − "+an.Treatments[c.Baseline].Name, c.Endpoint, c.Margin, c.PerBlock)
		}
	}
	for _, x := range an.Effects {
		if x.Primary {
			add("the effect of "+EffectName(s.plan.Study.Factors, x.Factors), x.Endpoint, x.Margin, x.PerBlock)
		}
	}
	level := together95(2 * len(all)) // a slope and changes each
	for _, one := range all {
		made, err := one.drift(one.values, level)
		if err != nil {
			return err
		}
		if made {
			an.Checks.Drift = append(an.Checks.Drift, one.DriftCheck)
		}
	}
	return nil
}

// meanOver is the mean over treatments, block by block.
func meanOver(values [][]float64) []float64 {
	out := make([]float64, len(values[0]))
	for b := range out {
		for _, v := range values {
			out[b] += v[b] / float64(len(values))
		}
	}
	return out
}

// drift fills the check in; false with too few blocks, or without any spread.
func (d *DriftCheck) drift(values []float64, level float64) (made bool, err error) {
	slope, err := stat.Drift(values, level)
	switch {
	case errors.Is(err, stat.ErrTooFew):
		return false, nil
	case errors.Is(err, stat.ErrNoSpread):
	case err != nil:
		return false, err
	default:
		d.PerBlock, d.Span = &slope, slope.Estimate*float64(len(values)-1)
		d.Fired = !slope.Contains(0) && math.Abs(d.Span) > checkShare*d.Margin
	}
	d.Changes, err = stat.ChangePoints(values, level)
	if errors.Is(err, stat.ErrNoSpread) {
		return false, nil
	}
	for _, c := range d.Changes {
		d.Fired = d.Fired || math.Abs(c.Difference.Estimate) > checkShare*d.Margin
	}
	return true, err
}

func (an *Analysis) checkWarmup(s *sheet) {
	for i := range an.Treatments {
		var at, share []float64
		for _, rs := range s.readings {
			r, stood := rs[i]
			if !stood || r.warmup == nil {
				continue
			}
			n := 0.0
			if r.warmup.Settled { // else it says nothing
				n = float64(r.warmup.At)
			}
			at, share = append(at, n), append(share, n/float64(r.answered))
		}
		if len(at) < warmupBlocks {
			continue
		}
		w := WarmupCheck{Treatment: i, Requests: median(at), Share: median(share)}
		w.Fired = w.Share > warmupShare
		an.Checks.Warmup = append(an.Checks.Warmup, w)
	}
}

// warnOfChecks adds a warning for each check that fired; of those on drift and
// warm-up one for all, with the first few.
func (an *Analysis) warnOfChecks() {
	add := func(format string, args ...any) { an.Warnings = append(an.Warnings, fmt.Sprintf(format, args...)) }
	for _, o := range an.Checks.Order {
		if o.Fired {
			add("the order of starting mattered: %s rises by %.2f %s per place (%.2f to %.2f), %.2f from the first to the last; the order is drawn anew in every block, so it widens intervals and shifts nothing",
				o.Endpoint, o.PerPlace.Estimate, o.Endpoint.Unit(), o.PerPlace.Low, o.PerPlace.High, o.Span)
		}
	}
	for _, d := range an.Checks.Drift {
		if d.Fired && d.Of == AllTreatments {
			add("the machine drifted: %s of all treatments %s; differences are of one block and do not take part in it", d.Endpoint, d.Words())
		} else if d.Fired {
			add("%s at %s is not one figure: it %s", d.Of, d.Endpoint, d.Words())
		}
	}
	for _, w := range an.Checks.Warmup {
		if w.Fired {
			add("%s may not have been warm: MSER-5 takes the first %.0f requests of its latency phases (%.0f %%) for warm-up; a longer design.warmup would tell",
				an.Treatments[w.Treatment].Name, w.Requests, 100*w.Share)
		}
	}
}

// Words says how the figure moved.
func (d DriftCheck) Words() string {
	unit := d.Endpoint.Unit()
	for _, c := range d.Changes {
		return fmt.Sprintf("went from %.2f to %.2f %s at its block %d", c.Before, c.After, unit, c.At+1)
	}
	if d.PerBlock == nil {
		return "did not move"
	}
	return fmt.Sprintf("moved by %.2f %s from the first block to the last", d.Span, unit)
}
