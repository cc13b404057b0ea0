package report

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/picture"
)

// kneeLayout is where the parts of the picture of knees stand.
type kneeLayout struct {
	width, left, right float64 // of the plot
	height             float64 // of the curves
	row                float64 // of one treatment below them
	name               float64 // width that a name may take; a narrow row has it above
}

var (
	wideKnee   = kneeLayout{width: picture.WideWidth, left: 70, right: 800, height: 300, row: 46, name: 720}
	narrowKnee = kneeLayout{width: picture.NarrowWidth, left: 52, right: 332, height: 240, row: 46, name: 330}
)

// kneePicture draws the quantile of the objective against the rate, the
// objective's line, and below, on the same axis, each knee with its interval.
func (r *Report) kneePicture(id string, l kneeLayout) template.HTML {
	k := r.Knee
	e := shown(k.objective)
	var rates, times []float64
	for _, t := range k.Treatments {
		for _, p := range t.Curve {
			if v := p.at(e); v != nil {
				rates, times = append(rates, p.Rate), append(times, *v)
			}
		}
		for _, v := range []*float64{t.Rate, t.Low, t.High} {
			if v != nil {
				rates = append(rates, *v)
			}
		}
	}
	bound, bounded := k.bound(e)
	if bounded {
		times = append(times, bound)
	}
	if len(rates) == 0 || len(times) == 0 {
		return ""
	}
	x := picture.Logarithmic(slices.Min(rates)*.95, slices.Max(rates)*1.05, l.left, l.right)
	// Beyond a hundred times the bound everything is late: the rest is cut.
	top := slices.Max(times)
	if bounded {
		top = min(top, 100*bound)
	}
	y := picture.Logarithmic(slices.Min(times)*.9, top*1.1, l.height, 24)
	f := newFigure(l.width, l.height+60+l.row*float64(len(k.Treatments)))
	f.Text("tick", picture.At(0, 14), l.width, fmt.Sprintf("%s in µs", e))
	f.Vertical(y, l.left, l.right)
	if bounded {
		f.Line("objective", picture.At(l.left, y.At(bound)), picture.At(l.right, y.At(bound)))
		f.Text("small", picture.At(l.left+4, y.At(bound)-5), l.right-l.left, "objective "+k.Objective)
	}
	for i, t := range k.Treatments {
		f.kneeCurve(t, e, i, x, y)
	}
	f.Horizontal(x, l.height)
	f.Text("tick", picture.At(l.left, l.height+32), l.right-l.left, "requests/s; below: the knees")
	for i, t := range k.Treatments {
		f.kneeRow(t, i, x, l, l.height+40+l.row*float64(i))
	}
	return f.SVG(id, "Latency against rate, and the greatest rate under "+k.Objective, k.pictureWords())
}

// kneeCurve draws one treatment's curve, in a style of its own.
func (f *figure) kneeCurve(t KneeTreatment, e experiment.Endpoint, i int, x, y picture.Scale) {
	var line []picture.Point
	for _, p := range t.Curve {
		if v := p.at(e); v != nil {
			line = append(line, picture.At(x.At(p.Rate), y.At(*v)))
		}
	}
	f.Path("line "+picture.SeriesClass(i), line)
	for _, p := range line {
		f.SeriesMark(i, p)
	}
}

// kneeRow draws a treatment's knee with its interval, and its figures above.
func (f *figure) kneeRow(t KneeTreatment, i int, x picture.Scale, l kneeLayout, top float64) {
	f.Line("line "+picture.SeriesClass(i), picture.At(0, top+9), picture.At(26, top+9))
	f.Text("name", picture.At(32, top+13), l.name-32, t.Name+": "+t.figures())
	if t.Rate == nil {
		return
	}
	at := picture.At(x.At(*t.Rate), top+30)
	switch {
	case t.Low != nil && t.High != nil:
		f.Interval("whisker", x.At(*t.Low), x.At(*t.High), at.Y)
	case t.Bound == string(experiment.AtLeast): // an arrow to where it lies
		f.Line("whisker undecided", at, picture.At(l.right, at.Y))
	case t.Bound == string(experiment.Below):
		f.Line("whisker undecided", picture.At(l.left, at.Y), at)
	}
	f.SeriesMark(i, at)
}

// figures are the knee in a few words.
func (t KneeTreatment) figures() string {
	switch {
	case t.Rate == nil:
		return "not known"
	case t.Bound == string(experiment.AtLeast):
		return "at least " + plain(*t.Rate) + "/s"
	case t.Bound == string(experiment.Below):
		return "below " + plain(*t.Rate) + "/s"
	case t.Low == nil:
		return "about " + plain(*t.Rate) + "/s"
	}
	return fmt.Sprintf("%s/s (%s to %s)", plain(*t.Rate), plain(*t.Low), plain(*t.High))
}

// at is a quantile of a point of the curve, in µs.
func (p CurvePoint) at(e experiment.Endpoint) *float64 {
	switch e {
	case experiment.P50:
		return p.P50
	case experiment.P90:
		return p.P90
	case experiment.P99:
		return p.P99
	}
	return p.Bounded
}

// bound is what the objective allows the quantile, in µs.
func (k *Knee) bound(e experiment.Endpoint) (float64, bool) {
	for _, c := range k.objective {
		if c.Quantile > 0 && c.Name() == string(e) {
			return float64(c.Response.Nanoseconds()) / 1e3, true
		}
	}
	return 0, false
}

// pictureWords is the picture in words.
func (k *Knee) pictureWords() string {
	s := "Horizontal line: the objective, " + k.Objective + ". "
	for _, t := range k.Treatments {
		s += fmt.Sprintf("%s: %s", t.Name, t.figures())
		if low, high := t.ends(); low != nil {
			s += fmt.Sprintf("; from %s requests/s to %s, CPU per request %s to %s µs", plain(low.Rate), plain(high.Rate), number(low.CPU), number(high.CPU))
		}
		s += ". "
	}
	return s
}

func (t KneeTreatment) ends() (low, high *CurvePoint) {
	if len(t.Curve) == 0 {
		return nil, nil
	}
	byRate := func(a, b CurvePoint) int { return cmp.Compare(a.Rate, b.Rate) }
	a, b := slices.MinFunc(t.Curve, byRate), slices.MaxFunc(t.Curve, byRate)
	return &a, &b
}
