package experiment

import (
	"slices"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// CostRatio is what a treatment costs on one data plane, as a multiple of what
// it costs on another: each cost is the difference from that plane's own
// router-only, in the same blocks.
type CostRatio struct {
	Written             string // the treatment's name in the study file
	Over, Under         int    // the treatments: of the numerator, of the denominator
	OverBase, UnderBase int    // their routers
	Endpoint            Endpoint
	OverCost, UnderCost float64 // mean differences, in µs
	stat.Ratio
}

// ratios compares the first data plane with each of the others.
func (an *Analysis) ratios(s *sheet) error {
	st := &s.plan.Study
	if len(st.DataPlane) < 2 {
		return nil
	}
	for i, t := range st.Treatments {
		if t.DataPlane != st.DataPlane[0] || t.Control == study.AA {
			continue
		}
		for j, u := range st.Treatments {
			if st.Written(i) != st.Written(j) || u.Level != t.Level || u.DataPlane == t.DataPlane {
				continue
			}
			for _, e := range []Endpoint{P50, CPU} {
				if err := an.ratio(s, i, j, e); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (an *Analysis) ratio(s *sheet, i, j int, e Endpoint) error {
	c := CostRatio{Written: s.plan.Study.Written(i), Over: i, Under: j, Endpoint: e, OverBase: routerOf(s, i), UnderBase: routerOf(s, j)}
	if c.OverBase < 0 || c.UnderBase < 0 || c.OverBase == i {
		return nil
	}
	over, err := stat.Differences(s.pair(e, c.OverBase, i))
	if err != nil {
		return err
	}
	under, err := stat.Differences(s.pair(e, c.UnderBase, j))
	if err != nil {
		return err
	}
	if len(over) < 2 || len(over) != len(under) {
		return nil
	}
	if c.Ratio, err = stat.RatioOfDifferences(over, under, s.plan.Rule.Level); err != nil {
		return err
	}
	c.OverCost, c.UnderCost = mean(over), mean(under)
	an.Ratios = append(an.Ratios, c)
	return nil
}

// routerOf is the proxy that only routes on the ladder of treatment i, -1 without one.
func routerOf(s *sheet, i int) int {
	ladder := s.plan.Study.Ladder(i)
	k := slices.IndexFunc(ladder, func(j int) bool { return s.plan.Study.Treatments[j].Control == study.Router })
	if k < 0 {
		return -1
	}
	return ladder[k]
}
