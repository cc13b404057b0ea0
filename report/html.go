package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/taremesh/tare/internal/picture"
	"github.com/taremesh/tare/study"
)

//go:embed page.html
var pageText string

// HTML writes the report as one file that needs nothing else: no script, no
// font, no picture from elsewhere.
func (r *Report) HTML(w io.Writer) error {
	t, err := template.New("page").Funcs(pageWords).Parse(pageText)
	if err != nil {
		return fmt.Errorf("read the template of the page: %w", err)
	}
	if err := t.Execute(w, newPage(r)); err != nil {
		return fmt.Errorf("write the page of %s: %w", r.ID, err)
	}
	return nil
}

// page is a report with its pictures.
type page struct {
	*Report
	Style         template.CSS
	StyleHash     string
	Forests       []twice
	KneePicture   twice
	EffectForests []twice
	Interactions  []panels
	Waterfalls    []twice
	SlopePanels   []template.HTML
	Ladders       []twice
	ShiftPanels   []told
	Spectra       []template.HTML
	Orders        []panels
	Usages        []template.HTML
	Histograms    []template.HTML
	OutcomeBars   []template.HTML
}

// twice is one picture in two layouts, of which the page shows one.
type twice struct {
	Title        string
	Wide, Narrow template.HTML
}

// told is a picture with what it says in words.
type told struct {
	Picture template.HTML
	Words   string
}

// panels is a row of small pictures.
type panels struct {
	Title  string
	Panels []template.HTML
}

// drawn are the endpoints that pictures show, where there is one.
var drawn = []string{"knee", "throughput", "p50", "cpu", "p99", "mean"}

func newPage(r *Report) *page {
	p := &page{Report: r, Style: template.CSS(picture.Style()), StyleHash: picture.StyleHash(picture.Style()), Waterfalls: r.waterfalls(), SlopePanels: r.slopes(),
		ShiftPanels: r.shiftPanels(), OutcomeBars: outcomeBars(r)}
	if r.Knee != nil {
		p.KneePicture = twice{"Latency against rate", r.kneePicture("knee", wideKnee), r.kneePicture("knee-n", narrowKnee)}
	}
	for _, e := range drawn {
		title := heading(e)
		if rows := r.forestRows(e); len(rows) > 0 {
			p.Forests = append(p.Forests, forests("forest-"+e, "Differences", e, rows))
		}
		if rows := r.effectRows(e); len(rows) > 0 {
			p.EffectForests = append(p.EffectForests, forests("effects-"+e, "Effects", e, rows))
		}
		if ps := r.interactions(e); len(ps) > 0 {
			p.Interactions = append(p.Interactions, panels{title + ", " + unitOf(e), ps})
		}
		if rungs := r.rungs(e); stands(rungs) {
			p.Ladders = append(p.Ladders, twice{title, ladder("ladder-"+e, e, rungs, wideRungs), ladder("ladder-"+e+"-n", e, rungs, narrowRungs)})
		}
	}
	if r.Series == nil {
		return p
	}
	p.Spectra, p.Usages, p.Histograms = spectra(r), usage(r), histograms(r)
	for _, e := range drawn {
		if ps := runOrder(r, e); len(ps) > 0 {
			p.Orders = append(p.Orders, panels{heading(e) + ", " + unitOf(e), ps})
		}
	}
	return p
}

func forests(id, title, endpoint string, rows []forestRow) twice {
	return twice{heading(endpoint), forest(id, title, endpoint, rows, wideRows), forest(id+"-n", title, endpoint, rows, narrowRows)}
}

// heading is an endpoint as a heading.
func heading(endpoint string) string {
	s := strings.TrimPrefix(endpointWords[endpoint], "of ")
	return strings.ToUpper(s[:1]) + s[1:]
}

// stands reports whether a ladder has a step.
func stands(rungs []rung) bool {
	return slices.ContainsFunc(rungs, func(g rung) bool { return g.known && g.step != nil })
}

// Primaries lists the comparisons that verdicts are given on.
func (p *page) Primaries() []Comparison { return p.primaries() }

// Exploratory lists the others.
func (p *page) Exploratory() []Comparison {
	return slices.DeleteFunc(slices.Clone(p.Comparisons), func(c Comparison) bool { return c.Primary })
}

// Identical: the study asks nothing but whether identical arms are.
func (p *page) Identical() bool { return p.Rejections != nil }

// HasWASM reports whether a function stands as a WASM module.
func (p *page) HasWASM() bool {
	return slices.ContainsFunc(p.Treatments, func(t Treatment) bool { return value(t.Form) == string(study.FormWasm) })
}

// Enforced reports whether there was an enforcement phase.
func (p *page) Enforced() bool {
	return slices.ContainsFunc(p.Treatments, func(t Treatment) bool { return len(t.Enforcement) > 0 })
}

// Missing says why figures are null, one sentence for each endpoint; reasons
// that differ in their last number alone are one.
func (p *page) Missing() []string {
	var out []string
	for _, e := range []string{"p50", "p90", "p99", "cpu"} {
		var reasons []string
		of := map[string][]string{}
		for _, t := range p.Treatments {
			if why := t.Why[e]; why != "" {
				kind := strings.TrimRight(why, "0123456789")
				if of[kind] == nil {
					reasons = append(reasons, kind)
				}
				of[kind] = append(of[kind], t.Name)
				if number := why[len(kind):]; number != "" {
					of[kind][len(of[kind])-1] += ": " + number
				}
			}
		}
		for i, why := range reasons {
			reasons[i] = fmt.Sprintf("%s (%s)", strings.TrimSuffix(strings.TrimSpace(why), ", there are"), strings.Join(of[why], ", "))
		}
		if len(reasons) > 0 {
			out = append(out, fmt.Sprintf("No %s: %s.", e, strings.Join(reasons, "; ")))
		}
	}
	return out
}

// ComparisonWarnings are the warnings that belong to one comparison, with the
// robust estimate where it stands beside the mean.
func (p *page) ComparisonWarnings() []string {
	var out []string
	for _, c := range p.Comparisons {
		of := fmt.Sprintf("%s − %s %s: ", c.Treatment, c.Baseline, endpointWords[c.Endpoint])
		for _, w := range c.Warnings {
			out = append(out, of+w)
		}
		if h := c.HodgesLehmann; h != nil {
			out = append(out, of+fmt.Sprintf("Hodges–Lehmann %s %s", between(*h), unitWords(c.Unit)))
		}
	}
	return out
}

// pageWords are what the template can say.
var pageWords = template.FuncMap{
	"plain": plain, "signed": signed, "number": number, "what": what, "disagreement": disagreement,
	"verdict": verdictWords, "verdictClass": verdictClass,
	"unit":    unitWords,
	"words":   func(endpoint string) string { return endpointWords[endpoint] },
	"percent": func(share float64) string { return strconv.FormatFloat(round(100*share, 10), 'f', -1, 64) },
	"times":   func(a, b float64) float64 { return a * b },
	"add":     func(a, b int) int { return a + b },
	"plural": func(n int, one, many string) string {
		if n == 1 {
			return one
		}
		return many
	},
	"part": func(t Treatment, role string) string {
		for _, u := range t.Parts {
			if u.Role == role {
				return plain(u.PerRequest)
			}
		}
		return "–"
	},
	// data prints a figure with its whole value beside it, for programs.
	"data": func(x float64, printed string) template.HTML {
		return template.HTML(fmt.Sprintf(`<data value="%s">%s</data>`, strconv.FormatFloat(x, 'g', -1, 64), picture.Escape(printed)))
	},
}
