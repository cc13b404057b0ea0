package report

import (
	"fmt"
	"strings"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Factor is a variable of the study with the levels that it was tried at.
type Factor struct {
	Name   string   `json:"name"`
	Levels []string `json:"levels"`
}

// Effect is what a factor does to an endpoint, or how much two factors depend
// on one another, averaged over the levels of the others.
type Effect struct {
	Name     string   `json:"name"` // connections, or connections×response; with more than two levels "connections 4→64"
	Factors  []string `json:"factors"`
	From     []string `json:"from"` // levels, one for each factor
	To       []string `json:"to"`
	Endpoint string   `json:"endpoint"`
	Interval
	Unit              string    `json:"unit"`
	Ratio             *Interval `json:"ratio"` // of main effects only
	Margin            float64   `json:"margin"`
	Verdict           string    `json:"verdict"`
	Direction         *string   `json:"direction"`
	Primary           bool      `json:"primary"`
	SD                float64   `json:"sd"` // of the effects of the blocks
	MinimumDetectable float64   `json:"minimum_detectable"`
	BlocksNeeded      int       `json:"blocks_needed,omitempty"`
	// Means at each combination of the levels, the last factor turning fastest:
	// from, to; of two factors from-from, from-to, to-from, to-to.
	Means    []float64 `json:"means"`
	Aliases  []string  `json:"aliases,omitempty"` // names of effects that a fraction cannot tell apart
	PerBlock []float64 `json:"per_block,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
}

// Slope is what one more of something costs.
type Slope struct {
	Factor   string `json:"factor"`
	Endpoint string `json:"endpoint"`
	Interval
	Unit string `json:"unit"` // of the endpoint, for each Per
	Per  string `json:"per"`  // what there is one more of: connection, KiB
	// Points are the endpoint's means by level.
	Points    []SlopePoint `json:"points"`
	Curvature *Interval    `json:"curvature"` // null with fewer than 3 levels
	Curved    bool         `json:"curved"`
	Blocks    int          `json:"blocks"`
	PerBlock  []float64    `json:"per_block,omitempty"`
}

// SlopePoint is one level of a slope's factor.
type SlopePoint struct {
	Level      string   `json:"level"`
	X          float64  `json:"x"`
	Value      float64  `json:"value"`
	Treatments []string `json:"treatments"`
}

// Waterfall shares out what all factors together add.
type Waterfall struct {
	Endpoint string   `json:"endpoint"`
	Unit     string   `json:"unit"`
	None     string   `json:"none"` // treatments
	All      string   `json:"all"`
	NoneMean float64  `json:"none_value"`
	AllMean  float64  `json:"all_value"`
	Total    Interval `json:"total"`
	Shares   []Share  `json:"shares"` // they sum to the total
	Method   string   `json:"method"` // of the simultaneous intervals
}

// Share is one factor's.
type Share struct {
	Factor string `json:"factor"`
	From   string `json:"from"`
	To     string `json:"to"`
	Interval
}

// addFactors adds what a study over factors says.
func (r *Report) addFactors(s *study.Study, an *experiment.Analysis) {
	for _, f := range s.Factors {
		r.Factors = append(r.Factors, Factor{f.Name, f.Levels})
	}
	for _, x := range an.Effects {
		r.Effects = append(r.Effects, effect(s, x))
		if x.Primary {
			r.Method = string(x.Multiplicity.Method)
			r.Family++
		}
	}
	for _, l := range an.Slopes {
		r.Slopes = append(r.Slopes, slope(an, l))
	}
	for _, w := range an.Shapley {
		r.Shapley = append(r.Shapley, waterfall(s, an, w))
	}
}

func effect(s *study.Study, x experiment.Effect) Effect {
	out := Effect{Name: effectName(s, x), From: x.From, To: x.To, Endpoint: string(x.Endpoint), Interval: interval(x.Difference), Unit: unit(x.Endpoint),
		Margin: x.Margin, Verdict: string(x.Verdict), Direction: text(string(x.Direction)), Primary: x.Primary, SD: x.SD,
		MinimumDetectable: x.MinimumDetectable, BlocksNeeded: x.BlocksNeeded, Means: x.Means, PerBlock: x.PerBlock, Ratio: optional(x.Ratio)}
	for _, k := range x.Factors {
		out.Factors = append(out.Factors, s.Factors[k].Name)
	}
	for _, a := range x.Aliases {
		out.Aliases = append(out.Aliases, experiment.EffectName(s.Factors, a))
	}
	for _, w := range x.Warnings {
		out.Warnings = append(out.Warnings, w.Text)
	}
	return out
}

// effectName tells the levels too where a factor has more than two.
func effectName(s *study.Study, x experiment.Effect) string {
	var parts []string
	for i, k := range x.Factors {
		name := s.Factors[k].Name
		if len(s.Factors[k].Levels) > 2 {
			name += " " + x.From[i] + "→" + x.To[i]
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, "×")
}

// optional is null without an interval.
func optional(i *stat.Interval) *Interval {
	if i == nil {
		return nil
	}
	out := interval(*i)
	return &out
}

func slope(an *experiment.Analysis, l experiment.Slope) Slope {
	out := Slope{Factor: l.Factor, Endpoint: string(l.Endpoint), Interval: interval(l.Interval), Unit: unit(l.Endpoint), Per: l.Unit,
		Curvature: optional(l.Curvature), Curved: l.Curved, Blocks: l.Blocks, PerBlock: l.PerBlock}
	for _, p := range l.Points {
		point := SlopePoint{Level: p.Level, X: p.X, Value: p.Value}
		for _, i := range p.Treatments {
			point.Treatments = append(point.Treatments, an.Treatments[i].Name)
		}
		out.Points = append(out.Points, point)
	}
	return out
}

func waterfall(s *study.Study, an *experiment.Analysis, w experiment.Waterfall) Waterfall {
	out := Waterfall{Endpoint: string(w.Endpoint), Unit: unit(w.Endpoint), None: an.Treatments[w.None].Name, All: an.Treatments[w.All].Name,
		NoneMean: w.NoneValue, AllMean: w.AllValue, Total: interval(w.Total), Method: string(w.Multiplicity.Method)}
	for _, share := range w.Shares {
		out.Shares = append(out.Shares, Share{s.Factors[share.Factor].Name, share.From, share.To, interval(share.Interval)})
	}
	return out
}

// settingsOf are the levels of factors at a treatment: all of the study's at a
// cell, else those that its ladder sets.
func settingsOf(s *study.Study, i int) map[string]string {
	out := map[string]string{}
	for _, one := range s.SettingsOf(i) {
		out[one.Factor] = one.Level
	}
	for _, c := range s.Combinations() {
		if c.Treatment != i {
			continue
		}
		for k, f := range s.Factors {
			out[f.Name] = f.Levels[c.Levels[k]]
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func (t *printer) effects(r *Report) {
	var rows, others []Effect
	for _, x := range r.Effects {
		if x.Primary {
			rows = append(rows, x)
		} else {
			others = append(others, x)
		}
	}
	if len(rows) > 0 {
		t.line("EFFECTS  %g %% intervals, simultaneous over %d effects (%s); of an interaction half of what one factor's effect changes by when the other one is changed", 100*r.Level, r.Family, r.Method)
		t.table(effectRows(rows))
		t.line("")
	}
	if len(others) > 0 {
		t.line("EXPLORATORY EFFECTS  each interval on its own")
		t.table(effectRows(others))
		t.line("")
	}
}

func effectRows(xs []Effect) [][]string {
	rows := [][]string{{"effect", "from", "to", "endpoint", ">Δ µs", ">low", ">high", ">margin", ">ratio", "verdict", "aliased with"}}
	for _, x := range xs {
		ratio := "–"
		if x.Ratio != nil {
			ratio = fmt.Sprintf("×%.3f", x.Ratio.Estimate)
		}
		rows = append(rows, []string{x.Name, strings.Join(x.From, ", "), strings.Join(x.To, ", "), x.Endpoint, signed(x.Estimate), signed(x.Low), signed(x.High),
			"±" + plain(x.Margin), ratio, verdictWords(Comparison{Verdict: x.Verdict, Direction: x.Direction, BlocksNeeded: x.BlocksNeeded}), aliasWords(x.Aliases)})
	}
	return rows
}

// aliasWords names the aliases of up to two factors; the JSON has all.
func aliasWords(aliases []string) string {
	var short []string
	for _, a := range aliases {
		if strings.Count(a, "×") < 2 {
			short = append(short, a)
		}
	}
	switch {
	case len(aliases) == 0:
		return ""
	case len(short) == 0:
		return "three or more factors together"
	}
	return strings.Join(short, ", ")
}

func (t *printer) slopes(r *Report) {
	if len(r.Slopes) == 0 {
		return
	}
	t.line("SLOPES  what one more costs, averaged over other factors where they are crossed; each %g %% interval on its own, exploratory", 100*r.Level)
	rows := [][]string{{"for each", "endpoint", ">µs", ">low", ">high", "µs at the levels", "bend from a line, µs"}}
	for _, l := range r.Slopes {
		var points []string
		for _, p := range l.Points {
			points = append(points, p.Level+": "+plain(p.Value))
		}
		rows = append(rows, []string{l.Per, l.Endpoint, signedFine(l.Estimate), signedFine(l.Low), signedFine(l.High), strings.Join(points, ", "), l.bendWords()})
	}
	t.table(rows)
	t.line("")
}

func (s Slope) bendWords() string {
	switch {
	case s.Curvature == nil:
		return "not to be told from two levels"
	case s.Curved:
		return fmt.Sprintf("%s (%s to %s): CURVED, one slope does not say it all", signed(s.Curvature.Estimate), signed(s.Curvature.Low), signed(s.Curvature.High))
	}
	return fmt.Sprintf("%s (%s to %s)", signed(s.Curvature.Estimate), signed(s.Curvature.Low), signed(s.Curvature.High))
}

func (t *printer) shapley(r *Report) {
	for _, w := range r.Shapley {
		t.line("WATERFALL of %s from %s (%s µs) to %s (%s µs)  each factor's share averaged over all orders of adding them; %g %% intervals, simultaneous (%s)",
			w.Endpoint, w.None, plain(w.NoneMean), w.All, plain(w.AllMean), 100*r.Level, w.Method)
		rows := [][]string{{"factor", "from", "to", ">share µs", ">low", ">high"}}
		for _, s := range w.Shares {
			rows = append(rows, []string{s.Factor, s.From, s.To, signed(s.Estimate), signed(s.Low), signed(s.High)})
		}
		rows = append(rows, []string{"together", "", "", signed(w.Total.Estimate), signed(w.Total.Low), signed(w.Total.High)})
		t.table(rows)
		t.line("")
	}
}
