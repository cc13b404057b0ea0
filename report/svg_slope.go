package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/taremesh/tare/internal/picture"
)

// slopes draws each endpoint against the levels of a factor: a thin line for
// each block, the means, and the straight line whose slope is the answer.
func (r *Report) slopes() []template.HTML {
	var out []template.HTML
	for k, s := range r.Slopes {
		if len(s.Points) > 1 {
			out = append(out, r.slope(fmt.Sprintf("slope-%d", k), s))
		}
	}
	return out
}

func (r *Report) slope(id string, s Slope) template.HTML {
	blocks := r.slopeBlocks(s)
	low, high, meanX, meanY := math.Inf(1), math.Inf(-1), 0.0, 0.0
	for k, p := range s.Points {
		low, high = min(low, p.Value), max(high, p.Value)
		meanX, meanY = meanX+p.X/float64(len(s.Points)), meanY+p.Value/float64(len(s.Points))
		for _, line := range blocks {
			low, high = min(low, line[k]), max(high, line[k])
		}
	}
	first, last := s.Points[0].X, s.Points[len(s.Points)-1].X
	fitted := func(x float64) float64 { return meanY + s.Estimate*(x-meanX) }
	low, high = min(low, fitted(first), fitted(last)), max(high, fitted(first), fitted(last))
	room := (high - low) * .04
	y := picture.Linear(low-room, high+room, 170, 46)
	x := picture.Linear(first, last, panelLeft+8, panelRight)
	straight := ""
	if s.Curved {
		straight = "curved"
	}
	f := panel(208, heading(s.Endpoint)+" by "+s.Factor, straight)
	f.Text("small", picture.At(0, 31), picture.NarrowWidth, s.words())
	f.Vertical(y, panelLeft, panelRight)
	var thin [][]picture.Point
	for _, line := range blocks {
		var ps []picture.Point
		for k, v := range line {
			ps = append(ps, picture.At(x.At(s.Points[k].X), y.At(v)))
		}
		thin = append(thin, ps)
	}
	f.Strokes("thin", thin)
	f.Path("line s0", []picture.Point{picture.At(x.At(first), y.At(fitted(first))), picture.At(x.At(last), y.At(fitted(last)))})
	f.Line("axis", picture.At(panelLeft, 174), picture.At(panelRight, 174))
	words := strings.TrimSpace(s.words()+". "+straight) + " "
	var at []float64
	for _, p := range s.Points {
		f.SeriesMark(1, picture.At(x.At(p.X), y.At(p.Value)))
		words += fmt.Sprintf("%s: %s %s. ", p.Level, plain(p.Value), unitOf(s.Endpoint))
		if !slices.ContainsFunc(at, func(other float64) bool { return math.Abs(other-x.At(p.X)) < 34 }) {
			f.Text("tick mid", picture.At(x.At(p.X), 189), 60, p.Level)
			at = append(at, x.At(p.X))
		}
	}
	f.Text("tick mid", picture.At((panelLeft+panelRight)/2, 204), panelRight-panelLeft, s.Factor)
	return f.SVG(id, fmt.Sprintf("%s against %s, in %s", heading(s.Endpoint), s.Factor, unitOf(s.Endpoint)), words)
}

// words is the slope in words.
func (s Slope) words() string {
	return fmt.Sprintf("%s %s per %s", betweenFine(s.Interval), unitWords(s.Unit), s.Per)
}

// betweenFine is between for figures that may be far below 1.
func betweenFine(i Interval) string {
	return fmt.Sprintf("%s (%s to %s)", signedFine(i.Estimate), signedFine(i.Low), signedFine(i.High))
}

// signedFine prints three significant digits of a small figure.
func signedFine(x float64) string {
	if math.Abs(x) >= 1 || x == 0 {
		return signed(x)
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(x))))
	if digits > 9 {
		return signed(x)
	}
	sign := "+"
	if x < 0 {
		sign = "−"
	}
	return sign + fmt.Sprintf("%.*f", digits, math.Abs(x))
}

// slopeBlocks are the values at each point, block by block; none where a
// treatment did not stand in every block.
func (r *Report) slopeBlocks(s Slope) [][]float64 {
	if r.Series == nil {
		return nil
	}
	out := make([][]float64, len(r.Series.Blocks))
	for _, p := range s.Points {
		sum := make([]float64, len(out))
		for _, name := range p.Treatments {
			values := r.seriesOf(name).Values[s.Endpoint]
			if len(values) != len(out) {
				return nil
			}
			for b, v := range values {
				sum[b] += v / float64(len(p.Treatments))
			}
		}
		for b := range out {
			out[b] = append(out[b], sum[b])
		}
	}
	return out
}
