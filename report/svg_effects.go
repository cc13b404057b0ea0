package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/taremesh/tare/internal/picture"
)

// Pictures of a study over factors: what each factor does, how two factors
// depend on one another, what all of them together come to.

// effectRows are the rows of one endpoint's effects: main effects and
// interactions that verdicts are given on, then the exploratory ones.
func (r *Report) effectRows(endpoint string) []forestRow {
	var rows []forestRow
	kinds := []func(Effect) bool{
		func(e Effect) bool { return e.Primary && len(e.Factors) == 1 },
		func(e Effect) bool { return e.Primary && len(e.Factors) > 1 },
		func(e Effect) bool { return !e.Primary },
	}
	for _, kind := range kinds {
		first := true
		for _, e := range r.Effects {
			if e.Endpoint != endpoint || !kind(e) {
				continue
			}
			c := e.asComparison()
			rows = append(rows, forestRow{name: strings.Join(e.Factors, " × "), against: e.levels(), numbers: between(e.Interval), interval: e.Interval, margin: e.Margin,
				verdict: shortVerdict(c), class: verdictClass(c), rule: first && len(rows) > 0})
			first = false
		}
	}
	return rows
}

// asComparison is an effect as far as its verdict goes.
func (e Effect) asComparison() Comparison {
	return Comparison{Verdict: e.Verdict, Direction: e.Direction, Primary: e.Primary, BlocksNeeded: e.BlocksNeeded}
}

// levels says what changes: 4 → 64, or both of an interaction's.
func (e Effect) levels() string {
	var parts []string
	for k := range e.Factors {
		parts = append(parts, e.From[k]+" → "+e.To[k])
	}
	return strings.Join(parts, ", ")
}

// grid is the means of two factors at the levels that effects know.
type grid struct {
	factors  [2]string
	levels   [2][]string
	mean     map[[2]string]float64
	endpoint string
	effects  []Effect
}

// grids collects the interactions of one endpoint, one grid for two factors.
func (r *Report) grids(endpoint string) []*grid {
	var out []*grid
	for _, e := range r.Effects {
		if e.Endpoint != endpoint || len(e.Factors) != 2 || len(e.Means) != 4 {
			continue
		}
		pair := [2]string{e.Factors[0], e.Factors[1]}
		k := slices.IndexFunc(out, func(g *grid) bool { return g.factors == pair })
		if k < 0 {
			k = len(out)
			out = append(out, &grid{factors: pair, mean: map[[2]string]float64{}, endpoint: endpoint})
		}
		out[k].add(e)
	}
	return out
}

func (g *grid) add(e Effect) {
	g.effects = append(g.effects, e)
	for side := range 2 {
		for _, level := range []string{e.From[side], e.To[side]} {
			if !slices.Contains(g.levels[side], level) {
				g.levels[side] = append(g.levels[side], level)
			}
		}
	}
	for k, at := range [4][2]string{{e.From[0], e.From[1]}, {e.From[0], e.To[1]}, {e.To[0], e.From[1]}, {e.To[0], e.To[1]}} {
		g.mean[at] = e.Means[k]
	}
}

// interactions draws every two factors of an endpoint: lines that run side by
// side do not depend on one another, lines that do not, do. All panels have the
// same scale.
func (r *Report) interactions(endpoint string) []template.HTML {
	gs := r.grids(endpoint)
	low, high := math.Inf(1), math.Inf(-1)
	for _, g := range gs {
		for _, v := range g.mean {
			low, high = min(low, v), max(high, v)
		}
	}
	var out []template.HTML
	room := (high - low) * .05
	for k, g := range gs {
		out = append(out, g.draw(fmt.Sprintf("interaction-%s-%d", endpoint, k), picture.Linear(low-room, high+room, interactionBottom-4, 56)))
	}
	return out
}

// Where an interaction's lines end, sideways and below, and where their names
// begin.
const (
	linesEnd          = 226
	linesName         = 240
	interactionBottom = 184
)

func (g *grid) draw(id string, y picture.Scale) template.HTML {
	f := panel(interactionBottom+34, g.factors[0]+" × "+g.factors[1], "")
	f.Text("small", picture.At(0, 31), picture.NarrowWidth, g.verdict())
	f.Vertical(y, panelLeft, linesEnd+8)
	across := g.levels[0]
	x := picture.Linear(-.25, float64(len(across))-.75, panelLeft, linesEnd)
	words := ""
	var ends, names []float64
	for k, level := range g.levels[1] {
		var line []picture.Point
		for i, a := range across {
			if v, known := g.mean[[2]string{a, level}]; known {
				line = append(line, picture.At(x.At(float64(i)), y.At(v)))
				words += fmt.Sprintf("%s %s, %s %s: %s %s. ", g.factors[0], a, g.factors[1], level, plain(v), unitOf(g.endpoint))
			}
		}
		f.Path("line "+picture.SeriesClass(k), line)
		for _, p := range line {
			f.SeriesMark(k, p)
		}
		ends = append(ends, line[len(line)-1].Y)
	}
	names = picture.ApartBy(ends, picture.TextHeight, 62, interactionBottom)
	f.Text("tick", picture.At(linesName, 48), picture.NarrowWidth-linesName, g.factors[1])
	for k, level := range g.levels[1] {
		f.Line("leader", picture.At(linesEnd-8, ends[k]), picture.At(linesName-3, names[k]))
		f.Text("key end-of "+picture.SeriesClass(k), picture.At(linesName, names[k]+4), picture.NarrowWidth-linesName, level)
	}
	f.Line("axis", picture.At(panelLeft, interactionBottom), picture.At(linesEnd+8, interactionBottom))
	room := (linesEnd - panelLeft) / float64(len(across))
	for i, a := range across {
		f.Text("tick mid", picture.At(x.At(float64(i)), interactionBottom+15), room, a)
	}
	f.Text("tick mid", picture.At((panelLeft+linesEnd)/2, interactionBottom+30), linesEnd-panelLeft, g.factors[0])
	return f.SVG(id, fmt.Sprintf("%s by %s and %s, in %s", heading(g.endpoint), g.factors[0], g.factors[1], unitOf(g.endpoint)), words+g.verdict())
}

// verdict is the interaction's own; of several, the one whose estimate is the
// greatest.
func (g *grid) verdict() string {
	most := g.effects[0]
	for _, e := range g.effects {
		if math.Abs(e.Estimate) > math.Abs(most.Estimate) {
			most = e
		}
	}
	s := fmt.Sprintf("%s: %s", between(most.Interval), shortVerdict(most.asComparison()))
	if len(g.effects) > 1 {
		s = "at most " + s
	}
	return s
}

// shareRungs makes steps of the shares of a waterfall.
func shareRungs(w Waterfall) []rung {
	out := []rung{{treatment: Treatment{Name: "none: " + w.None}, above: -1, at: w.NoneMean, known: true}}
	at := w.NoneMean
	for k, s := range w.Shares {
		at += s.Estimate
		step := &Comparison{Interval: s.Interval, Baseline: out[k].treatment.Name}
		out = append(out, rung{treatment: Treatment{Name: fmt.Sprintf("%s %s → %s", s.Factor, s.From, s.To)}, depth: 1, above: k, step: step, at: at, known: true})
	}
	return append(out, rung{treatment: Treatment{Name: "together"}, above: -1, at: w.AllMean, known: true, total: &w.Total})
}

// waterfalls draws what each factor's share is.
func (r *Report) waterfalls() []twice {
	var out []twice
	for k, w := range r.Shapley {
		id, title := fmt.Sprintf("shapley-%d", k), heading(w.Endpoint)
		words, axis := "Shares of the factors in "+strings.ToLower(title), axisWords(w.Endpoint)
		out = append(out, twice{title, cascade(id, words, axis, unitWords(w.Unit), shareRungs(w), wideRungs), cascade(id+"-n", words, axis, unitWords(w.Unit), shareRungs(w), narrowRungs)})
	}
	return out
}
