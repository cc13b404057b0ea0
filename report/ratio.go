package report

import (
	"fmt"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

// CostRatio is what a treatment costs on one data plane as a multiple of what
// it costs on another, each against its own router-only.
type CostRatio struct {
	Treatment string `json:"treatment"` // its name in the study file
	Endpoint  string `json:"endpoint"`
	Over      Cost   `json:"over"`
	Under     Cost   `json:"under"`
	// Ratio is over ÷ under.
	Ratio    float64   `json:"ratio"`
	Interval *Interval `json:"interval"` // of Fieller's theorem; null where it has no bounds
	Why      string    `json:"why,omitempty"`
}

// Cost is a mean difference of two treatments in the same blocks.
type Cost struct {
	DataPlane string  `json:"dataplane"`
	Treatment string  `json:"treatment"`
	Baseline  string  `json:"baseline"`
	Mean      float64 `json:"mean_us"`
}

func (r *Report) addCostRatios(s *study.Study, an *experiment.Analysis) {
	cost := func(i, base int, mean float64) Cost {
		return Cost{s.PlaneOf(i), s.Treatments[i].Name, s.Treatments[base].Name, mean}
	}
	for _, c := range an.Ratios {
		out := CostRatio{Treatment: c.Written, Endpoint: string(c.Endpoint), Ratio: c.Estimate, Why: c.Why,
			Over: cost(c.Over, c.OverBase, c.OverCost), Under: cost(c.Under, c.UnderBase, c.UnderCost)}
		if c.Interval != nil {
			i := interval(*c.Interval)
			out.Interval = &i
		}
		r.CostRatios = append(r.CostRatios, out)
	}
}

func (t *printer) costRatios(r *Report) {
	if len(r.CostRatios) == 0 {
		return
	}
	t.line("COST ON ONE DATA PLANE ÷ COST ON ANOTHER  each against its own router; %g %% interval of each ratio alone, by Fieller's theorem", 100*r.Level)
	t.table(r.costRatioTable())
	t.line("")
}

// costRatioTable is the ratios under their heads, as text.
func (r *Report) costRatioTable() [][]string {
	rows := [][]string{{"treatment", "endpoint", "of", ">cost µs", "to", ">cost there µs", ">ratio", ">low", ">high", ""}}
	for _, c := range r.CostRatios {
		row := []string{c.Treatment, c.Endpoint, c.Over.DataPlane, signed(c.Over.Mean), c.Under.DataPlane, signed(c.Under.Mean), "–", "–", "–", c.Why}
		if i := c.Interval; i != nil {
			row[6], row[7], row[8] = times(i.Estimate), times(i.Low), times(i.High)
		}
		rows = append(rows, row)
	}
	return rows
}

// ratioSentences say the ratios of the treatments that carry the function.
func (r *Report) ratioSentences(s *study.Study) []string {
	var out []string
	for _, c := range r.CostRatios {
		if s.Treatments[s.Index(c.Over.Treatment)].Control != "" {
			continue
		}
		begin := fmt.Sprintf("%s on %s against %s, each beside its own router, %s: ", c.Treatment, c.Over.DataPlane, c.Under.DataPlane, endpointWords[c.Endpoint])
		if c.Interval == nil {
			out = append(out, begin+"no ratio, "+c.Why+".")
			continue
		}
		out = append(out, begin+fmt.Sprintf("%s the cost (%s to %s).", times(c.Ratio), times(c.Interval.Low), times(c.Interval.High)))
	}
	return out
}

// CostRatioLines is the table for a page; none without ratios.
func (r *Report) CostRatioLines() [][]Labelled {
	if len(r.CostRatios) == 0 {
		return nil
	}
	return labelled(r.costRatioTable())
}

func times(x float64) string { return "×" + plain(x) }
