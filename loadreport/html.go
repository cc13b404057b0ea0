package loadreport

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"

	"github.com/taremesh/tare/internal/picture"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// page is a result with its pictures.
type page struct {
	*Result
	Style           template.CSS
	StyleHash       string
	Heat            *twice
	SpectrumPicture *twice
	Strips          []template.HTML
	Rows            []row
}

// twice is one picture in two layouts, of which the page shows one.
type twice struct{ Wide, Narrow template.HTML }

// row is one kind of time in the table of times.
type row struct {
	Name  string
	Count string
	Cells []cellText
}

type cellText struct{ Label, Value, Interval string }

// HTML writes the result as one file that needs nothing else: no script, no
// font, no picture from elsewhere.
func (r *Result) HTML(w io.Writer) error {
	t, err := template.New("page").Funcs(pageWords).Parse(pageText)
	if err != nil {
		return fmt.Errorf("read the template of the page: %w", err)
	}
	style := picture.Style() + pageStyle
	p := page{Result: r, Style: template.CSS(style), StyleHash: picture.StyleHash(style), Heat: r.heat(), SpectrumPicture: r.spectrumPicture(), Strips: r.strips()}
	p.Rows = []row{rowOf("latency", r.Latency), rowOf("service", r.Service)}
	if !r.Closed {
		p.Rows = append(p.Rows, rowOf("lateness", r.Lateness))
	}
	if r.Floor != nil {
		p.Rows = append(p.Rows, rowOf("latency of the own echo", r.Floor.Latency))
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("write the page of a load on %s: %w", r.URL, err)
	}
	return nil
}

// Failing says whether a request failed without an answer.
func (p page) Failing() bool {
	return slices.ContainsFunc(p.Classes, func(c Class) bool { return c.Failed != nil })
}

func rowOf(name string, q Quantiles) row {
	out := row{Name: name, Count: grouped(strconv.Itoa(q.Count))}
	for i, v := range []*float64{q.P50, q.P90, q.P99, q.P999} {
		c := cellText{Label: quantileName(levels[i]), Value: micro(v)}
		if x, ok := q.Intervals[c.Label]; ok {
			c.Interval = number(x.Low) + "–" + number(x.High)
		}
		out.Cells = append(out.Cells, c)
	}
	out.Cells = append(out.Cells, cellText{Label: "Greatest", Value: micro(q.Max)})
	return out
}

// pageWords are what the template can say.
var pageWords = template.FuncMap{
	"number": number, "percent": percent, "micro": micro,
	"count": func(n int) string { return grouped(strconv.Itoa(n)) },
	"class": func(s State) string {
		if s == Failed || s == OK {
			return string(s)
		}
		return "unknown"
	},
	"outcome": func(c ConditionOutcome) string { return conditionWords[c.State] },
	"figure": func(c ConditionOutcome) string {
		if c.Figure == nil {
			return "–"
		}
		return figureText(*c.Figure, c.Unit)
	},
	"checked": func(x *float64, unit string) string {
		if x == nil {
			return "–"
		}
		return figureText(*x, unit)
	},
}
