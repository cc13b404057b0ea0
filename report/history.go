package report

import (
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"time"

	"github.com/taremesh/tare/internal/picture"
)

// History is one figure over results, the oldest first.
type History struct {
	Title  string // what it is a figure of
	Unit   string // as in the JSON of reports: us, per_s
	Points []HistoryPoint
	// Changes are the points from which on the level is another, ascending;
	// the first point is none.
	Changes []int
	// Breaks are the points from which on results are not comparable with those
	// before, ascending, with why.
	Breaks []HistoryBreak
}

// HistoryBreak is a point that does not compare with those before it.
type HistoryBreak struct {
	At  int
	Why string
}

// HistoryPoint is the figure of one result.
type HistoryPoint struct {
	ID        string
	At        time.Time
	Value     float64
	Low, High *float64 // its interval; nil without
	Note      string   // what is to be said of the result: its version, a tag
}

// cuts are the changes and the breaks, ascending.
func (h History) cuts() []int {
	out := slices.Clone(h.Changes)
	for _, b := range h.Breaks {
		out = append(out, b.At)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// breaks reports whether results from point k on compare with none before.
func (h History) breaks(k int) bool {
	return slices.ContainsFunc(h.Breaks, func(b HistoryBreak) bool { return b.At == k })
}

// segments are the runs of points between cuts, as first and one past last.
func (h History) segments() [][2]int {
	var out [][2]int
	from := 0
	for _, k := range append(h.cuts(), len(h.Points)) {
		if k > from && k <= len(h.Points) {
			out = append(out, [2]int{from, k})
			from = k
		}
	}
	return out
}

func (h History) level(segment [2]int) float64 {
	sum := 0.0
	for _, p := range h.Points[segment[0]:segment[1]] {
		sum += p.Value
	}
	return sum / float64(segment[1]-segment[0])
}

// historyLayout is where the parts of a history stand.
type historyLayout struct{ width, left, right float64 }

var (
	wideHistory   = historyLayout{picture.WideWidth, 60, 800}
	narrowHistory = historyLayout{picture.NarrowWidth, 48, 330}
)

// historyPicture draws a line of results with the levels between the changes.
func historyPicture(id string, h History, l historyLayout) template.HTML {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range h.Points {
		low, high = min(low, p.Value), max(high, p.Value)
		if p.Low != nil && p.High != nil {
			low, high = min(low, *p.Low), max(high, *p.High)
		}
	}
	const top, bottom = 34, 200
	room := (high - low) * .05
	y := picture.Linear(low-room, high+room, bottom, top)
	x := picture.Linear(-.5, float64(len(h.Points))-.5, l.left, l.right)
	f := newFigure(l.width, bottom+40)
	f.Text("tick", picture.At(0, 12), l.width, unitWords(h.Unit))
	f.Vertical(y, l.left, l.right)
	var line []picture.Point
	for k, p := range h.Points {
		at := picture.At(x.At(float64(k)), y.At(p.Value))
		line = append(line, at)
		if p.Low != nil && p.High != nil {
			f.Line("reach", picture.At(at.X, y.At(*p.Low)), picture.At(at.X, y.At(*p.High)))
		}
	}
	f.Strokes("outline", h.joined(line))
	f.Dots("spot", line)
	f.levels(h, x, y, top, bottom)
	f.changeDates(h, x, l)
	f.Line("axis", picture.At(l.left, bottom+4), picture.At(l.right, bottom+4))
	f.Text("tick", picture.At(l.left, bottom+19), 90, h.Points[0].At.UTC().Format(time.DateOnly))
	if last := h.Points[len(h.Points)-1]; len(h.Points) > 1 {
		f.Text("tick end", picture.At(l.right, bottom+19), 90, last.At.UTC().Format(time.DateOnly))
	}
	f.Text("tick", picture.At(l.left, bottom+35), l.right-l.left, resultsWords(len(h.Points)))
	return f.SVG(id, h.Title+" over results, in "+unitWords(h.Unit), h.words())
}

// levels draws the mean of each segment and a mark where one ends.
func (f *figure) levels(h History, x, y picture.Scale, top, bottom float64) {
	for k, s := range h.segments() {
		mean := y.At(h.level(s))
		f.Line("mean", picture.At(x.At(float64(s[0])-.4), mean), picture.At(x.At(float64(s[1])-.6), mean))
		if k == 0 {
			continue
		}
		at := x.At(float64(s[0]) - .5)
		if h.breaks(s[0]) {
			f.Line("broken", picture.At(at, top), picture.At(at, bottom))
			f.SeriesMark(4, picture.At(at, top-6))
			continue
		}
		f.Line("change", picture.At(at, top), picture.At(at, bottom))
		f.SeriesMark(3, picture.At(at, top-6))
	}
}

// changeDates writes when each change was, as far as there is room beside it.
func (f *figure) changeDates(h History, x picture.Scale, l historyLayout) {
	const room = 74 // of a date
	end := 0.0
	for _, s := range h.segments()[1:] {
		at := x.At(float64(s[0])-.5) + 10
		if at >= end && at+room <= l.right {
			f.Text("small", picture.At(at, 32), room, h.Points[s[0]].At.UTC().Format(time.DateOnly))
			end = at + room
		}
	}
}

func resultsWords(n int) string {
	if n == 1 {
		return "1 result"
	}
	return fmt.Sprintf("%d results, one after the other", n)
}

// joined are the lines between points that compare.
func (h History) joined(points []picture.Point) [][]picture.Point {
	var out [][]picture.Point
	for k, p := range points {
		if k == 0 || h.breaks(k) {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], p)
	}
	return out
}

// why says why a point does not compare with those before it.
func (h History) why(k int) string {
	for _, b := range h.Breaks {
		if b.At == k {
			return "not comparable with those before: " + b.Why
		}
	}
	return ""
}

func (h History) words() string {
	s := ""
	for k, seg := range h.segments() {
		switch {
		case k == 0:
		case h.breaks(seg[0]):
			s += fmt.Sprintf("From %s on %s. ", h.Points[seg[0]].ID, h.why(seg[0]))
		default:
			s += fmt.Sprintf("Change at %s (%s): ", h.Points[seg[0]].ID, h.Points[seg[0]].At.UTC().Format(time.DateOnly))
		}
		s += fmt.Sprintf("%d results with the mean %s %s. ", seg[1]-seg[0], plain(h.level(seg)), unitWords(h.Unit))
	}
	return s
}

// rows is the table of the same.
func (h History) rows() [][]string {
	rows := [][]string{{"result", "when", ">" + unitWords(h.Unit), ">low", ">high", "change", "note"}}
	for k, p := range h.Points {
		change := ""
		if slices.Contains(h.Changes, k) {
			change = "from here on another level"
		}
		if h.breaks(k) {
			change = h.why(k)
		}
		rows = append(rows, []string{p.ID, p.At.UTC().Format("2006-01-02 15:04"), plain(p.Value), number(p.Low), number(p.High), change, p.Note})
	}
	return rows
}

// historyPage is what history.html shows.
type historyPage struct {
	Title     string
	Style     template.CSS
	StyleHash string
	Parts     []historyPart
}

type historyPart struct {
	twice
	Lines [][]Labelled
}

const historyText = `<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="referrer" content="no-referrer"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{{.StyleHash}}'; base-uri 'none'; form-action 'none'"/>
<title>{{.Title}}</title>
<style>{{.Style}}</style>
</head>
<body>
<header><h1>{{.Title}}</h1></header>
<main>
<p class="caption">One dot a result, in the order of their start, with its interval where it has one. Lines: the mean between changes. A rhombus and a dashed line: from there on the level is another. A ring and a solid line: from there on results do not compare with those before.</p>
{{range .Parts}}<section>{{template "twice" .}}<details><summary>As a table</summary>{{template "lines" .Lines}}</details></section>
{{end}}</main>
</body>
</html>`

// HistoryHTML writes histories as one page like that of a report: pictures and
// tables, nothing from elsewhere, no script. A history without points is left
// out.
func HistoryHTML(w io.Writer, title string, hs []History) error {
	t, err := template.New("page").Funcs(pageWords).Parse(pageText)
	if err == nil {
		t, err = t.New("history").Parse(historyText)
	}
	if err != nil {
		return fmt.Errorf("read the template of the history: %w", err)
	}
	p := historyPage{Title: title, Style: template.CSS(picture.Style()), StyleHash: picture.StyleHash(picture.Style())}
	for k, h := range hs {
		if len(h.Points) == 0 {
			continue
		}
		id := fmt.Sprintf("history-%d", k)
		p.Parts = append(p.Parts, historyPart{twice{h.Title, historyPicture(id, h, wideHistory), historyPicture(id+"-n", h, narrowHistory)}, labelled(h.rows())})
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("write the history %s: %w", title, err)
	}
	return nil
}
