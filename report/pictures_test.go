package report_test

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/report"
)

// factored is a report of a study over three factors, with everything that is
// drawn of one.
func factored(t *testing.T) *report.Report {
	t.Helper()
	r := whole(t, 12)
	worse := "worse"
	r.Factors = []report.Factor{{Name: "connections", Levels: []string{"4", "64"}}, {Name: "response", Levels: []string{"1KiB", "64KiB"}}, {Name: "filter", Levels: []string{"none", "native", "wasm"}}}
	effect := func(endpoint string, name string, factors, from, to []string, x float64, means []float64) report.Effect {
		e := report.Effect{Name: name, Factors: factors, From: from, To: to, Endpoint: endpoint, Unit: "us", Interval: report.Interval{Estimate: x, Low: x - 4, High: x + 4},
			Margin: 3, Verdict: "undecided", Primary: true, Means: means, PerBlock: []float64{x, x}}
		if x > 7 {
			e.Verdict, e.Direction = "material", &worse
		}
		return e
	}
	for _, endpoint := range []string{"p50", "cpu"} {
		r.Effects = append(r.Effects,
			effect(endpoint, "connections", []string{"connections"}, []string{"4"}, []string{"64"}, 12, []float64{200, 212}),
			effect(endpoint, "response", []string{"response"}, []string{"1KiB"}, []string{"64KiB"}, 80, []float64{166, 246}),
			effect(endpoint, "filter none→native", []string{"filter"}, []string{"none"}, []string{"native"}, 2, []float64{200, 202}),
			effect(endpoint, "filter none→wasm", []string{"filter"}, []string{"none"}, []string{"wasm"}, 40, []float64{200, 240}),
			effect(endpoint, "connections×response", []string{"connections", "response"}, []string{"4", "1KiB"}, []string{"64", "64KiB"}, 1, []float64{160, 240, 172, 252}),
			effect(endpoint, "connections×filter none→native", []string{"connections", "filter"}, []string{"4", "none"}, []string{"64", "native"}, .5, []float64{195, 196, 205, 207}),
			effect(endpoint, "connections×filter none→wasm", []string{"connections", "filter"}, []string{"4", "none"}, []string{"64", "wasm"}, 9, []float64{195, 226, 205, 254}))
		r.Shapley = append(r.Shapley, report.Waterfall{Endpoint: endpoint, Unit: "us", None: "cell-1", All: "cell-8", NoneMean: 150, AllMean: 282, Total: report.Interval{Estimate: 132, Low: 125, High: 139},
			Shares: []report.Share{{Factor: "connections", From: "4", To: "64", Interval: report.Interval{Estimate: 12, Low: 8, High: 16}},
				{Factor: "response", From: "1KiB", To: "64KiB", Interval: report.Interval{Estimate: 130, Low: 126, High: 134}},
				{Factor: "filter", From: "none", To: "wasm", Interval: report.Interval{Estimate: -10, Low: -14, High: -6}}}})
	}
	r.Effects[len(r.Effects)-1].Aliases = []string{"response"}
	bend := report.Interval{Estimate: .001, Low: -.001, High: .003}
	r.Slopes = []report.Slope{{Factor: "connections", Endpoint: "p50", Unit: "us", Per: "connection", Interval: report.Interval{Estimate: .0123, Low: .0101, High: .0145}, Blocks: 12, Curvature: &bend, Curved: true,
		Points: []report.SlopePoint{{Level: "4", X: 4, Value: 202, Treatments: []string{"router"}}, {Level: "16", X: 16, Value: 263, Treatments: []string{"token", "native"}}, {Level: "64", X: 64, Value: 290, Treatments: []string{"library"}}}}}
	s := report.Shift{Treatment: "native", Baseline: "token", Blocks: 12, Confidence: .95, Sentence: "native against token: the tail, greatest at p99"}
	for _, q := range []float64{.01, .05, .1, .25, .5, .75, .9, .95, .99, .999} {
		x := 2 + 3/(1-q)
		s.Levels, s.Estimate, s.Low, s.High = append(s.Levels, q), append(s.Estimate, x), append(s.Low, x-2-x/4), append(s.High, x+2+x/4)
	}
	r.Shifts = []report.Shift{s, {Treatment: "library", Baseline: "token", Blocks: 12, Why: "fewer than 3 blocks"}}
	r.Checks = &report.Checks{Order: report.Check{Made: true, Line: "order of starting: no effect shown"}, Drift: report.Check{Made: true, Fired: true, Line: "drift: native rises"}, Warmup: report.Check{Line: "warm-up: too few requests"}}
	return r
}

func TestPicturesOfFactors(t *testing.T) {
	r := factored(t)
	text := page(t, r)
	for _, want := range []string{
		`id="effects-p50-t"`, `id="effects-cpu-n-t"`, `id="interaction-p50-1-t"`, `id="shapley-0-n-t"`, `id="slope-0-t"`, `id="shift-0-t"`, `id="outcomes-3-enforce-t"`,
		"4 → 64, none → wasm", "at most +9.00 (+5.00 to +13.0): material, worse", "connections 4, filter wasm: 226 µs",
		"+0.0123 (+0.0101 to +0.0145) µs per connection. curved", "the tail, greatest at p99", "filter none → wasm adds to response 1KiB → 64KiB: −10.0 (−14.0 to −6.00) µs",
		"library − token: no band: fewer than 3 blocks.", "connections × response, 4 → 64, 1KiB → 64KiB block by block", "drift: native rises", "no: curved", "response</td>",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, absent := range []string{`id="shift-1-t"`, `id="outcomes-0-`} {
		if strings.Contains(text, absent) {
			t.Errorf("the page has %q, of which there is nothing to draw", absent)
		}
	}
	plain := page(t, whole(t, 12))
	for _, id := range []string{"effects", "interactions", "shapley", "slopes", "shifts"} {
		if strings.Contains(plain, `<section id="`+id+`"`) && id != "shifts" {
			t.Errorf("a study without factors has the section %s", id)
		}
	}
}

// Each picture of a kind that has a table has it beside.
func TestPicturesHaveTables(t *testing.T) {
	text := page(t, factored(t))
	for _, id := range []string{"effects", "interactions", "shapley", "slopes", "shifts", "spectra", "histogram", "enforcement"} {
		_, section, found := strings.Cut(text, `<section id="`+id+`">`)
		section, _, _ = strings.Cut(section, "</section>")
		if !found || !strings.Contains(section, "<svg") || !strings.Contains(section, "<table") {
			t.Errorf("section %s: a picture %v, a table %v", id, strings.Contains(section, "<svg"), strings.Contains(section, "<table"))
		}
	}
}

// The y of the lines of an interaction are those of its means: higher means
// stand higher, and equal distances are equal.
func TestInteractionIsToScale(t *testing.T) {
	_, svg, _ := strings.Cut(page(t, factored(t)), `aria-labelledby="interaction-p50-0-t`)
	svg, _, _ = strings.Cut(svg, "</svg>")
	var ends [][]float64
	for _, line := range regexp.MustCompile(`<polyline class="line s\d" points="([^"]*)"`).FindAllStringSubmatch(svg, -1) {
		var ys []float64
		for _, p := range strings.Fields(line[1]) {
			_, y, _ := strings.Cut(p, ",")
			v, err := strconv.ParseFloat(y, 64)
			if err != nil {
				t.Fatal(err)
			}
			ys = append(ys, v)
		}
		ends = append(ends, ys)
	}
	if len(ends) != 2 || len(ends[0]) != 2 {
		t.Fatalf("lines %v", ends)
	}
	// means 160, 172 for 1KiB and 240, 252 for 64KiB: parallel, 12 up, 80 apart
	rise, apart := ends[0][0]-ends[0][1], ends[0][0]-ends[1][0]
	if math.Abs(rise-(ends[1][0]-ends[1][1])) > .3 || math.Abs(apart/rise-80.0/12) > .2 || rise <= 0 {
		t.Errorf("lines %v: rise %v, apart %v", ends, rise, apart)
	}
}

func histories() []report.History {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	h := report.History{Title: "native − token at p50", Unit: "us", Changes: []int{12}, Breaks: []report.HistoryBreak{{At: 20, Why: "kernel: 6.1, now 6.2"}}}
	for k := range 30 {
		v := 10 + .1*float64(k%5)
		if k >= 12 {
			v += 6
		}
		low, high := v-1, v+1
		h.Points = append(h.Points, report.HistoryPoint{ID: fmt.Sprintf("id-%02d", k), At: at.AddDate(0, 0, k), Value: v, Low: &low, High: &high, Note: "<v1>"})
	}
	one := report.History{Title: "one result", Unit: "us", Points: []report.HistoryPoint{{ID: "x", At: at, Value: 3}}}
	return []report.History{h, one, {Title: "none"}, {Title: "changes that are none", Unit: "per_s", Points: h.Points[:3], Changes: []int{0, 3, 7}}}
}

func TestHistoryPage(t *testing.T) {
	var b bytes.Buffer
	if err := report.HistoryHTML(&b, "History of <gate>", histories()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	(&checker{t: t, ids: map[string]bool{}}).read(text)
	for _, want := range []string{"History of &lt;gate&gt;", "12 results with the mean 10.2 µs. Change at id-12 (2030-01-13): 8 results with the mean 16.2 µs. From id-20 on not comparable with those before: kernel: 6.1, now 6.2. 10 results with", "from here on another level", "id-29", "&lt;v1&gt;", "3 results with the mean"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Count(text, `class="change"`) != 2 { // wide and narrow
		t.Errorf("%d lines of changes, want 2", strings.Count(text, `class="change"`))
	}
	_, outline, _ := strings.Cut(text, `<path class="outline" d="`)
	if outline, _, _ = strings.Cut(outline, `"`); strings.Count(outline, "M") != 2 || strings.Count(outline, "L") != 28 {
		t.Errorf("30 results with a break between are joined as %s", outline)
	}
	if strings.Count(text, `class="broken"`) != 2 {
		t.Errorf("%d lines of breaks, want 2", strings.Count(text, `class="broken"`))
	}
	for _, bad := range []string{"NaN", "Inf", "<script", "url(", "<nil>", "%!", "<v1>"} {
		if strings.Contains(text, bad) {
			t.Errorf("there is %s in the page", bad)
		}
	}
}

// greatest is a report of 30 treatments × 60 blocks with every kind of picture
// that a report can have.
func greatest(t testing.TB) *report.Report {
	r := extreme(t)
	for _, e := range []string{"cpu", "p99"} {
		for i, c := range r.Comparisons[:29] {
			c.Endpoint, c.Interval = e, report.Interval{Estimate: float64(i), Low: float64(i) - 3, High: float64(i) + 3}
			r.Comparisons = append(r.Comparisons, c)
		}
	}
	for i := range r.Comparisons {
		r.Comparisons[i].Primary = true
	}
	for i := range r.Treatments {
		r.Series.Treatments[i].Values["cpu"], r.Series.Treatments[i].Values["p99"] = r.Series.Treatments[i].Values["p50"], r.Series.Treatments[i].Values["p50"]
		o := report.Outcomes{Phase: "enforce"}
		for k, class := range []string{"all", "ok", "limited", "timeout"} {
			o.Classes = append(o.Classes, report.ClassFigures{Class: class, Count: 100 * k, Share: .3})
		}
		r.Treatments[i].Outcomes = []report.Outcomes{o}
	}
	var levels []float64
	for k := range 99 {
		levels = append(levels, float64(k+1)/100)
	}
	for i := range 29 {
		s := report.Shift{Treatment: r.Treatments[i+1].Name, Baseline: r.Treatments[i].Name, Blocks: 60, Confidence: .95, Levels: levels, Sentence: "the tail, or so it is said of it"}
		for k := range levels {
			x := math.Sin(float64(i+k)) * 1000
			s.Estimate, s.Low, s.High = append(s.Estimate, x), append(s.Low, x-10), append(s.High, x+10)
		}
		r.Shifts = append(r.Shifts, s)
	}
	perBlock := make([]float64, 60)
	for k := range perBlock {
		perBlock[k] = math.Sqrt(float64(k))
	}
	factors := []string{"connections", "response", "filter", "protocol", "workers"}
	for _, e := range []string{"p50", "cpu", "p99"} {
		for i, a := range factors {
			one := report.Effect{Name: a, Factors: []string{a}, From: []string{"a"}, To: []string{"b"}, Endpoint: e, Unit: "us", Verdict: "none", Primary: true, Means: []float64{1, 2}, Margin: 1, PerBlock: perBlock}
			r.Effects = append(r.Effects, one)
			for _, b := range factors[i+1:] {
				r.Effects = append(r.Effects, report.Effect{Name: a + "×" + b, Factors: []string{a, b}, From: []string{"a", "c"}, To: []string{"b", "d"}, Endpoint: e, Unit: "us", Verdict: "none", Primary: true, Means: []float64{1, 2, 3, 4}, Margin: 1, PerBlock: perBlock})
			}
		}
		slope := report.Slope{Factor: "connections", Endpoint: e, Unit: "us", Per: "connection", Interval: report.Interval{Estimate: 1, Low: .5, High: 1.5}, Blocks: 60}
		for k, x := range r.Treatments[:6] {
			slope.Points = append(slope.Points, report.SlopePoint{Level: fmt.Sprint(k), X: float64(k), Value: float64(k), Treatments: []string{x.Name}})
		}
		r.Slopes = append(r.Slopes, slope)
	}
	return r
}

// A report of 30 treatments × 60 blocks opens at once: it is small, and has no
// more shapes than a browser draws without delay.
func TestGreatestReportIsSmall(t *testing.T) {
	text := page(t, greatest(t))
	shapes := 0
	for _, name := range []string{"line", "rect", "circle", "polyline", "polygon", "path", "text"} {
		shapes += strings.Count(text, "<"+name+" ")
	}
	t.Logf("%d bytes, %d pictures, %d shapes, %d elements", len(text), strings.Count(text, "<svg"), shapes, strings.Count(text, "<")-strings.Count(text, "</"))
	if len(text) > 2<<20 {
		t.Errorf("%d bytes, the limit is 2 MiB", len(text))
	}
	if shapes > 15_000 {
		t.Errorf("%d shapes, the limit is 15,000", shapes)
	}
	if !strings.Contains(text, `id="order-p99-28-t"`) || !strings.Contains(text, `id="shift-28-t"`) || !strings.Contains(text, `id="spectrum-29-t"`) {
		t.Error("a picture was left out")
	}
}

func BenchmarkGreatestReport(b *testing.B) {
	r := greatest(b)
	var out bytes.Buffer
	for b.Loop() {
		out.Reset()
		if err := r.HTML(&out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(out.Len()), "bytes")
}

// colours reads the style's colours of each scheme: light, dark, print.
func colours(t *testing.T) map[string]map[string]colour {
	t.Helper()
	_, style, _ := strings.Cut(page(t, whole(t, 1)), "<style>")
	out := map[string]map[string]colour{}
	blocks := regexp.MustCompile(`:root \{([^}]*)\}`).FindAllStringSubmatch(style, -1)
	for k, name := range []string{"light", "dark", "print"} {
		out[name] = map[string]colour{}
		for _, c := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{3,6})`).FindAllStringSubmatch(blocks[k][1], -1) {
			out[name][c[1]] = parseColour(t, c[2])
		}
	}
	return out
}

// colour is linear red, green and blue.
type colour [3]float64

func parseColour(t *testing.T, hex string) colour {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	var c colour
	for i := range c {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		if v := float64(n) / 255; v <= .04045 {
			c[i] = v / 12.92
		} else {
			c[i] = math.Pow((v+.055)/1.055, 2.4)
		}
	}
	return c
}

func (c colour) luminance() float64 { return .2126*c[0] + .7152*c[1] + .0722*c[2] }

// contrast is that of WCAG 2: 1 to 21.
func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + .05) / (min(x, y) + .05)
}

// Letters have a contrast of 4.5 with what they stand on, and what a picture
// is read by has 3 (WCAG 2.2, 1.4.3 and 1.4.11), in light, dark and print.
func TestContrast(t *testing.T) {
	for scheme, c := range colours(t) {
		if len(c) < 10 {
			t.Fatalf("%s: %d colours", scheme, len(c))
		}
		for _, letters := range []string{"ink", "soft", "accent", "worse", "better"} {
			for _, ground := range []string{"paper", "shadow"} {
				if x := contrast(c[letters], c[ground]); x < 4.5 {
					t.Errorf("%s: %s on %s has a contrast of %.2f, want 4.5", scheme, letters, ground, x)
				}
			}
		}
		for _, mark := range []string{"ink", "soft", "accent", "worse", "better", "calm"} {
			for _, ground := range []string{"paper", "shade"} {
				if x := contrast(c[mark], c[ground]); x < 3 {
					t.Errorf("%s: a %s mark on %s has a contrast of %.2f, want 3", scheme, mark, ground, x)
				}
			}
		}
		if x := contrast(c["alarm-edge"], c["alarm"]); x < 4.5 {
			t.Errorf("%s: the alarm has a contrast of %.2f", scheme, x)
		}
	}
}

// deficiencies are what remains of linear red, green and blue to eyes without
// one kind of cone (Machado, Oliveira and Fernandes 2009, severity 1).
var deficiencies = map[string][3]colour{
	"protan": {{.152286, 1.052583, -.204868}, {.114503, .786281, .099216}, {-.003882, -.048116, 1.051998}},
	"deutan": {{.367322, .860646, -.227968}, {.280085, .672501, .047413}, {-.011820, .042940, .968881}},
	"tritan": {{1.255528, -.076749, -.178779}, {-.078411, .930809, .147602}, {.004733, .691367, .303900}},
}

func (c colour) seenBy(m [3]colour) colour {
	var out colour
	for i, row := range m {
		out[i] = min(max(row[0]*c[0]+row[1]*c[1]+row[2]*c[2], 0), 1)
	}
	return out
}

// lab is CIE L*a*b* under D65.
func (c colour) lab() [3]float64 {
	x := .4124*c[0] + .3576*c[1] + .1805*c[2]
	y := c.luminance()
	z := .0193*c[0] + .1192*c[1] + .9505*c[2]
	f := func(v float64) float64 {
		if v > 216.0/24389 {
			return math.Cbrt(v)
		}
		return (24389.0/27*v + 16) / 116
	}
	fx, fy, fz := f(x/.9505), f(y), f(z/1.089)
	return [3]float64{116*fy - 16, 500 * (fx - fy), 200 * (fy - fz)}
}

func apart(a, b colour) float64 {
	p, q := a.lab(), b.lab()
	return math.Sqrt(math.Pow(p[0]-q[0], 2) + math.Pow(p[1]-q[1], 2) + math.Pow(p[2]-q[2], 2))
}

// The two colours that stand for two things in one picture are told apart by
// every kind of eyes; 10 is several times what is just seen.
func TestColoursAreToldApart(t *testing.T) {
	for scheme, c := range colours(t) {
		for eyes, m := range deficiencies {
			for _, pair := range [][2]string{{"accent", "worse"}, {"better", "worse"}} {
				if x := apart(c[pair[0]].seenBy(m), c[pair[1]].seenBy(m)); x < 10 {
					t.Errorf("%s, %s eyes: %s and %s are %.1f apart, want 10", scheme, eyes, pair[0], pair[1], x)
				}
			}
		}
	}
}

// On paper without colours, and to any eyes: no two series have the same
// pattern of line and the same mark.
func TestSeriesDifferWithoutColour(t *testing.T) {
	text := page(t, factored(t))
	_, style, _ := strings.Cut(text, "<style>")
	seen := map[string]bool{}
	for k := range 5 {
		var dash string
		if m := regexp.MustCompile(fmt.Sprintf(`svg \.line\.s%d \{[^}]*stroke-dasharray: ([^;]*);`, k)).FindStringSubmatch(style); m != nil {
			dash = m[1]
		}
		if !strings.Contains(style, fmt.Sprintf("svg .line.s%d {", k)) || !strings.Contains(style, fmt.Sprintf("svg .point.s%d {", k)) || seen[dash] {
			t.Errorf("series %d: pattern %q", k, dash)
		}
		seen[dash] = true
	}
	for _, m := range []string{`<circle class="point s0"`, `<polygon class="point s1"`, `<polygon class="point s2"`} {
		if !strings.Contains(text, m) {
			t.Errorf("no mark %s", m)
		}
	}
	// proxy and service, too
	if !strings.Contains(style, "svg .part.service { stroke: var(--worse); stroke-dasharray:") {
		t.Error("the line of the service differs by colour alone")
	}
	if len(slices.Compact([]string{"■", "●", "○"})) != 3 || !strings.Contains(text, "<b>■</b> material") {
		t.Error("the marks of verdicts are not explained")
	}
}
