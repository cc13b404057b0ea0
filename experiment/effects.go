package experiment

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Effect is what a factor does to an endpoint, averaged over the levels of the
// other factors: the difference of the mean at one of its levels from that at
// its first one. Of two factors it is their interaction: half of what the
// effect of either changes by when the other goes from From to To, so that the
// effect of one factor alone misses what it is at either level of the other by
// that much (stat.Effects).
type Effect struct {
	// Baseline and Treatment are the two means that the effect is the
	// difference of. An interaction has no ratio.
	stat.Comparison
	Factors  []int    // of the study's: one, or two
	From, To []string // levels, one for each factor
	Endpoint Endpoint
	// Primary effects share one simultaneous level; the others are exploratory.
	Primary bool
	// Means at each combination of these levels, the last factor turning
	// fastest: from, to; of two factors from-from, from-to, to-from, to-to.
	Means []float64
	// Aliases are the effects that a fraction cannot tell apart from this one.
	Aliases [][]int
	// PerBlock are the effects in each block, in the order of the plan.
	PerBlock []float64

	a, b []float64 // block by block: the effect is b − a
}

// factors is the cells of a design over factors.
type factors struct {
	of     study.Factors
	cells  []study.Combination
	levels []int // how many each factor has
}

// factorsOf is false where the study has no design over factors.
func factorsOf(st *study.Study) (factors, bool) {
	f := factors{of: st.Factors, cells: st.Combinations()}
	for _, one := range st.Factors {
		f.levels = append(f.levels, len(one.Levels))
	}
	return f, len(f.cells) > 0
}

// treatments are those of the cells.
func (f factors) treatments() []int {
	is := make([]int, len(f.cells))
	for k, c := range f.cells {
		is[k] = c.Treatment
	}
	return is
}

// combinations are the cells with their values; nil where a cell lacks the endpoint.
func (f factors) combinations(s *sheet, e Endpoint) []stat.Combination {
	values := s.together(e, f.treatments())
	if values == nil {
		return nil
	}
	cs := make([]stat.Combination, len(f.cells))
	for k, c := range f.cells {
		cs[k] = stat.Combination{Levels: c.Levels, Values: values[k]}
	}
	return cs
}

// crossed reports whether a design's cells have no baselines of their own, but
// are compared factor by factor.
func crossed(d study.Design) bool {
	return d.Name == study.Factorial || d.Name == study.Fraction
}

// effects gives the main effects and the two-factor interactions: one family
// of the primary endpoints, the others each on its own.
func (an *Analysis) effects(s *sheet) error {
	st := &s.plan.Study
	f, ok := factorsOf(st)
	if !ok || !crossed(st.Design) {
		return nil
	}
	var primary, others []Effect
	for _, e := range endpointsOf(st) {
		es, err := f.effects(s, e)
		if err != nil {
			return err
		}
		if e.primary(study.Level{}) && e != Throughput {
			primary = append(primary, es...)
		} else {
			others = append(others, es...)
		}
	}
	if err := an.judgeEffects(s, f, primary, true); err != nil {
		return err
	}
	for k := range others {
		if err := an.judgeEffects(s, f, others[k:k+1], false); err != nil {
			return err
		}
	}
	an.Effects = append(primary, others...)
	return nil
}

// effects are those of one endpoint, without intervals; none where a cell
// lacks it or where fewer than two blocks have it.
func (f factors) effects(s *sheet, e Endpoint) ([]Effect, error) {
	cs := f.combinations(s, e)
	if len(cs) == 0 || len(cs[0].Values) < 2 {
		return nil, nil
	}
	found, err := stat.Effects(f.levels, cs)
	if err != nil {
		return nil, err
	}
	var out []Effect
	for _, x := range found {
		effect := Effect{Factors: x.Factors, Endpoint: e, Means: f.means(cs, x), a: x.A, b: x.B}
		for k, factor := range x.Factors {
			effect.From = append(effect.From, f.of[factor].Levels[0])
			effect.To = append(effect.To, f.of[factor].Levels[x.Levels[k]])
		}
		if s.plan.Study.Design.Name == study.Fraction {
			effect.Aliases = s.plan.Study.Aliases(x.Factors)
		}
		stands := func(before Effect) bool {
			return slices.ContainsFunc(effect.Aliases, func(a []int) bool { return slices.Equal(a, before.Factors) })
		}
		if slices.ContainsFunc(out, stands) {
			continue // the same figure, which stands there under its first name
		}
		for b := range x.A {
			effect.PerBlock = append(effect.PerBlock, x.B[b]-x.A[b])
		}
		out = append(out, effect)
	}
	return out, nil
}

// means are the averages over cells and blocks at the effect's levels.
func (f factors) means(cs []stat.Combination, x stat.Effect) []float64 {
	out := make([]float64, 1<<len(x.Factors))
	for at := range out {
		var values []float64
		for _, c := range cs {
			in := true
			for k, factor := range x.Factors {
				level := 0
				if at>>(len(x.Factors)-1-k)&1 == 1 {
					level = x.Levels[k]
				}
				in = in && c.Levels[factor] == level
			}
			if in {
				values = append(values, mean(c.Values))
			}
		}
		out[at] = mean(values)
	}
	return out
}

// judgeEffects gives intervals and verdicts to effects that hold together. The
// margin is that of the first cell.
func (an *Analysis) judgeEffects(s *sheet, f factors, es []Effect, primary bool) error {
	if len(es) == 0 {
		return nil
	}
	pairs := make([]stat.Pair, len(es))
	for k, x := range es {
		first := s.together(x.Endpoint, f.treatments())[0]
		pairs[k] = stat.Pair{Name: EffectName(f.of, x.Factors) + " by " + string(x.Endpoint), A: x.a, B: x.b,
			Margin: x.Endpoint.margin(s.plan.Study.Margin, median(first)), NoNull: an.noisyFor(x.Endpoint)}
	}
	out, err := stat.Compare(pairs, stat.Options{Level: s.plan.Rule.Level, Seed: s.plan.Seed, Screening: s.plan.Screening})
	if err != nil {
		return err
	}
	for k := range es {
		x := &es[k]
		x.Comparison, x.Primary = out[k], primary
		x.Direction = x.Endpoint.direction(x.Direction)
		if len(x.Factors) > 1 {
			x.Ratio = nil // of two means that nobody asked for
		}
		an.forbid(&x.Comparison, f.treatments())
	}
	return nil
}

// EffectName names a factor, or an interaction: connections×response.
func EffectName(of study.Factors, factors []int) string {
	var names []string
	for _, k := range factors {
		names = append(names, of[k].Name)
	}
	return strings.Join(names, "×")
}

// noisyFor reports whether an A/A gate failed for the endpoint: that of p50 for
// every quantile.
func (an *Analysis) noisyFor(e Endpoint) bool {
	e = gateOf(e)
	return slices.ContainsFunc(an.Gates, func(g Gate) bool {
		a, has := g.By[e]
		return has && !a.Inside
	})
}

// forbid takes the verdict from a comparison that is about something else: a
// function that did not do its work, or that refused where its overhead is
// measured, in one of the treatments that it is made of.
func (an *Analysis) forbid(c *stat.Comparison, of []int) {
	for _, i := range of {
		t := an.Treatments[i]
		why := ""
		switch {
		case t.Wrong != "":
			why = "its judge found: " + t.Wrong
		case t.Refused > 0:
			why = fmt.Sprintf("%d requests were refused where overhead is measured", t.Refused)
		}
		if why != "" {
			c.Verdict, c.BlocksNeeded = stat.Undecided, 0 // it is not blocks that are missing
			c.Warnings = append(c.Warnings, stat.Warning{Code: WarnInvalid, Text: "the overhead of " + t.Name + " is invalid: " + why})
		}
	}
}
