package report

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/taremesh/tare/internal/picture"
)

// Panels are small pictures side by side, one for each treatment or
// comparison, with the same scales throughout.

// Where the plot of a panel stands.
const (
	panelLeft  = 44
	panelRight = 326
	panelTop   = 26
)

// panel begins a small picture with its heading.
func panel(height float64, heading, beside string) *figure {
	f := newFigure(picture.NarrowWidth, height)
	shown := picture.Fit(beside, picture.NarrowWidth*.38)
	const bold = .87 // so many of bold letters fit
	f.Text("name", picture.At(0, 14), bold*(picture.NarrowWidth-picture.TextWidth*float64(utf8.RuneCountInString(shown)+1)), heading)
	f.Text("small end", picture.At(picture.NarrowWidth, 14), picture.NarrowWidth*.38, beside)
	return f
}

// spectra draws the response times of each treatment by the share of requests:
// a thin line for each block, their median, and the baseline's median.
func spectra(r *Report) []template.HTML {
	low, high := math.Inf(1), math.Inf(-1)
	for _, t := range r.Spectrum.Treatments {
		for _, line := range t.Blocks {
			for _, x := range line {
				low, high = min(low, x), max(high, x)
			}
		}
	}
	if low > high {
		return nil
	}
	y := picture.Linear(low, high, 170, panelTop+4)
	if high > 3*low {
		y = picture.Logarithmic(low, high, 170, panelTop+4)
	}
	levels := r.Spectrum.Levels
	x := picture.Scale{Low: 0, High: max(.5, levels[len(levels)-1]), From: panelLeft, To: panelRight, Bend: func(q float64) float64 { return -math.Log10(1 - q) },
		Labels: func(_, _ float64) []float64 {
			return []float64{levels[len(levels)-1], 0, .5, .9, .99, .999, .9999, .75, .95, .25}
		}}
	var out []template.HTML
	for k, t := range r.Spectrum.Treatments {
		out = append(out, spectrum(r, k, t, x, y))
	}
	return out
}

func spectrum(r *Report, k int, t TreatmentSpectrum, x, y picture.Scale) template.HTML {
	base := r.heldAgainst(r.Treatments[k])
	f := panel(205, t.Name, against(base))
	f.Vertical(y, panelLeft, panelRight)
	points := func(values []float64) []picture.Point {
		var ps []picture.Point
		for l, v := range values {
			ps = append(ps, picture.At(x.At(r.Spectrum.Levels[l]), y.At(v)))
		}
		return ps
	}
	var thin [][]picture.Point
	for _, values := range t.Blocks {
		thin = append(thin, points(values))
	}
	f.Strokes("thin", thin)
	if b := slices.IndexFunc(r.Spectrum.Treatments, func(o TreatmentSpectrum) bool { return o.Name == base }); b >= 0 {
		f.Path("baseline", points(r.Spectrum.Treatments[b].Median))
	}
	f.Path("bold", points(t.Median))
	f.Line("axis", picture.At(x.From, 174), picture.At(x.To, 174))
	for _, q := range x.Ticks(34) {
		f.Line("axis", picture.At(x.At(q), 174), picture.At(x.At(q), 178))
		f.Text("tick mid", picture.At(x.At(q), 190), 60, "p"+picture.Label(q*100))
	}
	words := fmt.Sprintf("%d blocks. ", len(t.Blocks))
	for l, v := range t.Median {
		words += fmt.Sprintf("p%s %s µs. ", picture.Label(r.Spectrum.Levels[l]*100), plain(v))
	}
	return f.SVG(fmt.Sprintf("spectrum-%d", k), "Response times of "+t.Name+" by percentile, in µs", words)
}

func against(baseline string) string {
	if baseline == "" {
		return ""
	}
	return "grey: " + baseline
}

// heldAgainst is the treatment that a panel shows beside this one: its baseline
// or, where that never stood, the first that it is compared with; empty without.
func (r *Report) heldAgainst(t Treatment) string {
	names := []string{value(t.Baseline)}
	for _, c := range r.Comparisons {
		if c.Treatment == t.Name {
			names = append(names, c.Baseline)
		}
	}
	for _, name := range names {
		if slices.ContainsFunc(r.Treatments, func(o Treatment) bool { return o.Name == name }) {
			return name
		}
	}
	return ""
}

// course is one comparison's differences in the order of the run.
type course struct {
	name, beside string
	values       []float64 // in the order of the run
	interval     Interval
	margin       float64
}

// courses are the primary comparisons by an endpoint (every one where a study
// has no primary) with the A/A copies first.
func (r *Report) courses(endpoint string) []course {
	out := r.aaCourses(endpoint)
	cs := r.primaries()
	if len(cs) == 0 {
		cs = r.Comparisons
	}
	for _, c := range cs {
		if c.Endpoint == endpoint {
			out = append(out, course{c.Treatment + " − " + c.Baseline, shortVerdict(c), r.runs(c.Treatment, c.Baseline, c.PerBlock), c.Interval, c.Margin})
		}
	}
	for _, e := range r.Effects {
		if e.Endpoint == endpoint && e.Primary && len(e.PerBlock) > 1 {
			out = append(out, course{strings.Join(e.Factors, " × ") + ", " + e.levels(), shortVerdict(e.asComparison()), r.inRunOrder(e.PerBlock), e.Interval, e.Margin})
		}
	}
	return out
}

// inRunOrder puts values of every block, given in the order of the plan, in
// that of the run.
func (r *Report) inRunOrder(values []float64) []float64 {
	if len(values) != len(r.Series.Blocks) {
		return values // not of every block: the order of the plan is what is known
	}
	return r.runsOf(values, func(k int) int { return k })
}

// aaCourses are the differences of each A/A copy from its baseline, where both
// stood in the same blocks.
func (r *Report) aaCourses(endpoint string) []course {
	var out []course
	for _, aa := range r.AA {
		a, own, base := aa.gate(endpoint), r.seriesOf(aa.Treatment), r.seriesOf(aa.Baseline)
		if a == nil || !slices.Equal(own.Stood, base.Stood) || len(own.Values[endpoint]) != len(base.Values[endpoint]) {
			continue
		}
		var values []float64
		for k, v := range own.Values[endpoint] {
			values = append(values, v-base.Values[endpoint][k])
		}
		out = append(out, course{aa.Treatment + " − " + aa.Baseline, "A/A", r.runs(aa.Treatment, aa.Baseline, values), a.Interval, a.Margin})
	}
	return out
}

// seriesOf is empty for a treatment that never stood.
func (r *Report) seriesOf(name string) TreatmentSeries {
	for _, t := range r.Series.Treatments {
		if t.Name == name {
			return t
		}
	}
	return TreatmentSeries{}
}

// runs puts differences, given in the order of the plan, in that of the run.
func (r *Report) runs(treatment, baseline string, values []float64) []float64 {
	own, base := r.seriesOf(treatment).Stood, r.seriesOf(baseline).Stood
	both := slices.DeleteFunc(slices.Clone(own), func(k int) bool { return !slices.Contains(base, k) })
	if len(both) != len(values) {
		return values // not of every block: the order of the plan is what is known
	}
	return r.runsOf(values, func(k int) int { return both[k] })
}

// runsOf sorts values by the start of their blocks.
func (r *Report) runsOf(values []float64, block func(k int) int) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(r.Series.Blocks[block(a)].Started, r.Series.Blocks[block(b)].Started)
	})
	out := make([]float64, len(values))
	for i, k := range order {
		out[i] = values[k]
	}
	return out
}

// runOrder draws courses; all panels have the same scale, each about its own
// middle, so that spreads can be compared.
func runOrder(r *Report, endpoint string) []template.HTML {
	cs := r.courses(endpoint)
	span := 0.0
	for _, c := range cs {
		low, high := c.extent()
		span = max(span, high-low)
	}
	var out []template.HTML
	for k, c := range cs {
		out = append(out, c.draw(fmt.Sprintf("order-%s-%d", endpoint, k), endpoint, span*1.06))
	}
	return out
}

func (c course) extent() (low, high float64) {
	low, high = c.interval.Low, c.interval.High
	for _, v := range c.values {
		low, high = min(low, v), max(high, v)
	}
	return low, high
}

func (c course) draw(id, endpoint string, span float64) template.HTML {
	low, high := c.extent()
	mid := (low + high) / 2
	y := picture.Linear(mid-span/2, mid+span/2, 120, panelTop+4)
	x := picture.Linear(-.5, float64(len(c.values))-.5, panelLeft, panelRight)
	f := panel(146, c.name, c.beside)
	if y.Holds(c.margin) || y.Holds(-c.margin) || y.Holds(0) {
		f.Box("margin", picture.At(x.From, y.At(-c.margin)), picture.At(x.To, y.At(c.margin)))
	}
	f.Vertical(y, panelLeft, panelRight)
	f.Box("band", picture.At(x.From, y.At(c.interval.Low)), picture.At(x.To, y.At(c.interval.High)))
	if y.Holds(0) {
		f.Line("zero", picture.At(x.From, y.At(0)), picture.At(x.To, y.At(0)))
	}
	f.Line("mean", picture.At(x.From, y.At(c.interval.Estimate)), picture.At(x.To, y.At(c.interval.Estimate)))
	words := fmt.Sprintf("Mean %s %s. In the order of the run:", between(c.interval), unitOf(endpoint))
	var spots []picture.Point
	for k, v := range c.values {
		spots = append(spots, picture.At(x.At(float64(k)), y.At(v)))
		words += " " + signed(v)
	}
	f.Dots("spot", spots)
	f.Line("axis", picture.At(x.From, 124), picture.At(x.To, 124))
	f.Text("tick", picture.At(x.From, 139), 80, "block 1")
	f.Text("tick end", picture.At(x.To, 139), 80, fmt.Sprintf("block %d", len(c.values)))
	return f.SVG(id, c.name+" block by block, "+endpointWords[endpoint]+", in "+unitOf(endpoint), words)
}

// usage draws the CPU time and private memory of each treatment's processes
// over the blocks: value against overhead.
func usage(r *Report) []template.HTML {
	cpu, memory := 0.0, 0.0
	for _, t := range r.Series.Treatments {
		for _, p := range t.Parts {
			cpu, memory = max(cpu, slices.Max(p.CPU)), max(memory, slices.Max(p.PrivateMB))
		}
	}
	if cpu <= 0 || memory <= 0 {
		return nil
	}
	var out []template.HTML
	for k, t := range r.Series.Treatments {
		f := panel(190, t.Name, "")
		words := ""
		for side, top := range []float64{cpu, memory} {
			left := panelLeft + float64(side)*172
			y := picture.Linear(0, top, 160, 60)
			x := picture.Linear(0, float64(max(1, len(t.Stood)-1)), left, left+122)
			f.Text("small", picture.At(left-34, 32), 160, []string{"CPU, µs per request", "private memory, MB"}[side])
			f.Vertical(y, left, left+122)
			words += f.partLines(t, side, x, y)
			f.Line("axis", picture.At(x.From, 160), picture.At(x.To, 160))
			f.Text("tick", picture.At(x.From, 175), 60, "block 1")
			f.Text("tick end", picture.At(x.To, 175), 60, fmt.Sprint(len(t.Stood)))
		}
		out = append(out, f.SVG(fmt.Sprintf("usage-%d", k), "CPU time and private memory of "+t.Name+" over the blocks", words))
	}
	return out
}

// partLines draws the lines of proxy and service; their last figures stand
// above the plot, where no line is.
func (f *figure) partLines(t TreatmentSeries, side int, x, y picture.Scale) string {
	words := ""
	key := map[string]picture.Point{"proxy": picture.At(x.From-34, 47), "service": picture.At(x.To, 47)}
	for _, p := range t.Parts {
		values := [][]float64{p.CPU, p.PrivateMB}[side]
		var ps []picture.Point
		for k, v := range values {
			ps = append(ps, picture.At(x.At(float64(k)), y.At(v)))
		}
		if len(ps) == 1 {
			f.Dot("part "+p.Role, ps[0], 2)
		}
		f.Path("part "+p.Role, ps)
		class := "key " + p.Role
		if p.Role == "service" {
			class += " end"
		}
		if at, room := key[p.Role]; room { // for others the words have to do
			f.Text(class, at, 90, p.Role+" "+plain(values[len(values)-1]))
		}
		words += fmt.Sprintf("%s %s: from %s to %s. ", p.Role, []string{"CPU µs per request", "private MB"}[side], plain(slices.Min(values)), plain(slices.Max(values)))
	}
	return words
}

// histograms draws the counts of each treatment over fortio's buckets, the
// largest marked.
func histograms(r *Report) []template.HTML {
	h := r.Histogram
	most := 0
	for _, t := range h.Treatments {
		if t.Largest != nil {
			most = max(most, t.Largest.Count)
		}
	}
	if most == 0 {
		return nil
	}
	x := picture.Logarithmic(max(h.Bounds[0], h.Bounds[1]/2), h.Bounds[len(h.Bounds)-1], panelLeft, panelRight)
	y := picture.Linear(0, float64(most), 150, panelTop+18)
	var out []template.HTML
	for k, t := range h.Treatments {
		out = append(out, histogram(r, k, t, x, y))
	}
	return out
}

func histogram(r *Report, k int, t TreatmentHistogram, x, y picture.Scale) template.HTML {
	h := r.Histogram
	base := r.heldAgainst(r.Treatments[k])
	f := panel(186, t.Name, against(base))
	f.Vertical(y, panelLeft, panelRight)
	words := ""
	for i, n := range t.Counts {
		if n == 0 {
			continue
		}
		class := "bar"
		if t.Largest != nil && h.Bounds[i] == t.Largest.Low {
			class = "bar largest"
		}
		f.Box(class, picture.At(x.At(h.Bounds[i])+.4, y.At(float64(n))), picture.At(x.At(h.Bounds[i+1])-.4, y.At(0)))
		words += fmt.Sprintf("%s to %s µs: %d. ", picture.Label(h.Bounds[i]), picture.Label(h.Bounds[i+1]), n)
	}
	if b := slices.IndexFunc(h.Treatments, func(o TreatmentHistogram) bool { return o.Name == base }); b >= 0 {
		var ps []picture.Point
		for i, n := range h.Treatments[b].Counts {
			ps = append(ps, picture.At(x.At(h.Bounds[i]), y.At(float64(n))), picture.At(x.At(h.Bounds[i+1]), y.At(float64(n))))
		}
		f.Path("outline", ps)
	}
	f.Horizontal(x, 150)
	f.Text("tick", picture.At(panelLeft, 181), 200, "µs")
	if l := t.Largest; l != nil {
		f.Text("small end", picture.At(picture.NarrowWidth, 32), 300, fmt.Sprintf("%s–%s µs: %d ÷ %d = %s", picture.Label(l.Low), picture.Label(l.High), l.Count, h.Cores, plain(l.PerCore)))
	}
	return f.SVG(fmt.Sprintf("histogram-%d", k), "Histogram of the response times of "+t.Name, words)
}
