package report

import (
	"fmt"
	"html/template"
	"math"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/picture"
	"github.com/taremesh/tare/stat"
)

// rowLayout is where the parts of a row stand: side by side on a wide page,
// one below the other on a narrow one.
type rowLayout struct {
	width    float64
	row      float64       // height of a row
	from, to float64       // of the plot
	plot     float64       // its middle, below the row's top
	name     picture.Point // the name's baseline, relative to the row's top; its second line stands below
	numbers  picture.Point
	zero     float64 // length of a row's zero line; a narrow row has words between them
	nameFits float64
	textFits float64
}

var (
	wideRows   = rowLayout{width: picture.WideWidth, row: 38, zero: 38, from: 205, to: 545, plot: 18, name: picture.At(0, 14), numbers: picture.At(565, 14), nameFits: 195, textFits: 255}
	narrowRows = rowLayout{width: picture.NarrowWidth, row: 82, zero: 24, from: 8, to: 332, plot: 68, name: picture.At(0, 14), numbers: picture.At(0, 44), nameFits: 340, textFits: 340}
)

// forestRow is one difference of a forest plot.
type forestRow struct {
	name, against, numbers, verdict string
	class                           string // of the mark: the verdict's
	interval                        Interval
	margin                          float64
	rule                            bool // a line above: another kind of row begins
}

// forestRows are the rows of one endpoint: the A/A copy, the primary
// comparisons, the exploratory ones.
func (r *Report) forestRows(endpoint string) []forestRow {
	var rows []forestRow
	for _, aa := range r.AA {
		a := aa.gate(endpoint)
		if a == nil {
			continue
		}
		row := forestRow{name: "A/A", against: aa.of(len(r.AA)), numbers: between(a.Interval), interval: a.Interval, margin: a.Margin, class: "aa"}
		row.verdict = "inside the margin"
		if !a.Inside {
			row.verdict, row.class = "NOT inside the margin", "aa out"
		}
		rows = append(rows, row)
	}
	for _, primary := range []bool{true, false} {
		first := true
		for _, c := range r.Comparisons {
			if c.Endpoint != endpoint || c.Primary != primary {
				continue
			}
			row := forestRow{name: c.Treatment, against: "− " + c.Baseline, numbers: between(c.Interval), interval: c.Interval, margin: c.Margin,
				verdict: shortVerdict(c), class: verdictClass(c), rule: first && len(rows) > 0}
			rows, first = append(rows, row), false
		}
	}
	return rows
}

// gate is the A/A gate that holds for an endpoint.
func (a AA) gate(endpoint string) *Gate {
	return map[string]*Gate{"p50": a.P50, "cpu": a.CPU, "throughput": a.Throughput, "knee": a.Knee}[endpoint]
}

// of says which of so many copies it is.
func (a AA) of(copies int) string {
	if copies == 1 {
		return "two identical treatments"
	}
	return "of " + a.Baseline
}

// between is an estimate with its interval, as printed everywhere.
func between(i Interval) string {
	return fmt.Sprintf("%s (%s to %s)", signed(i.Estimate), signed(i.Low), signed(i.High))
}

// shortVerdict is the verdict with its direction; exploratory ones say so.
func shortVerdict(c Comparison) string {
	s := stat.Verdict(c.Verdict).Words()
	if c.Direction != nil {
		s += ", " + *c.Direction
	}
	if !c.Primary {
		s += ", exploratory"
	}
	return s
}

// verdictClass names the mark of a verdict: the shape says it without colour.
func verdictClass(c Comparison) string {
	s := c.Verdict
	if c.Direction != nil {
		s += " " + *c.Direction
	}
	return s
}

// forest draws differences with their intervals, the margin shaded.
func forest(id, title, endpoint string, rows []forestRow, l rowLayout) template.HTML {
	low, high, margin := 0.0, 0.0, math.Inf(1)
	for _, r := range rows {
		low, high = min(low, r.interval.Low, -r.margin), max(high, r.interval.High, r.margin)
		if r.margin > 0 {
			margin = min(margin, r.margin)
		}
	}
	s := picture.Linear(low, high, l.from, l.to)
	if bent(low, high, margin) {
		s = picture.Symmetric(low, high, 2*margin, l.from, l.to)
	}
	f := newFigure(l.width, float64(len(rows))*l.row+40)
	bottom := float64(len(rows))*l.row + 4
	for i, r := range rows {
		y := float64(i) * l.row
		m := picture.At(s.At(-r.margin), y+l.plot-12)
		f.Box("margin", m, picture.At(s.At(r.margin), y+l.plot+12))
		f.Line("zero", picture.At(s.At(0), m.Y), picture.At(s.At(0), min(bottom, m.Y+l.zero)))
	}
	for i, r := range rows {
		f.forestRow(r, s, l, float64(i)*l.row)
	}
	f.Horizontal(s, bottom)
	f.Text("tick", picture.At(l.from, bottom+30), l.to-l.from, "Δ in "+unitOf(endpoint))
	return f.SVG(id, title+" "+endpointWords[endpoint]+", in "+unitOf(endpoint), forestWords(rows))
}

// bent reports whether the range is so wide that the margin would be a hair.
func bent(low, high, margin float64) bool {
	return !math.IsInf(margin, 0) && high-low > 40*margin
}

func (f *figure) forestRow(r forestRow, s picture.Scale, l rowLayout, y float64) {
	if r.rule {
		f.Line("rule", picture.At(0, y-1), picture.At(l.width, y-1))
	}
	f.Text("name", picture.At(l.name.X, y+l.name.Y), l.nameFits, r.name)
	f.Text("small", picture.At(l.name.X, y+l.name.Y+picture.TextHeight), l.nameFits, r.against)
	f.Text("number", picture.At(l.numbers.X, y+l.numbers.Y), l.textFits, r.numbers)
	if l.width > picture.NarrowWidth {
		f.Text("small", picture.At(l.numbers.X, y+l.numbers.Y+picture.TextHeight), l.textFits, r.verdict)
	} else {
		f.Text("small end", picture.At(l.width, y+l.numbers.Y), l.textFits-picture.TextWidth*float64(len([]rune(r.numbers))+1), r.verdict)
	}
	f.Interval("whisker "+r.class, s.At(r.interval.Low), s.At(r.interval.High), y+l.plot)
	f.mark(r.class, picture.At(s.At(r.interval.Estimate), y+l.plot))
}

// mark draws an estimate: a square where it is material, a full circle where it
// is not, an open one where it is undecided.
func (f *figure) mark(class string, at picture.Point) {
	if len(class) >= 8 && class[:8] == "material" {
		f.Box("mark "+class, picture.At(at.X-5, at.Y-5), picture.At(at.X+5, at.Y+5))
		return
	}
	f.Dot("mark "+class, at, 4.5)
}

// unitOf is what an endpoint is given in, as it is printed.
func unitOf(endpoint string) string { return unitWords(unit(experiment.Endpoint(endpoint))) }

func forestWords(rows []forestRow) string {
	s := ""
	for _, r := range rows {
		s += fmt.Sprintf("%s %s: %s, %s. ", r.name, r.against, r.numbers, r.verdict)
	}
	return s
}
