package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Pairs is the table of a pairs study: two treatments at each level on each
// data plane, with somebody else's figures beside them.
type Pairs struct {
	Baseline  string           `json:"baseline"` // the names in the study file
	Treatment string           `json:"treatment"`
	Rows      []PairRow        `json:"rows"`
	Reference *study.Reference `json:"reference"` // null without one
}

// PairRow is one cell of the study by one endpoint: p50, and at the level of a
// closed loop throughput, with p50 at one common rate in a row of its own.
type PairRow struct {
	DataPlane *string `json:"dataplane"`
	Level     string  `json:"level"`
	// Rate is that of each treatment, in requests/s; null in a closed loop.
	Rate       *float64  `json:"rate"`
	Endpoint   string    `json:"endpoint"`
	Unit       string    `json:"unit"`
	Baseline   PairSide  `json:"baseline"`
	Treatment  PairSide  `json:"treatment"`
	Blocks     int       `json:"blocks"`     // of the pair
	Difference *Interval `json:"difference"` // null with too few blocks
	Verdict    string    `json:"verdict"`    // undecided without a difference
	Direction  *string   `json:"direction"`
	Margin     *float64  `json:"margin"`
	Primary    bool      `json:"primary"`
}

// PairSide is one treatment in a row.
type PairSide struct {
	Value *float64 `json:"value"` // median over blocks
	// ClosedP50 is the p50 of the closed loop, in µs. It compares with nothing.
	ClosedP50 *float64 `json:"closed_loop_p50_us,omitempty"`
	// Reference is what the reference says, in the row's unit.
	Reference *float64 `json:"reference"`
}

func (r *Report) addPairs(s *study.Study, an *experiment.Analysis) {
	if s.Design.Name != study.DesignPairs {
		return
	}
	r.Pairs = &Pairs{Baseline: s.Design.Pair[0], Treatment: s.Design.Pair[1], Reference: s.Reference}
	r.Cells = len(s.Cells())
	for _, c := range s.Cells() {
		endpoints := []experiment.Endpoint{experiment.P50}
		if c.Level.Closed {
			endpoints = []experiment.Endpoint{experiment.Throughput, experiment.P50}
		}
		for _, e := range endpoints {
			r.Pairs.Rows = append(r.Pairs.Rows, r.pairRow(s, an, c, e))
		}
	}
	// Planes one after the other, levels as the study lists them.
	slices.SortStableFunc(r.Pairs.Rows, func(a, b PairRow) int {
		return slices.Index(s.DataPlane, word(a.DataPlane)) - slices.Index(s.DataPlane, word(b.DataPlane))
	})
}

func (r *Report) pairRow(s *study.Study, an *experiment.Analysis, c study.Cell, e experiment.Endpoint) PairRow {
	row := PairRow{DataPlane: text(c.DataPlane), Level: c.Level.String(), Endpoint: string(e), Unit: unit(e),
		Baseline: pairSide(s, an, c.Baseline, e), Treatment: pairSide(s, an, c.Treatment, e),
		Blocks: an.Treatments[c.Treatment].Blocks, Verdict: string(stat.Undecided)}
	if e != experiment.Throughput {
		rate := float64(c.Level.Rate)
		if c.Level.Closed {
			rate = float64(s.Load.Rate)
		}
		row.Rate = &rate
	}
	found, ok := r.find(s.Treatments[c.Treatment].Name, s.Treatments[c.Baseline].Name, e)
	if ok {
		row.Difference, row.Verdict, row.Direction, row.Margin, row.Primary = &found.Interval, found.Verdict, found.Direction, &found.Margin, found.Primary
	}
	return row
}

func pairSide(s *study.Study, an *experiment.Analysis, i int, e experiment.Endpoint) PairSide {
	side := PairSide{}
	t, level := an.Treatments[i], s.Treatments[i].Level
	if v, ok := t.Values[e]; ok {
		side.Value = &v
	}
	if v, ok := t.Values[experiment.ClosedP50]; ok && e == experiment.Throughput {
		side.ClosedP50 = &v
	}
	f, ok := s.Reference.Figure(s.Written(i), level)
	switch {
	case !ok:
	case e == experiment.Throughput && f.Rate > 0:
		v := float64(f.Rate)
		side.Reference = &v
	case e == experiment.P50 && !level.Closed && f.P50 > 0:
		v := float64(f.P50) / float64(time.Microsecond)
		side.Reference = &v
	}
	return side
}

func (t *printer) pairs(p *Pairs) {
	if p == nil {
		return
	}
	t.line("%s AGAINST %s%s", strings.ToUpper(p.Treatment), strings.ToUpper(p.Baseline), p.source())
	t.table(p.table())
	t.line("Figures of a treatment are medians over blocks, differences means of block differences (%s − %s).", p.Treatment, p.Baseline)
	for _, s := range p.ClosedLoops() {
		t.line("%s", s)
	}
	if p.Reference != nil && len(p.Reference.Differs) > 0 {
		t.line("what differs in the set-up:")
		for _, d := range p.Reference.Differs {
			t.line("  - %s", d)
		}
	}
	t.line("")
}

// table is the rows under their heads, as text.
func (p *Pairs) table() [][]string {
	rows := [][]string{{"data plane", "load", "endpoint", ">" + p.Baseline, ">" + p.Treatment, ">difference", ">low", ">high", ">blocks", "verdict", ">their " + p.Baseline, ">their " + p.Treatment}}
	for _, r := range p.Rows {
		rows = append(rows, r.cells())
	}
	return rows
}

// Lines is the table for a page.
func (p *Pairs) Lines() [][]Labelled { return labelled(p.table()) }

// ClosedLoops says the medians of the closed loops, which compare with nothing.
func (p *Pairs) ClosedLoops() []string {
	var out []string
	for _, r := range p.Rows {
		if r.Baseline.ClosedP50 != nil || r.Treatment.ClosedP50 != nil {
			out = append(out, fmt.Sprintf("closed loop%s, not comparable: p50 %s µs %s, %s µs %s%s", onPlane(r.DataPlane),
				number(r.Baseline.ClosedP50), p.Baseline, number(r.Treatment.ClosedP50), p.Treatment, p.theirClosed()))
		}
	}
	return out
}

func (p *Pairs) source() string {
	if p.Reference == nil {
		return ""
	}
	return "  beside it the figures of " + p.Reference.Source
}

// theirClosed is the reference's median in a closed loop, if it has one.
func (p *Pairs) theirClosed() string {
	closed := study.Level{Closed: true}
	a, ok := p.Reference.Figure(p.Baseline, closed)
	b, too := p.Reference.Figure(p.Treatment, closed)
	if !ok || !too || a.P50 == 0 || b.P50 == 0 {
		return ""
	}
	return fmt.Sprintf("; theirs %v and %v", a.P50, b.P50)
}

// word is empty for nil.
func word(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func onPlane(plane *string) string {
	if plane == nil {
		return ""
	}
	return " on " + *plane
}

func (r PairRow) cells() []string {
	load := r.Level
	if r.Level == study.ClosedLevel && r.Rate != nil {
		load = fmt.Sprintf("beside it, %g/s", *r.Rate)
	}
	what := map[string]string{string(experiment.Throughput): "requests/s", string(experiment.P50): "p50 µs"}[r.Endpoint]
	difference, low, high := "–", "–", "–"
	if d := r.Difference; d != nil {
		difference, low, high = signed(d.Estimate), signed(d.Low), signed(d.High)
	}
	verdict := stat.Verdict(r.Verdict).Words()
	if r.Direction != nil {
		verdict += ", " + *r.Direction
	}
	if !r.Primary {
		verdict += ", exploratory"
	}
	return []string{word(r.DataPlane), load, what, number(r.Baseline.Value), number(r.Treatment.Value), difference, low, high,
		fmt.Sprint(r.Blocks), verdict, number(r.Baseline.Reference), number(r.Treatment.Reference)}
}
