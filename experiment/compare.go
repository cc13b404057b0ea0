package experiment

import (
	"errors"
	"fmt"
	"slices"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// compare fills in everything that needs at least two blocks.
func (an *Analysis) compare(s *sheet) error {
	if s.plan.Study.Design.Name == study.DesignAA {
		return an.countRejections()
	}
	if err := an.gate(s); err != nil {
		return err
	}
	families, others := comparisonsOf(s)
	level := s.plan.Rule.Level
	for _, f := range families { // families of other blocks: Bonferroni between them
		if err := an.compareFamily(s, f, 1-(1-level)/float64(max(len(families), len(s.plan.Study.Cells())))); err != nil {
			return err
		}
		an.Comparisons = append(an.Comparisons, f...)
	}
	for _, c := range others {
		one := []Comparison{c}
		if err := an.compareFamily(s, one, level); err != nil {
			return err
		}
		an.Comparisons = append(an.Comparisons, one...)
	}
	if err := an.effects(s); err != nil {
		return err
	}
	return an.ratios(s)
}

// comparisonsOf lists what there is to compare: the primary comparisons, those
// over the same blocks together, and the exploratory ones.
func comparisonsOf(s *sheet) (families [][]Comparison, others []Comparison) {
	st := &s.plan.Study
	for i, t := range st.Treatments {
		if t.Baseline == "" || t.Control == study.AA {
			continue
		}
		family := -1
		for _, name := range append([]string{t.Baseline}, t.Against...) {
			base := st.Index(name)
			for _, e := range endpointsOf(st) {
				if a, _ := s.pair(e, base, i); len(a) < 2 {
					continue
				}
				c := Comparison{Treatment: i, Baseline: base, Endpoint: e, Primary: e.primary(t.Level) && (t.Control == "" || t.Cell != nil)}
				switch {
				case !c.Primary:
					others = append(others, c)
				case st.Design.Name != study.DesignPairs && len(families) > 0:
					families[0] = append(families[0], c)
				case family < 0:
					family = len(families)
					families = append(families, []Comparison{c})
				default:
					families[family] = append(families[family], c)
				}
			}
		}
	}
	return families, others
}

// compareFamily gives intervals over the comparisons that hold together at the level.
func (an *Analysis) compareFamily(s *sheet, cs []Comparison, level float64) error {
	pairs := make([]stat.Pair, len(cs))
	for k, c := range cs {
		a, b := s.pair(c.Endpoint, c.Baseline, c.Treatment)
		for n := range a {
			cs[k].PerBlock = append(cs[k].PerBlock, b[n]-a[n])
		}
		pairs[k] = stat.Pair{
			Name: fmt.Sprintf("%s against %s by %s", an.Treatments[c.Treatment].Name, an.Treatments[c.Baseline].Name, c.Endpoint),
			A:    a, B: b,
			Margin: c.Endpoint.margin(s.plan.Study.Margin, median(a)),
			NoNull: an.noisy(s, c),
		}
	}
	out, err := stat.Compare(pairs, stat.Options{Level: level, Seed: s.plan.Seed, Screening: s.plan.Screening})
	if err != nil {
		return err
	}
	for k := range cs {
		cs[k].Comparison = out[k]
		cs[k].Direction = cs[k].Endpoint.direction(out[k].Direction)
		an.forbid(&cs[k].Comparison, []int{cs[k].Treatment, cs[k].Baseline})
	}
	return nil
}

// noisy reports whether a comparison's A/A gate failed for its endpoint: that
// of p50 for every quantile. The gates of its own data plane and level count; a
// comparison without any is held to all of them.
func (an *Analysis) noisy(s *sheet, c Comparison) bool {
	e := gateOf(c.Endpoint)
	st := &s.plan.Study
	near, nearFailed := false, false
	for _, g := range an.Gates {
		a, has := g.By[e]
		if !has {
			continue
		}
		if st.PlaneOf(g.Copy) == st.PlaneOf(c.Treatment) && st.Treatments[g.Copy].Level == st.Treatments[c.Treatment].Level {
			near, nearFailed = true, nearFailed || !a.Inside
		}
	}
	if near {
		return nearFailed
	}
	return an.noisyFor(e)
}

// WarnInvalid: the function did not do the work that its cost is asked of.
const WarnInvalid stat.WarningCode = "invalid"

// gated lists the endpoints that an A/A copy is held against its baseline by.
func gated() []Endpoint { return []Endpoint{P50, CPU, Throughput} }

// gateOf is the endpoint whose gate stands for the given one.
func gateOf(e Endpoint) Endpoint {
	if slices.Contains(gated(), e) {
		return e
	}
	return P50
}

// gate holds each A/A copy against its baseline. One that comes out as its
// baseline is that baseline's twin from then on.
func (an *Analysis) gate(s *sheet) error {
	for i, t := range s.plan.Study.Treatments {
		if t.Control != study.AA {
			continue
		}
		g := Gate{Copy: i, Baseline: s.plan.Study.Index(t.Baseline), By: map[Endpoint]stat.AA{}}
		for _, e := range gated() {
			both := s.together(e, []int{g.Baseline, i})
			if both == nil || len(both[0]) < 2 {
				continue
			}
			d, err := stat.Differences(both[0], both[1])
			if err != nil {
				return err
			}
			one, err := stat.Gate(d, e.margin(s.plan.Study.Margin, median(both[0])), 0.95)
			if errors.Is(err, stat.ErrNoSpread) {
				continue // few blocks may agree to the nanosecond: the next one will tell
			}
			if err != nil {
				return err
			}
			g.By[e] = one
			if one.Inside {
				s.copies[twin{g.Baseline, e}] = i
			}
			if !crossed(s.plan.Study.Design) && len(s.twins(e, g.Baseline)) > 1 {
				g.Pooled = append(g.Pooled, e)
			}
		}
		if len(g.By) > 0 {
			an.Gates = append(an.Gates, g)
		}
	}
	return nil
}

// countRejections pairs the identical arms of an A/A design.
func (an *Analysis) countRejections() error {
	var arms [][]float64
	for _, t := range an.Treatments {
		arms = append(arms, t.PerBlock[P50])
	}
	n, err := stat.Rejections(arms, 0.95)
	if errors.Is(err, stat.ErrNoSpread) {
		return nil // few blocks may agree to the nanosecond: the next one will tell
	}
	if err != nil {
		return err
	}
	an.Rejections = &n
	return nil
}

// primaryWidths are the half-widths of the primary comparisons and effects, and
// their margins.
func (an *Analysis) primaryWidths() (halves, margins []float64) {
	add := func(c stat.Comparison) {
		halves = append(halves, c.Difference.Half())
		margins = append(margins, c.Margin)
	}
	for _, c := range an.Comparisons {
		if c.Primary {
			add(c.Comparison)
		}
	}
	for _, x := range an.Effects {
		if x.Primary {
			add(x.Comparison)
		}
	}
	return halves, margins
}
