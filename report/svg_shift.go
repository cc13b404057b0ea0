package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"

	"github.com/taremesh/tare/internal/picture"
)

// shiftPanels draws the shift function of each comparison: the difference at
// every share of the requests with the band that holds everywhere at once. All
// panels have the same scales.
func (r *Report) shiftPanels() []told {
	y := r.shiftScale()
	var out []told
	for k, s := range r.Shifts {
		if len(s.Levels) > 1 && len(s.Estimate) == len(s.Levels) && len(s.Low) == len(s.Levels) && len(s.High) == len(s.Levels) {
			out = append(out, told{r.shift(fmt.Sprintf("shift-%d", k), s, y), s.Sentence})
		}
	}
	return out
}

// ShiftsWithout says which comparisons have no band, and why.
func (r *Report) ShiftsWithout() []string {
	var out []string
	for _, s := range r.Shifts {
		if s.Why != "" {
			out = append(out, fmt.Sprintf("%s − %s: no band: %s.", s.Treatment, s.Baseline, s.Why))
		}
	}
	return out
}

// shiftMargin is the margin of p50 that belongs to a shift function; 0: none.
func (r *Report) shiftMargin(s Shift) float64 {
	if c := r.comparison(s.Treatment, s.Baseline, "p50"); c != nil {
		return c.Margin
	}
	for _, e := range r.Effects {
		if s.Factor != nil && e.Endpoint == "p50" && len(e.Factors) == 1 && e.Factors[0] == *s.Factor {
			return e.Margin
		}
	}
	return 0
}

// Where the plot of a shift function ends below.
const shiftBottom = 166

// shiftScale spans all bands; where tails differ by far more than middles it
// is bent, so that the middles are seen.
func (r *Report) shiftScale() picture.Scale {
	low, high := 0.0, 0.0
	var all []float64
	for _, s := range r.Shifts {
		for k := range s.Estimate {
			low, high = min(low, s.Low[k]), max(high, s.High[k])
			all = append(all, math.Abs(s.Estimate[k]))
		}
	}
	slices.Sort(all)
	if n := len(all); n > 0 {
		if usual := max(all[n*3/4], 1); max(-low, high) > 8*usual {
			return picture.Symmetric(low, high, usual, shiftBottom, 30)
		}
	}
	return picture.Linear(low, high, shiftBottom, 30)
}

// odds spreads both tails: p1 is as far from p10 as p90 from p99.
func odds(q float64) float64 { return math.Log(q / (1 - q)) }

func (r *Report) shift(id string, s Shift, y picture.Scale) template.HTML {
	x := picture.Scale{Low: s.Levels[0], High: s.Levels[len(s.Levels)-1], From: panelLeft, To: panelRight, Bend: odds,
		Labels: func(_, _ float64) []float64 { return []float64{.5, .99, .01, .9, .1, .999, .001, .75, .25} }}
	f := panel(190, s.Treatment+" − "+s.Baseline, "µs")
	if margin := r.shiftMargin(s); margin > 0 {
		f.Box("margin", picture.At(x.From, y.At(-margin)), picture.At(x.To, y.At(margin)))
	}
	f.Vertical(y, panelLeft, panelRight)
	var upper, lower, middle []picture.Point
	words := fmt.Sprintf("%s Band over all levels at once, %s %%. ", s.Sentence, picture.Label(100*s.Confidence))
	for k, q := range s.Levels {
		upper = append(upper, picture.At(x.At(q), y.At(s.High[k])))
		lower = append(lower, picture.At(x.At(q), y.At(s.Low[k])))
		middle = append(middle, picture.At(x.At(q), y.At(s.Estimate[k])))
		words += fmt.Sprintf("p%s %s. ", picture.Label(q*100), between(Interval{s.Estimate[k], s.Low[k], s.High[k]}))
	}
	f.Area("band", upper, lower)
	f.Path("edge", upper)
	f.Path("edge", lower)
	f.Line("zero", picture.At(x.From, y.At(0)), picture.At(x.To, y.At(0)))
	f.Path("bold", middle)
	f.Line("axis", picture.At(x.From, shiftBottom+4), picture.At(x.To, shiftBottom+4))
	for _, q := range x.Ticks(34) {
		f.Line("axis", picture.At(x.At(q), shiftBottom+4), picture.At(x.At(q), shiftBottom+8))
		f.Text("tick mid", picture.At(x.At(q), shiftBottom+19), 60, "p"+picture.Label(q*100))
	}
	return f.SVG(id, "Shift of "+s.Treatment+" from "+s.Baseline+" by percentile, in µs", words)
}
