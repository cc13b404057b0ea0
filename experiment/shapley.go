package experiment

import (
	"slices"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Waterfall shares out what all factors together add to an endpoint: each
// factor's share is what it adds, averaged over all orders of adding them
// (Shapley's value), so that the shares sum to the total.
type Waterfall struct {
	Endpoint  Endpoint
	None, All int // treatments: every factor at its first, at its second level
	// NoneValue and AllValue are their means over blocks.
	NoneValue, AllValue float64
	Total               stat.Interval // all − none
	Shares              []Share       // in the order of the study's factors
	Blocks              int
	Multiplicity        stat.Multiplicity // of the shares and the total together
}

// Share is one factor's.
type Share struct {
	stat.Interval
	Factor   int // of the study's
	From, To string
}

// shapley shares out by each endpoint where all combinations of two to six
// factors with two levels each stand.
func (an *Analysis) shapley(s *sheet) error {
	st := &s.plan.Study
	f, ok := factorsOf(st)
	k := len(f.of)
	if !ok || k < 2 || k > stat.MostShared || slices.Max(f.levels) > 2 {
		return nil
	}
	for _, e := range endpointsOf(st) {
		cs := f.combinations(s, e)
		if len(cs) != 1<<k || len(cs[0].Values) < 2 {
			continue
		}
		w, err := f.waterfall(s, e, cs)
		if err != nil {
			return err
		}
		an.Shapley = append(an.Shapley, w)
	}
	return nil
}

func (f factors) waterfall(s *sheet, e Endpoint, cs []stat.Combination) (Waterfall, error) {
	shares, err := stat.Shapley(cs)
	if err != nil {
		return Waterfall{}, err
	}
	at := func(level int) int {
		return slices.IndexFunc(f.cells, func(c study.Combination) bool {
			return !slices.ContainsFunc(c.Levels, func(l int) bool { return l != level })
		})
	}
	none, all := at(0), at(1)
	w := Waterfall{Endpoint: e, None: f.cells[none].Treatment, All: f.cells[all].Treatment,
		NoneValue: mean(cs[none].Values), AllValue: mean(cs[all].Values), Blocks: len(cs[none].Values)}
	total, err := stat.Differences(cs[none].Values, cs[all].Values)
	if err != nil {
		return Waterfall{}, err
	}
	ds := [][]float64{total}
	for _, share := range shares {
		d, err := stat.Differences(share.A, share.B)
		if err != nil {
			return Waterfall{}, err
		}
		ds = append(ds, d)
	}
	intervals, mult, err := stat.Simultaneous(ds, s.plan.Rule.Level, s.plan.Seed)
	if err != nil {
		return Waterfall{}, err
	}
	w.Total, w.Multiplicity = intervals[0], mult
	for k, share := range shares {
		factor := share.Factors[0]
		w.Shares = append(w.Shares, Share{Interval: intervals[k+1], Factor: factor, From: f.of[factor].Levels[0], To: f.of[factor].Levels[1]})
	}
	return w, nil
}
