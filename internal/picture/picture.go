package picture

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sizes that all pictures share.
const (
	NarrowWidth = 340 // fits a telephone held upright
	WideWidth   = 820
	TextWidth   = 6.7 // of a character of 12 units, with room to spare
	TextHeight  = 15
	TickGap     = 42 // between labels of a horizontal axis
)

// Figure is one picture under way.
type Figure struct {
	strings.Builder
	Width, Height float64
}

// Point is a place on a picture, from its upper left corner.
type Point struct{ X, Y float64 }

// At is the point at these places.
func At(x, y float64) Point { return Point{x, y} }

// SVG closes the picture and gives it its words.
func (f *Figure) SVG(id, title, desc string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`+"\n%s</svg>",
		place(f.Width), place(f.Height), id, id, id, Escape(title), id, Escape(desc), f.String()))
}

// Escape makes text safe in SVG; control characters are not allowed in XML.
func Escape(s string) string {
	return template.HTMLEscapeString(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
}

// place prints a coordinate with a tenth of a unit.
func place(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10+0, 'f', -1, 64) }

// Line draws a straight line.
func (f *Figure) Line(class string, a, b Point) {
	fmt.Fprintf(f, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`+"\n", class, place(a.X), place(a.Y), place(b.X), place(b.Y))
}

// Box takes two opposite corners.
func (f *Figure) Box(class string, a, b Point) {
	fmt.Fprintf(f, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>`+"\n", class,
		place(min(a.X, b.X)), place(min(a.Y, b.Y)), place(math.Abs(b.X-a.X)), place(math.Abs(b.Y-a.Y)))
}

// Text is cut to the width that it may take; what it was stands in its title.
func (f *Figure) Text(class string, at Point, width float64, s string) {
	short := Fit(s, width)
	more := ""
	if short != s {
		more = "<title>" + Escape(s) + "</title>"
	}
	fmt.Fprintf(f, `<text class="%s" x="%s" y="%s">%s%s</text>`+"\n", class, place(at.X), place(at.Y), more, Escape(short))
}

// Fit cuts a text to a width, with a sign that it was cut.
func Fit(s string, width float64) string {
	n := max(1, int(width/TextWidth))
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// Path joins points by straight lines.
func (f *Figure) Path(class string, points []Point) {
	if len(points) == 0 {
		return
	}
	var b strings.Builder
	for i, p := range points {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(place(p.X) + "," + place(p.Y))
	}
	fmt.Fprintf(f, `<polyline class="%s" points="%s"/>`+"\n", class, b.String())
}

// Strokes draws many lines as one shape: a page of thin lines stays small.
func (f *Figure) Strokes(class string, lines [][]Point) {
	var b strings.Builder
	for _, line := range lines {
		for i, p := range line {
			if i == 0 {
				b.WriteByte('M')
			} else {
				b.WriteByte('L')
			}
			b.WriteString(place(p.X) + "," + place(p.Y))
		}
	}
	if b.Len() > 0 {
		fmt.Fprintf(f, `<path class="%s" d="%s"/>`+"\n", class, b.String())
	}
}

// Dots draws many dots as one shape: the round ends of strokes without length.
func (f *Figure) Dots(class string, points []Point) {
	var b strings.Builder
	for _, p := range points {
		b.WriteString("M" + place(p.X) + "," + place(p.Y) + "h.01")
	}
	if b.Len() > 0 {
		fmt.Fprintf(f, `<path class="dots %s" d="%s"/>`+"\n", class, b.String())
	}
}

// Area fills the room between two lines over the same places.
func (f *Figure) Area(class string, upper, lower []Point) {
	if len(upper) == 0 {
		return
	}
	around := append(slices.Clone(upper), reversed(lower)...)
	var b strings.Builder
	for i, p := range around {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(place(p.X) + "," + place(p.Y))
	}
	fmt.Fprintf(f, `<polygon class="%s" points="%s"/>`+"\n", class, b.String())
}

func reversed(points []Point) []Point {
	out := slices.Clone(points)
	slices.Reverse(out)
	return out
}

// Series that stand in one plot differ by colour, by the pattern of their line
// and by the shape of their mark, so that they can be told apart without
// colours: each is the class s0, s1, … of the page's style.
const seriesStyles = 5

// SeriesClass is the class of series k.
func SeriesClass(k int) string { return fmt.Sprintf("s%d", k%seriesStyles) }

// SeriesMark draws the mark of series k: a disc, a square, a triangle, a
// rhombus, a ring.
func (f *Figure) SeriesMark(k int, at Point) {
	const r = 4.2
	class := "point " + SeriesClass(k)
	corners := map[int][]Point{
		1: {{-r, -r}, {r, -r}, {r, r}, {-r, r}},
		2: {{0, -r - 1}, {r + 1, r}, {-r - 1, r}},
		3: {{0, -r - 1.5}, {r + 1.5, 0}, {0, r + 1.5}, {-r - 1.5, 0}},
	}[k%seriesStyles]
	if corners == nil {
		f.Dot(class, at, r)
		return
	}
	for i := range corners {
		corners[i] = Point{at.X + corners[i].X, at.Y + corners[i].Y}
	}
	f.Area(class, corners, nil)
}

// ApartBy moves places so that no two are nearer than gap, keeps their order,
// and stays between from and to as long as there is room.
func ApartBy(places []float64, gap, from, to float64) []float64 {
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(places[a], places[b]) })
	out := slices.Clone(places)
	next := from
	for _, i := range order {
		out[i] = max(out[i], next)
		next = out[i] + gap
	}
	next = to
	for _, i := range slices.Backward(order) {
		out[i] = min(out[i], next)
		next = out[i] - gap
	}
	return out
}

// Dot draws a disc.
func (f *Figure) Dot(class string, at Point, radius float64) {
	fmt.Fprintf(f, `<circle class="%s" cx="%s" cy="%s" r="%s"/>`+"\n", class, place(at.X), place(at.Y), place(radius))
}

// Horizontal draws an axis below y: a fine line, ticks and their labels.
func (f *Figure) Horizontal(s Scale, y float64) {
	f.Line("axis", Point{s.From, y}, Point{s.To, y})
	for _, v := range s.Ticks(TickGap) {
		x := s.At(v)
		f.Line("axis", Point{x, y}, Point{x, y + 4})
		f.Text("tick mid", Point{x, y + 15}, f.Width, Label(v))
	}
}

// Vertical draws an axis left of x, with a fine line across the picture at
// each label.
func (f *Figure) Vertical(s Scale, x, right float64) {
	for _, v := range s.Ticks(20) {
		y := s.At(v)
		f.Line("grid", Point{x, y}, Point{right, y})
		f.Text("tick end", Point{x - 5, y + 4}, x, Label(v))
	}
}

// Interval draws a whisker between two places at height y.
func (f *Figure) Interval(class string, low, high, y float64) {
	f.Line(class, Point{low, y}, Point{high, y})
	f.Line(class, Point{low, y - 4}, Point{low, y + 4})
	f.Line(class, Point{high, y - 4}, Point{high, y + 4})
}
