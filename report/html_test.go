package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/study"
)

func page(t testing.TB, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func whole(t testing.TB, blocks int) *report.Report {
	t.Helper()
	e, bs := made(t, blocks, nil)
	r, err := report.New(e, experiment.Done, bs)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ofText is the report of a study whose blocks are computed.
func ofText(t *testing.T, text string, add map[string]float64) *report.Report {
	t.Helper()
	e, bs := computed(t, text, add)
	r, err := report.New(e, experiment.Done, bs)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func unfinished(t *testing.T) *report.Report {
	t.Helper()
	e, _ := made(t, 1, nil)
	return report.Unfinished(e, experiment.Interrupted, experiment.ErrNoBlocks)
}

// extreme is a report of 30 treatments and 60 blocks whose figures no picture
// would expect.
func extreme(t testing.TB) *report.Report {
	t.Helper()
	r := whole(t, 12)
	const treatments, blocks = 30, 60
	like, series, spectrum, histogram := r.Treatments[1], r.Series.Treatments[1], r.Spectrum.Treatments[1], r.Histogram.Treatments[1]
	r.Treatments, r.Comparisons = nil, nil
	r.Series, r.Spectrum.Treatments, r.Histogram.Treatments = &report.Series{}, nil, nil
	for k := range blocks {
		r.Series.Blocks = append(r.Series.Blocks, report.BlockRun{Block: k, Attempt: 1, Started: float64(6 * k), Took: 6})
	}
	figures := []float64{0, 1e-9, -3, 2.5, 1e7, -1e7, 40}
	for i := range treatments {
		x := like
		x.Name = fmt.Sprintf("a-treatment-with-a-name-of-forty-chars-%02d", i)
		x.P90, x.Why = nil, map[string]string{"p90": "too few", "p99": "too few", "cpu": "no requests"}
		s := series
		s.Name, s.Stood, s.Values, s.Parts = x.Name, nil, map[string][]float64{}, nil
		line := report.PartSeries{Role: "proxy"}
		h := histogram
		h.Name = x.Name
		sp := spectrum
		sp.Name, sp.Blocks = x.Name, nil
		for k := range blocks {
			s.Stood = append(s.Stood, k)
			s.Values["p50"] = append(s.Values["p50"], figures[(i+k)%len(figures)])
			line.CPU, line.PrivateMB = append(line.CPU, figures[(i+k)%3]), append(line.PrivateMB, float64(k))
			block := slices.Clone(spectrum.Blocks[k%len(spectrum.Blocks)])
			block[0] = 0
			sp.Blocks = append(sp.Blocks, block)
		}
		s.Parts = []report.PartSeries{line}
		if i > 0 {
			x.Baseline = &r.Treatments[i-1].Name
			f := figures[i%len(figures)]
			c := report.Comparison{Treatment: x.Name, Baseline: *x.Baseline, Endpoint: "p50", Unit: "us", Verdict: "undecided", Primary: i%2 == 0,
				Interval: report.Interval{Estimate: f, Low: f - math.Abs(f), High: f + 2}, Margin: 2, PerBlock: s.Values["p50"], BlocksNeeded: 5000}
			r.Comparisons = append(r.Comparisons, c)
		}
		r.Treatments, r.Series.Treatments = append(r.Treatments, x), append(r.Series.Treatments, s)
		r.Spectrum.Treatments, r.Histogram.Treatments = append(r.Spectrum.Treatments, sp), append(r.Histogram.Treatments, h)
	}
	return r
}

var planted = map[string]float64{
	"router envoy": 100, "token envoy": 120, "token-aa envoy": 120, "noop-wasm envoy": 150, "wasm envoy": 190, "library envoy": 100, "library-aa envoy": 100,
	"router embedded": 40, "token embedded": 50, "token-aa embedded": 50, "noop-wasm embedded": 60, "wasm embedded": 70, "library embedded": 40, "library-aa embedded": 40,
}

func reports(t *testing.T) map[string]*report.Report {
	return map[string]*report.Report{
		"one block": whole(t, 1), "screening": whole(t, 3), "whole": whole(t, 12), "unfinished": unfinished(t), "extreme": extreme(t),
		"factors": factored(t), "greatest": greatest(t), "knees": kneed(t, 12), "one block of knees": kneed(t, 1),
		"planes": ofText(t, planesText, planted), "pairs": ofText(t, pairsText, planted),
	}
}

func TestHTMLGolden(t *testing.T) {
	golden.Check(t, "screening.html", []byte(page(t, whole(t, 3))))
}

// A page is one file: well-formed, with nothing from elsewhere, every picture
// with its words and within its frame.
func TestHTMLStandsAlone(t *testing.T) {
	for name, r := range reports(t) {
		t.Run(name, func(t *testing.T) {
			text := page(t, r)
			if len(text) > 2<<20 {
				t.Errorf("%d bytes, the limit is 2 MiB", len(text))
			}
			for _, bad := range []string{"NaN", "Inf", "ZgotmplZ", "<script", "<img", "<link", "@import", "url(", "<nil>", "%!"} {
				if strings.Contains(text, bad) {
					t.Errorf("there is %s in the page", bad)
				}
			}
			c := &checker{t: t, ids: map[string]bool{}}
			c.read(text)
			for _, id := range c.wanted {
				if !c.ids[id] {
					t.Errorf("nothing has the id %s", id)
				}
			}
			if c.pictures == 0 && len(r.Comparisons) > 0 {
				t.Error("no picture")
			}
		})
	}
}

// checker walks a page.
type checker struct {
	t             *testing.T
	ids           map[string]bool
	wanted        []string
	pictures      int
	inside        []string // open elements
	width, height float64  // of the picture
	words         map[string]string
}

func (c *checker) read(text string) {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			c.t.Fatalf("not well-formed: %v", err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			c.inside = append(c.inside, x.Name.Local)
			c.element(x)
		case xml.CharData:
			// title and desc of the picture itself, not of a text in it.
			if n := len(c.inside); n > 1 && c.words != nil && c.inside[n-2] == "svg" {
				c.words[c.inside[n-1]] += string(x)
			}
		case xml.EndElement:
			c.inside = c.inside[:len(c.inside)-1]
			if x.Name.Local == "svg" && (c.words["title"] == "" || strings.TrimSpace(c.words["desc"]) == "") {
				c.t.Errorf("a picture without words: %v", c.words)
			}
		}
	}
}

func (c *checker) element(x xml.StartElement) {
	at := map[string]string{}
	for _, a := range x.Attr {
		at[a.Name.Local] = a.Value
		if a.Name.Local == "src" || a.Name.Local == "href" || a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") {
			c.t.Errorf("<%s %s=%q>", x.Name.Local, a.Name.Local, a.Value)
		}
	}
	if id := at["id"]; id != "" {
		if c.ids[id] {
			c.t.Errorf("two elements have the id %s", id)
		}
		c.ids[id] = true
	}
	switch x.Name.Local {
	case "svg":
		c.pictures++
		c.words = map[string]string{}
		if _, err := fmt.Sscanf(at["viewBox"], "0 0 %g %g", &c.width, &c.height); err != nil || at["role"] != "img" {
			c.t.Errorf("svg %v: %v", at, err)
		}
		c.wanted = append(c.wanted, strings.Fields(at["aria-labelledby"])...)
	case "line", "rect", "circle", "polyline", "polygon", "path", "text":
		c.frame(x.Name.Local, at)
	}
}

// frame holds a shape to its picture's frame.
func (c *checker) frame(shape string, at map[string]string) {
	number := func(name string) float64 {
		v, err := strconv.ParseFloat(at[name], 64)
		if err != nil {
			c.t.Errorf("%s %s=%q", shape, name, at[name])
		}
		return v
	}
	var xs, ys []float64
	switch shape {
	case "line":
		xs, ys = []float64{number("x1"), number("x2")}, []float64{number("y1"), number("y2")}
	case "rect":
		xs, ys = []float64{number("x"), number("x") + number("width")}, []float64{number("y"), number("y") + number("height")}
	case "circle":
		xs, ys = []float64{number("cx")}, []float64{number("cy")}
	case "text":
		xs, ys = []float64{number("x")}, []float64{number("y")}
	case "path", "polyline", "polygon":
		// A path has moves and lines to places, and strokes without length.
		places := at["points"] + strings.NewReplacer("M", " ", "L", " ", "h.01", "").Replace(at["d"])
		for _, p := range strings.Fields(places) {
			var x, y float64
			if _, err := fmt.Sscanf(p, "%g,%g", &x, &y); err != nil {
				c.t.Errorf("point %q: %v", p, err)
			}
			xs, ys = append(xs, x), append(ys, y)
		}
	}
	const pen = 6 // half a mark
	if slices.Min(xs) < -pen || slices.Max(xs) > c.width+pen || slices.Min(ys) < -pen || slices.Max(ys) > c.height+pen {
		c.t.Errorf("%s outside %g × %g: %v", shape, c.width, c.height, at)
	}
}

// Every figure of the verdict table is that of the JSON: whole in the value, as
// rounded in the text.
func TestHTMLFiguresAreThoseOfTheJSON(t *testing.T) {
	for name, r := range reports(t) {
		t.Run(name, func(t *testing.T) {
			var want []float64
			for _, primary := range []bool{true, false} {
				for _, c := range r.Comparisons {
					if c.Primary != primary {
						continue
					}
					want = append(want, c.Estimate, c.Low, c.High, c.Margin)
					if c.Ratio != nil {
						want = append(want, c.Ratio.Estimate)
					}
					want = append(want, c.MinimumDetectable)
				}
			}
			got := figures(t, page(t, r))
			if !slices.Equal(got, want) {
				t.Errorf("%d figures in the page, want %d:\n%v\n%v", len(got), len(want), got, want)
			}
		})
	}
}

// figures are the values of the tables of comparisons, each held against what
// is printed for it.
func figures(t *testing.T, text string) []float64 {
	t.Helper()
	var out []float64
	for _, part := range strings.Split(text, `<data value="`)[1:] {
		value, rest, _ := strings.Cut(part, `">`)
		printed, _, _ := strings.Cut(rest, "<")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		p, err := strconv.ParseFloat(strings.NewReplacer("−", "-", "+", "").Replace(printed), 64)
		if err != nil || math.Abs(p-v) > max(.0051, math.Abs(v)*.0051) {
			t.Errorf("%g is printed as %s", v, printed)
		}
		out = append(out, v)
	}
	return out
}

func TestHTMLEscapesNames(t *testing.T) {
	const hostile = `<script>alert("x")</script>&'"]]>` + "\x01"
	r := whole(t, 12)
	r.Study, r.Question, r.Warnings, r.Command = hostile, hostile, []string{hostile}, []string{hostile}
	for i := range r.Treatments {
		if r.Treatments[i].Baseline == nil {
			r.Treatments[i].Name = hostile
			r.Series.Treatments[i].Name, r.Spectrum.Treatments[i].Name, r.Histogram.Treatments[i].Name = hostile, hostile, hostile
		}
	}
	for i := range r.Comparisons {
		r.Comparisons[i].Baseline = hostile
	}
	text := strings.ReplaceAll(page(t, r), "\x01", "")
	if strings.Contains(text, "<script") || !strings.Contains(text, "&lt;script&gt;") {
		t.Error("a name became a script")
	}
	(&checker{t: t, ids: map[string]bool{}}).read(text)
}

func TestHTMLSaysWhatIsAlwaysSaid(t *testing.T) {
	r := whole(t, 12)
	r.Comparisons[0].Verdict, r.Comparisons[0].BlocksNeeded = "undecided", 7
	r.Comparisons[0].HodgesLehmann = &report.Interval{Estimate: 1.25, Low: -2, High: 30.5}
	r.VoidReasons, r.Voids = []string{"block 2, attempt 1: steal 12.0 %"}, 1
	r.Warnings = append(r.Warnings, "the host was busy")
	text := page(t, r)
	for _, want := range []string{"undecided", "about 7 more blocks", "12 that count, 1 void", "void: block 2, attempt 1: steal 12.0 %", "A/A of token", "Minimum detectable effect",
		"Interference control", "Lateness", "µs of CPU per request", "<dt>Host: CPU</dt><dd>a CPU</dd>", "Linux 6.1", "<code>11</code>", r.Digest, "tare run fake.yaml",
		"Hodges–Lehmann &#43;1.25 (−2.00 to &#43;30.5) µs", "the host was busy", "No p99:", "suggestion", "KubeCon", `class="undecided"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	const trap = "a WASM guest that traps in Envoy takes its VM"
	if strings.Contains(text, trap) {
		t.Error("a note on WASM without a WASM treatment")
	}
	if text := page(t, ofText(t, planesText, planted)); !strings.Contains(text, trap) || !strings.Contains(text, "/opt/envoy") || !strings.Contains(text, "0123456789abcdef") {
		t.Error("a report of WASM forms does not say what a trap does, or not which Envoy")
	}
}

// fortio are the bounds of its buckets in units of its resolution, which is 10 µs here.
var fortio = []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90, 100, 120, 140, 160, 180, 200, 250, 300, 350, 400, 450, 500,
	600, 700, 800, 900, 1000, 2000, 3000, 4000, 5000, 7500, 10000, 20000, 30000, 40000, 50000, 75000, 100000}

// Every response is counted in the bucket that holds it, bounds in the lower one.
func TestHistogramHasFortiosBuckets(t *testing.T) {
	var times []time.Duration // n+1 in the n-th bucket, among them its upper bound
	want := map[float64]int{}
	for n, high := range fortio[1:] {
		for k := range n + 1 {
			times = append(times, time.Duration(high*1e4)-time.Duration(k))
		}
		want[high*10] = n + 1
	}
	times = append(times, time.Second+1)
	e, bs := made(t, 1, func(_ int, b *experiment.Block) {
		for i, ph := range b.Phases {
			if ph.Phase.Kind != study.Latency {
				continue
			}
			b.Samples[i] = nil
			for _, x := range times {
				b.Samples[i] = append(b.Samples[i], load.Sample{LastByte: x, Target: 2})
			}
			b.Samples[i] = append(b.Samples[i], load.Sample{LastByte: -1, Target: 2}) // never answered
		}
	})
	r, err := report.New(e, experiment.Done, bs)
	if err != nil {
		t.Fatal(err)
	}
	h, x := r.Histogram, r.Histogram.Treatments[2]
	if len(h.Bounds) != len(fortio) || x.Above != 1 {
		t.Fatalf("%d bounds, want %d; %d above the last, want 1", len(h.Bounds), len(fortio), x.Above)
	}
	for i, b := range h.Bounds {
		if b != fortio[i]*10 || i > 0 && x.Counts[i-1] != want[b] {
			t.Errorf("up to %g: %d, want %d up to %g", b, x.Counts[max(0, i-1)], want[b], fortio[i]*10)
		}
	}
	last := len(fortio) - 1
	if *x.Largest != (report.Bucket{Low: fortio[last-1] * 10, High: fortio[last] * 10, Count: last, PerCore: float64(last) / 2}) {
		t.Errorf("largest %+v", x.Largest)
	}
}

func TestSpectrumAndHistogramAreOfTheSamples(t *testing.T) {
	r := whole(t, 12)
	for k, x := range r.Histogram.Treatments {
		sum := x.Above
		for _, n := range x.Counts {
			sum += n
		}
		if sum != r.Treatments[k].Requests {
			t.Errorf("%s: %d of %d requests", x.Name, sum, r.Treatments[k].Requests)
		}
	}
	half := slices.Index(r.Spectrum.Levels, .5)
	for k, x := range r.Spectrum.Treatments {
		if len(x.Blocks) != 12 || math.Abs(x.Median[half]-*r.Treatments[k].P50) > .1 {
			t.Errorf("%s: %d lines, p50 %g, the table has %g", x.Name, len(x.Blocks), x.Median[half], *r.Treatments[k].P50)
		}
		for _, line := range x.Blocks {
			if !slices.IsSorted(line) || len(line) > len(r.Spectrum.Levels) {
				t.Errorf("%s: %v", x.Name, line)
			}
		}
	}
}

// The blocks of a pair are in the pictures of the treatments that stood there.
func TestSeriesOfPairs(t *testing.T) {
	r := ofText(t, pairsText, planted)
	for i, s := range r.Series.Treatments {
		if s.Name != r.Treatments[i].Name || len(s.Stood) != r.Treatments[i].Blocks {
			t.Errorf("%s stood in %d blocks, the table has %s with %d", s.Name, len(s.Stood), r.Treatments[i].Name, r.Treatments[i].Blocks)
		}
		for e, vs := range s.Values {
			if len(vs) != len(s.Stood) {
				t.Errorf("%s: %d values of %s for %d blocks", s.Name, len(vs), e, len(s.Stood))
			}
		}
	}
	if text := page(t, r); !strings.Contains(text, "requests/s") || !strings.Contains(text, "somebody, somewhere") || !strings.Contains(text, "closed loop") {
		t.Error("the page lacks the pairs")
	}
}
