package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/internal/picture"
)

// What pictures show, as tables: for those who do not see them, and for
// copying.

// EffectLines are the effects.
func (r *Report) EffectLines() [][]Labelled {
	rows := [][]string{{"effect", "levels", "endpoint", ">Δ", ">low", ">high", ">margin", ">ratio", "verdict", "not told apart from"}}
	for _, e := range r.Effects {
		ratio := "–"
		if e.Ratio != nil {
			ratio = fmt.Sprintf("×%.3f", e.Ratio.Estimate)
		}
		c := e.asComparison()
		verdict := verdictWords(c)
		if !e.Primary {
			verdict += ", exploratory"
		}
		rows = append(rows, []string{e.Name, e.levels(), e.Endpoint + ", " + unitWords(e.Unit), signed(e.Estimate), signed(e.Low), signed(e.High), "±" + plain(e.Margin), ratio, verdict, strings.Join(e.Aliases, ", ")})
	}
	if !slices.ContainsFunc(r.Effects, func(e Effect) bool { return len(e.Aliases) > 0 }) {
		for i := range rows {
			rows[i] = rows[i][:len(rows[i])-1]
		}
	}
	return labelled(rows)
}

// InteractionLines are the means at each combination of the levels of two factors.
func (p *page) InteractionLines() [][]Labelled {
	rows := [][]string{{"endpoint", "factors", "levels", ">mean"}}
	for _, e := range drawn {
		for _, g := range p.grids(e) {
			for _, a := range g.levels[0] {
				for _, b := range g.levels[1] {
					if v, known := g.mean[[2]string{a, b}]; known {
						rows = append(rows, []string{e + ", " + unitOf(e), g.factors[0] + " × " + g.factors[1], a + ", " + b, plain(v)})
					}
				}
			}
		}
	}
	return labelled(rows)
}

// ShareLines are the shares of the factors.
func (r *Report) ShareLines() [][]Labelled {
	rows := [][]string{{"share of", "levels", "endpoint", ">Δ", ">low", ">high"}}
	for _, w := range r.Shapley {
		of := w.Endpoint + ", " + unitWords(w.Unit)
		for _, s := range w.Shares {
			rows = append(rows, []string{s.Factor, s.From + " → " + s.To, of, signed(s.Estimate), signed(s.Low), signed(s.High)})
		}
		rows = append(rows, []string{"all", w.None + " → " + w.All, of, signed(w.Total.Estimate), signed(w.Total.Low), signed(w.Total.High)})
	}
	return labelled(rows)
}

// SlopeLines are the slopes with the means that they run through.
func (r *Report) SlopeLines() [][]Labelled {
	rows := [][]string{{"factor", "endpoint", "slope", "means", "straight"}}
	for _, s := range r.Slopes {
		var means []string
		for _, p := range s.Points {
			means = append(means, p.Level+": "+plain(p.Value))
		}
		straight := "too few levels to tell"
		switch {
		case s.Curvature == nil:
		case s.Curved:
			straight = "no: curved"
		default:
			straight = "no curve shown"
		}
		rows = append(rows, []string{s.Factor, s.Endpoint, betweenFine(s.Interval) + " " + unitWords(s.Unit) + " per " + s.Per, strings.Join(means, ", "), straight})
	}
	return labelled(rows)
}

// shiftShown are the levels that a table of shift functions has.
var shiftShown = []float64{.01, .1, .25, .5, .75, .9, .95, .99, .999}

// ShiftLines are the shift functions at some levels.
func (r *Report) ShiftLines() [][]Labelled {
	rows := [][]string{{"difference", ">at", ">Δ µs", ">low", ">high"}}
	for _, s := range r.Shifts {
		for k, q := range s.Levels {
			if len(s.Estimate) == len(s.Levels) && slices.Contains(shiftShown, q) {
				rows = append(rows, []string{s.Treatment + " − " + s.Baseline, "p" + picture.Label(q*100), signed(s.Estimate[k]), signed(s.Low[k]), signed(s.High[k])})
			}
		}
	}
	return labelled(rows)
}

// spectrumShown are the levels that a table of spectra has.
var spectrumShown = []float64{.1, .5, .75, .9, .95, .99, .999}

// SpectrumLines are the medians of the spectra at some levels.
func (r *Report) SpectrumLines() [][]Labelled {
	var at []int
	head := []string{"treatment"}
	for k, q := range r.Spectrum.Levels {
		if slices.Contains(spectrumShown, q) {
			at, head = append(at, k), append(head, ">p"+picture.Label(q*100)+" µs")
		}
	}
	rows := [][]string{head}
	for _, t := range r.Spectrum.Treatments {
		row := []string{t.Name}
		for _, k := range at {
			cell := "–"
			if k < len(t.Median) {
				cell = plain(t.Median[k])
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return labelled(rows)
}

// AdviceLines are each treatment's largest bucket and what the talk makes of it.
func (r *Report) AdviceLines() [][]Labelled {
	rows := [][]string{{"treatment", "largest bucket, µs", ">requests", ">cores", ">suggested"}}
	for _, t := range r.Histogram.Treatments {
		if l := t.Largest; l != nil {
			rows = append(rows, []string{t.Name, picture.Label(l.Low) + "–" + picture.Label(l.High), fmt.Sprint(l.Count), fmt.Sprint(r.Histogram.Cores), plain(l.PerCore)})
		}
	}
	return labelled(rows)
}

// CheckLines are the checks of the run itself.
func (r *Report) CheckLines() []PartLine {
	if r.Checks == nil {
		return nil
	}
	var out []PartLine
	for _, c := range []struct {
		name  string
		check Check
	}{{"Order of starting", r.Checks.Order}, {"Drift", r.Checks.Drift}, {"Warm-up", r.Checks.Warmup}} {
		if c.check.Line != "" {
			out = append(out, PartLine{c.name, c.check.Line})
		}
	}
	return out
}
