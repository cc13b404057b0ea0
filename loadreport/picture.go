package loadreport

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"

	"github.com/taremesh/tare/internal/picture"
)

// layout is how large a picture is; the columns of a heat map are at most so many.
type layout struct {
	name          string
	width, height float64
	columns       int
}

var (
	wideLayout   = layout{"", picture.WideWidth, 300, mostSlots}
	narrowLayout = layout{"-n", picture.NarrowWidth, 250, mostSlots / 2}
)

// Places that all pictures share.
const (
	plotLeft  = 46
	plotTop   = 24
	plotRight = 10 // from the right edge
	plotFoot  = 40 // below the plot
	shades    = 6
)

// joinedSlots are the load's slots, at most so many, and how many seconds each is.
func (r *Result) joinedSlots(most int) ([]slot, float64) {
	t := timeline{width: r.line.width, slots: append([]slot(nil), r.line.slots...)}
	for len(t.slots) > most {
		t.halve()
	}
	return t.slots, t.width.Seconds()
}

// heat draws how many requests had which latency at which time.
func (r *Result) heat() *twice {
	if r.Latency.Count == 0 {
		return nil
	}
	return &twice{r.heatIn(wideLayout), r.heatIn(narrowLayout)}
}

func (r *Result) heatIn(l layout) template.HTML {
	slots, seconds := r.joinedSlots(l.columns)
	low, high, most := extent(slots)
	f := picture.Figure{Width: l.width, Height: l.height + plotFoot}
	x := picture.Linear(0, float64(len(slots))*seconds, plotLeft, l.width-plotRight)
	y := picture.Logarithmic(binLow(low), binLow(high+1), l.height, plotTop)
	f.Text("small", picture.At(0, 12), l.width, "latency, µs")
	var cells [shades]strings.Builder
	var median []picture.Point
	for k := range slots {
		left, right := x.At(float64(k)*seconds), x.At(float64(k+1)*seconds)
		for b := low; b <= high; b++ {
			if n := slots[k].latency[b]; n > 0 {
				top, bottom := y.At(binLow(b+1)), y.At(binLow(b))
				fmt.Fprintf(&cells[shade(n, most)], "M%.1f %.1fh%.1fv%.1fh%.1fz", left, top, right-left, bottom-top, left-right)
			}
		}
		if m := quantile(&slots[k].latency, 0.5); !math.IsNaN(m) {
			median = append(median, picture.At((left+right)/2, y.At(m)))
		}
	}
	f.Vertical(y, plotLeft, l.width-plotRight)
	for k := range cells {
		if cells[k].Len() > 0 {
			fmt.Fprintf(&f, `<path class="heat h%d" d="%s"/>`+"\n", k, cells[k].String())
		}
	}
	f.Path("median", median)
	f.Horizontal(x, l.height)
	f.Text("tick", picture.At(plotLeft, l.height+32), l.width, "seconds since the start")
	words := fmt.Sprintf("%d requests over %.1f s in cells of %.2g s by a fifth; latencies from %s to %s µs; at most %d requests in a cell.",
		r.Latency.Count, float64(len(slots))*seconds, seconds, number(binLow(low)), number(binLow(high+1)), most)
	return f.SVG("heat"+l.name, "Latency over time", words)
}

// extent is the lowest and the highest bin with a latency, and the most in a cell.
func extent(slots []slot) (low, high int, most uint32) {
	low = bins
	for k := range slots {
		for b, n := range slots[k].latency {
			if n > 0 {
				low, high, most = min(low, b), max(high, b), max(most, n)
			}
		}
	}
	return min(low, high), high, most
}

// shade is how dark a cell is, by the logarithm of its requests.
func shade(n, most uint32) int {
	if most <= 1 {
		return shades - 1
	}
	return min(int(math.Log(float64(n))/math.Log(float64(most))*shades), shades-1)
}

// spectrumPicture draws latency and service over the distance to all requests.
func (r *Result) spectrumPicture() *twice {
	if len(r.Spectrum) < 2 {
		return nil
	}
	return &twice{r.spectrumIn(wideLayout), r.spectrumIn(narrowLayout)}
}

func (r *Result) spectrumIn(l layout) template.HTML {
	const key = 150 // room for the names of the lines
	last := r.Spectrum[len(r.Spectrum)-1]
	low, high := r.Spectrum[0].Latency, last.Latency
	for _, v := range r.Spectrum {
		if v.Service != nil {
			low = min(low, *v.Service)
		}
	}
	f := picture.Figure{Width: l.width, Height: l.height + plotFoot}
	x := picture.Logarithmic(1, 1/(1-last.Level), plotLeft, l.width-plotRight)
	x.Labels = func(float64, float64) []float64 { return []float64{1, 10, 100, 1e3, 2, 1e4, 1e5, 1e6, 4, 20} }
	y := picture.Logarithmic(max(low, lowestBin)*0.9, high*1.1, l.height, plotTop)
	f.Text("small", picture.At(0, 12), l.width-2*key, "µs")
	f.Vertical(y, plotLeft, l.width-plotRight)
	f.Line("axis", picture.At(plotLeft, l.height), picture.At(l.width-plotRight, l.height))
	for _, v := range x.Ticks(picture.TickGap) {
		f.Line("axis", picture.At(x.At(v), l.height), picture.At(x.At(v), l.height+4))
		f.Text("tick mid", picture.At(x.At(v), l.height+15), l.width, strconv.FormatFloat(math.Round((1-1/v)*1e8)/1e6, 'f', -1, 64))
	}
	f.Text("tick", picture.At(plotLeft, l.height+32), l.width, "percentile")
	var latency, service []picture.Point
	words := "Latency, µs:"
	for _, v := range r.Spectrum {
		at := x.At(1 / (1 - v.Level))
		latency = append(latency, picture.At(at, y.At(v.Latency)))
		if v.Service != nil {
			service = append(service, picture.At(at, y.At(*v.Service)))
		}
		words += fmt.Sprintf(" %s %s", quantileName(v.Level), number(v.Latency))
	}
	f.Path("line s1", service)
	f.Path("line s0", latency)
	for k, name := range []string{"latency", "service"} {
		at := plotLeft + 20 + float64(k)*90
		f.Line("line s"+strconv.Itoa(k), picture.At(at, 8), picture.At(at+22, 8))
		f.Text("small", picture.At(at+27, 12), 80, name)
	}
	return f.SVG("spectrum"+l.name, "Percentile spectrum", words+".")
}

// strips draw the rate, the lateness and the errors over time.
func (r *Result) strips() []template.HTML {
	slots, seconds := r.joinedSlots(mostSlots / 2)
	if len(slots) == 0 {
		return nil
	}
	out := []template.HTML{r.rateStrip(slots, seconds)}
	if !r.Closed {
		out = append(out, r.latenessStrip(slots, seconds))
	}
	if r.Errors > 0 {
		out = append(out, r.errorStrip(slots, seconds))
	}
	return out
}

const (
	stripHeight = 130
	stripFoot   = 34
)

// strip begins a small picture over time.
func strip(name string, slots []slot, seconds float64) (*picture.Figure, picture.Scale) {
	f := &picture.Figure{Width: picture.NarrowWidth, Height: stripHeight + stripFoot}
	f.Text("name", picture.At(0, 12), picture.NarrowWidth, name)
	return f, picture.Linear(0, float64(len(slots))*seconds, plotLeft, picture.NarrowWidth-plotRight)
}

// rateStrip draws requests per second; the last slot may be a part of one.
func (r *Result) rateStrip(slots []slot, seconds float64) template.HTML {
	f, x := strip("Requests/s, by intended time", slots, seconds)
	whole := slots
	if len(slots) > 1 {
		whole = slots[:len(slots)-1]
	}
	most := 0.0
	for k := range whole {
		most = max(most, float64(whole[k].requests)/seconds)
	}
	y := picture.Linear(0, max(most, 1), stripHeight, plotTop)
	f.Vertical(y, plotLeft, picture.NarrowWidth-plotRight)
	var line []picture.Point
	for k := range whole {
		v := y.At(float64(whole[k].requests) / seconds)
		line = append(line, picture.At(x.At(float64(k)*seconds), v), picture.At(x.At(float64(k+1)*seconds), v))
	}
	f.Path("rate", line)
	f.Horizontal(x, stripHeight)
	f.Text("tick", picture.At(plotLeft, stripHeight+30), 200, "seconds")
	return f.SVG("rate", "Requests per second over time", fmt.Sprintf("At most %s requests/s.", number(most)))
}

// latenessStrip draws the median and p99 of the lateness, and the limit of p99.
func (r *Result) latenessStrip(slots []slot, seconds float64) template.HTML {
	f, x := strip("Lateness, µs: p50 and p99", slots, seconds)
	low, high := 1.0, 100.0
	for k := range slots {
		if v := quantile(&slots[k].late, 0.99); !math.IsNaN(v) {
			high = max(high, v)
		}
	}
	y := picture.Logarithmic(low, high, stripHeight, plotTop)
	f.Vertical(y, plotLeft, picture.NarrowWidth-plotRight)
	f.Line("limit", picture.At(x.From, y.At(latenessP99)), picture.At(x.To, y.At(latenessP99)))
	for i, q := range []float64{0.5, 0.99} {
		var line []picture.Point
		for k := range slots {
			if v := quantile(&slots[k].late, q); !math.IsNaN(v) {
				line = append(line, picture.At(x.At((float64(k)+.5)*seconds), y.At(v)))
			}
		}
		f.Path("line s"+strconv.Itoa(i), line)
	}
	f.Horizontal(x, stripHeight)
	f.Text("tick", picture.At(plotLeft, stripHeight+30), 280, fmt.Sprintf("seconds; level: the limit of p99, %d µs", latenessP99))
	return f.SVG("lateness", "Lateness of the generator over time", fmt.Sprintf("p99 is at most %s µs in a stretch.", number(high)))
}

// errorStrip draws errors per second.
func (r *Result) errorStrip(slots []slot, seconds float64) template.HTML {
	f, x := strip("Errors/s, by intended time", slots, seconds)
	most := 0.0
	for k := range slots {
		most = max(most, float64(slots[k].errors())/seconds)
	}
	y := picture.Linear(0, most, stripHeight, plotTop)
	f.Vertical(y, plotLeft, picture.NarrowWidth-plotRight)
	for k := range slots {
		if n := slots[k].errors(); n > 0 {
			f.Box("wrong", picture.At(x.At(float64(k)*seconds), y.At(float64(n)/seconds)), picture.At(x.At(float64(k+1)*seconds), y.At(0)))
		}
	}
	f.Horizontal(x, stripHeight)
	f.Text("tick", picture.At(plotLeft, stripHeight+30), 200, "seconds")
	return f.SVG("errors", "Errors per second over time", fmt.Sprintf("At most %s errors/s.", number(most)))
}
