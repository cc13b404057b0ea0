package report

import (
	"fmt"
	"slices"

	"github.com/taremesh/tare/experiment"
)

// Shift is the shift function of a comparison: the difference at every share
// of the requests, with a band that holds everywhere at once.
type Shift struct {
	Treatment  string    `json:"treatment"` // of a main effect: the factor with its level
	Baseline   string    `json:"baseline"`
	Factor     *string   `json:"factor,omitempty"` // of a main effect, averaged over the other factors
	Blocks     int       `json:"blocks"`
	Confidence float64   `json:"confidence"`
	Levels     []float64 `json:"levels"`
	Estimate   []float64 `json:"estimate_us"`
	Low        []float64 `json:"low_us"`
	High       []float64 `json:"high_us"`
	Greatest   *float64  `json:"greatest_at"` // the level where the two differ most; null without a band
	Differs    bool      `json:"differs"`     // the band excludes 0 there
	Even       bool      `json:"even"`        // one difference lies in the whole band
	Sentence   string    `json:"sentence,omitempty"`
	Why        string    `json:"why,omitempty"` // there is no band
}

func (r *Report) addShifts(an *experiment.Analysis) {
	for _, s := range an.Shifts {
		out := Shift{Blocks: s.Blocks, Confidence: s.Confidence,
			Levels: append([]float64{}, s.Levels...), Estimate: []float64{}, Low: []float64{}, High: []float64{}, Why: s.Why}
		if s.Factor != "" {
			out.Factor, out.Treatment, out.Baseline = text(s.Factor), s.Factor+" "+s.To, s.Factor+" "+s.From
		} else {
			out.Treatment, out.Baseline = an.Treatments[s.Treatment].Name, an.Treatments[s.Baseline].Name
		}
		for _, i := range s.Band {
			out.Estimate, out.Low, out.High = append(out.Estimate, round(i.Estimate, 100)), append(out.Low, round(i.Low, 100)), append(out.High, round(i.High, 100))
		}
		if len(s.Band) > 0 {
			out.Greatest = &s.Levels[s.Greatest]
			out.Differs, out.Even = s.Differs, s.Even
			out.Sentence = shiftSentence(out, s)
		}
		r.Shifts = append(r.Shifts, out)
	}
}

// shiftSentence says where the two differ most.
func shiftSentence(out Shift, s experiment.Shift) string {
	i := s.Band[s.Greatest]
	at := fmt.Sprintf("%s µs (%s to %s) at the time that %s of the requests stay below", signed(i.Estimate), signed(i.Low), signed(i.High), share(s.Levels[s.Greatest]))
	first, last := share(s.Levels[0]), share(s.Levels[len(s.Levels)-1])
	switch {
	case !s.Differs:
		return fmt.Sprintf("%s and %s differ nowhere for certain, from the time that %s of the requests stay below to that of %s.", out.Treatment, out.Baseline, first, last)
	case s.Even:
		return fmt.Sprintf("%s against %s: one difference (%s to %s µs) fits all requests, from the fastest %s to %s; the greatest is %s.",
			out.Treatment, out.Baseline, signed(slices.Max(out.Low)), signed(slices.Min(out.High)), first, last, at)
	}
	return fmt.Sprintf("%s against %s differs most in some requests: by %s.", out.Treatment, out.Baseline, at)
}

// share prints a share of requests.
func share(q float64) string { return fmt.Sprintf("%g %%", round(100*q, 1e3)) }

// shiftColumns are the shares of requests that the text shows.
var shiftColumns = []float64{.1, .25, .5, .75, .9, .99, .999}

func (t *printer) shifts(r *Report) {
	if len(r.Shifts) == 0 {
		return
	}
	head := []string{"treatment", "against"}
	for _, q := range shiftColumns {
		head = append(head, ">"+share(q))
	}
	rows := [][]string{head}
	for _, s := range r.Shifts {
		row := []string{s.Treatment, s.Baseline}
		for _, q := range shiftColumns {
			row = append(row, s.cell(q))
		}
		rows = append(rows, row)
	}
	t.line("SHIFT FUNCTION  Δ µs at the response times that so many of the requests stay below; %g %% band over all of them, for each comparison alone", 100*r.Shifts[0].Confidence)
	t.table(rows)
	for _, s := range r.Shifts {
		if s.Sentence != "" {
			t.line("%s", s.Sentence)
		}
		if s.Why != "" {
			t.line("no shift function of %s: %s", s.Treatment, s.Why)
		}
	}
	t.line("")
}

func (s Shift) cell(q float64) string {
	i := slices.Index(s.Levels, q)
	if i < 0 {
		return "–"
	}
	return fmt.Sprintf("%s ± %s", signed(s.Estimate[i]), plain((s.High[i]-s.Low[i])/2))
}
