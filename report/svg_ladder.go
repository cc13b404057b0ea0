package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"github.com/taremesh/tare/internal/picture"
)

// rung is one step of the ladders: a treatment over its baseline.
type rung struct {
	treatment Treatment
	depth     int
	above     int         // the baseline's row; −1 for a root
	step      *Comparison // nil for a root, and where there is no figure
	at        float64     // where it ends, in µs
	total     *Interval   // of a last row that holds all steps; else nil
	known     bool
}

// rungs lists the treatments, each below its baseline, with where it stands:
// the root's own median plus the differences on the way.
func (r *Report) rungs(endpoint string) []rung {
	var out []rung
	var climb func(above, depth int, baseline string)
	climb = func(above, depth int, baseline string) {
		for _, t := range r.Treatments {
			if isAA(t) || value(t.Baseline) != baseline {
				continue
			}
			g := rung{treatment: t, depth: depth, above: above}
			own := t.of(endpoint)
			switch {
			case above < 0 && own != nil:
				g.at, g.known = *own, true
			case above >= 0:
				g.step = r.comparison(t.Name, baseline, endpoint)
				if g.known = g.step != nil && out[above].known; g.known {
					g.at = out[above].at + g.step.Estimate
				}
			}
			out = append(out, g)
			climb(len(out)-1, depth+1, t.Name)
		}
	}
	climb(-1, 0, "")
	return out
}

func isAA(t Treatment) bool { return value(t.Control) == "aa" }

// value is "" for null.
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// of is the treatment's own figure; nil where it is null.
func (t Treatment) of(endpoint string) *float64 {
	return map[string]*float64{"p50": t.P50, "p90": t.P90, "p99": t.P99, "cpu": t.CPU}[endpoint]
}

func (r *Report) comparison(treatment, baseline, endpoint string) *Comparison {
	for i, c := range r.Comparisons {
		if c.Treatment == treatment && c.Baseline == baseline && c.Endpoint == endpoint {
			return &r.Comparisons[i]
		}
	}
	return nil
}

var (
	wideRungs   = rowLayout{width: picture.WideWidth, row: 34, from: 205, to: 600, plot: 14, name: picture.At(0, 18), numbers: picture.At(615, 18), nameFits: 195, textFits: 205}
	narrowRungs = rowLayout{width: picture.NarrowWidth, row: 50, from: 8, to: 332, plot: 32, name: picture.At(0, 14), numbers: picture.At(340, 14), nameFits: 165, textFits: 175}
)

// ladder draws the ladders by one endpoint.
func ladder(id, endpoint string, rungs []rung, l rowLayout) template.HTML {
	return cascade(id, "Ladders "+endpointWords[endpoint], axisWords(endpoint), unitOf(endpoint), rungs, l)
}

// axisWords are what stands below the axis of an endpoint.
func axisWords(endpoint string) string {
	return unitOf(endpoint) + " " + strings.TrimPrefix(endpointWords[endpoint], "of ")
}

// cascade draws a waterfall: each step starts where the one above it ends.
func cascade(id, title, axis, unit string, rungs []rung, l rowLayout) template.HTML {
	low, high := math.Inf(1), math.Inf(-1)
	for _, g := range rungs {
		if g.known {
			low, high = min(low, g.at), max(high, g.at)
		}
		if g.known && g.step != nil {
			base := rungs[g.above].at
			low, high = min(low, base+g.step.Low), max(high, base+g.step.High)
		}
	}
	if low > high {
		low, high = 0, 1
	}
	room := (high - low) * .03
	s := picture.Linear(low-room, high+room, l.from, l.to)
	f := newFigure(l.width, float64(len(rungs))*l.row+40)
	bottom := float64(len(rungs))*l.row + 4
	for _, v := range s.Ticks(picture.TickGap) {
		f.Line("grid", picture.At(s.At(v), 0), picture.At(s.At(v), bottom))
	}
	for i := range rungs {
		f.rung(rungs, i, s, l)
	}
	f.Horizontal(s, bottom)
	f.Text("tick", picture.At(l.from, bottom+30), l.to-l.from, axis)
	return f.SVG(id, title, ladderWords(rungs, unit))
}

func (f *figure) rung(all []rung, i int, s picture.Scale, l rowLayout) {
	g, y := all[i], float64(i)*l.row
	indent := 12 * float64(min(g.depth, 6))
	name := g.treatment.Name
	if g.depth > 0 {
		name = "+ " + name
	}
	f.Text("name", picture.At(l.name.X+indent, y+l.name.Y), l.nameFits-indent, name)
	class := "number"
	if l.width == picture.NarrowWidth {
		class += " end"
	}
	f.Text(class, picture.At(l.numbers.X, y+l.numbers.Y), l.textFits, rungNumbers(g))
	if !g.known {
		return
	}
	mid := y + l.plot
	if g.step == nil {
		f.Line("root", picture.At(s.At(g.at), mid-9), picture.At(s.At(g.at), mid+9))
		return
	}
	base := s.At(all[g.above].at)
	f.Line("joint", picture.At(base, float64(g.above)*l.row+l.plot), picture.At(base, mid+9))
	f.Box("step "+verdictClass(*g.step), picture.At(base, mid-8), picture.At(s.At(g.at), mid+8))
	f.Interval("whisker", s.At(all[g.above].at+g.step.Low), s.At(all[g.above].at+g.step.High), mid)
}

func rungNumbers(g rung) string {
	switch {
	case !g.known:
		return "no figure"
	case g.total != nil:
		return plain(g.at) + ": " + between(*g.total)
	case g.step == nil:
		return plain(g.at)
	}
	return between(g.step.Interval)
}

func ladderWords(rungs []rung, unit string) string {
	var b strings.Builder
	for _, g := range rungs {
		if g.step == nil {
			fmt.Fprintf(&b, "%s: %s %s. ", g.treatment.Name, rungNumbers(g), unit)
			continue
		}
		fmt.Fprintf(&b, "%s adds to %s: %s %s. ", g.treatment.Name, g.step.Baseline, rungNumbers(g), unit)
	}
	return b.String()
}
