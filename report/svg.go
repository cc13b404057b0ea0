package report

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

// Pictures are inline SVG without script. Sizes are in units of about a pixel;
// colours and type are the page's (page.css), so that one picture serves light,
// dark and paper. Every picture has a title and a description.

// Sizes that all pictures share.
const (
	narrowWidth = 340 // fits a telephone held upright
	wideWidth   = 820
	textWidth   = 6.7 // of a character of 12 units, with room to spare
	textHeight  = 15
	tickGap     = 42 // between labels of a horizontal axis
)

// figure is one picture under way.
type figure struct {
	strings.Builder
	width, height float64
}

type point struct{ x, y float64 }

// svg closes the picture and gives it its words.
func (f *figure) svg(id, title, desc string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`+"\n%s</svg>",
		place(f.width), place(f.height), id, id, id, escape(title), id, escape(desc), f.String()))
}

// escape makes text safe in SVG; control characters are not allowed in XML.
func escape(s string) string {
	return template.HTMLEscapeString(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
}

// place prints a coordinate with a tenth of a unit.
func place(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10+0, 'f', -1, 64) }

func (f *figure) line(class string, a, b point) {
	fmt.Fprintf(f, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`+"\n", class, place(a.x), place(a.y), place(b.x), place(b.y))
}

// box takes two opposite corners.
func (f *figure) box(class string, a, b point) {
	fmt.Fprintf(f, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>`+"\n", class,
		place(min(a.x, b.x)), place(min(a.y, b.y)), place(math.Abs(b.x-a.x)), place(math.Abs(b.y-a.y)))
}

// text is cut to the width that it may take; what it was stands in its title.
func (f *figure) text(class string, at point, width float64, s string) {
	short := fit(s, width)
	more := ""
	if short != s {
		more = "<title>" + escape(s) + "</title>"
	}
	fmt.Fprintf(f, `<text class="%s" x="%s" y="%s">%s%s</text>`+"\n", class, place(at.x), place(at.y), more, escape(short))
}

func fit(s string, width float64) string {
	n := max(1, int(width/textWidth))
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// path joins points by straight lines.
func (f *figure) path(class string, points []point) {
	if len(points) == 0 {
		return
	}
	var b strings.Builder
	for i, p := range points {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(place(p.x) + "," + place(p.y))
	}
	fmt.Fprintf(f, `<polyline class="%s" points="%s"/>`+"\n", class, b.String())
}

// strokes draws many lines as one shape: a page of thin lines stays small.
func (f *figure) strokes(class string, lines [][]point) {
	var b strings.Builder
	for _, line := range lines {
		for i, p := range line {
			if i == 0 {
				b.WriteByte('M')
			} else {
				b.WriteByte('L')
			}
			b.WriteString(place(p.x) + "," + place(p.y))
		}
	}
	if b.Len() > 0 {
		fmt.Fprintf(f, `<path class="%s" d="%s"/>`+"\n", class, b.String())
	}
}

// dots draws many dots as one shape: the round ends of strokes without length.
func (f *figure) dots(class string, points []point) {
	var b strings.Builder
	for _, p := range points {
		b.WriteString("M" + place(p.x) + "," + place(p.y) + "h.01")
	}
	if b.Len() > 0 {
		fmt.Fprintf(f, `<path class="dots %s" d="%s"/>`+"\n", class, b.String())
	}
}

// area fills the room between two lines over the same places.
func (f *figure) area(class string, upper, lower []point) {
	if len(upper) == 0 {
		return
	}
	around := append(slices.Clone(upper), reversed(lower)...)
	var b strings.Builder
	for i, p := range around {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(place(p.x) + "," + place(p.y))
	}
	fmt.Fprintf(f, `<polygon class="%s" points="%s"/>`+"\n", class, b.String())
}

func reversed(points []point) []point {
	out := slices.Clone(points)
	slices.Reverse(out)
	return out
}

// Series that stand in one plot differ by colour, by the pattern of their line
// and by the shape of their mark, so that they can be told apart without
// colours: each is the class s0, s1, … of the page's style.
const seriesStyles = 5

func seriesClass(k int) string { return fmt.Sprintf("s%d", k%seriesStyles) }

// seriesMark draws the mark of series k: a disc, a square, a triangle, a
// rhombus, a ring.
func (f *figure) seriesMark(k int, at point) {
	const r = 4.2
	class := "point " + seriesClass(k)
	corners := map[int][]point{
		1: {{-r, -r}, {r, -r}, {r, r}, {-r, r}},
		2: {{0, -r - 1}, {r + 1, r}, {-r - 1, r}},
		3: {{0, -r - 1.5}, {r + 1.5, 0}, {0, r + 1.5}, {-r - 1.5, 0}},
	}[k%seriesStyles]
	if corners == nil {
		f.dot(class, at, r)
		return
	}
	for i := range corners {
		corners[i] = point{at.x + corners[i].x, at.y + corners[i].y}
	}
	f.area(class, corners, nil)
}

// apartBy moves places so that no two are nearer than gap, keeps their order,
// and stays between from and to as long as there is room.
func apartBy(places []float64, gap, from, to float64) []float64 {
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

func (f *figure) dot(class string, at point, radius float64) {
	fmt.Fprintf(f, `<circle class="%s" cx="%s" cy="%s" r="%s"/>`+"\n", class, place(at.x), place(at.y), place(radius))
}

// horizontal draws an axis below y: a fine line, ticks and their labels.
func (f *figure) horizontal(s scale, y float64) {
	f.line("axis", point{s.from, y}, point{s.to, y})
	for _, v := range s.ticks(tickGap) {
		x := s.at(v)
		f.line("axis", point{x, y}, point{x, y + 4})
		f.text("tick mid", point{x, y + 15}, f.width, label(v))
	}
}

// vertical draws an axis left of x, with a fine line across the picture at
// each label.
func (f *figure) vertical(s scale, x, right float64) {
	for _, v := range s.ticks(20) {
		y := s.at(v)
		f.line("grid", point{x, y}, point{right, y})
		f.text("tick end", point{x - 5, y + 4}, x, label(v))
	}
}

// interval draws a whisker between two places at height y.
func (f *figure) interval(class string, low, high, y float64) {
	f.line(class, point{low, y}, point{high, y})
	f.line(class, point{low, y - 4}, point{low, y + 4})
	f.line(class, point{high, y - 4}, point{high, y + 4})
}
