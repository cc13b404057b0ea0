package experiment

import (
	"cmp"
	"errors"
	"slices"
	"strconv"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Slope is what one more of something costs: the line through an endpoint's
// values at the levels of a factor that are numbers.
type Slope struct {
	// Interval is in the endpoint's unit per Unit, of this slope alone.
	stat.Interval
	Factor   string // as in the study: connections, response
	Unit     string // of X: connections, KiB
	Endpoint Endpoint
	Points   []SlopePoint // by X
	Blocks   int
	// Curvature is how far the values bend from the line, in the endpoint's
	// unit; nil with fewer than 3 levels. Curved: it lies wholly beyond the
	// margin, so that one slope does not say it all.
	Curvature *stat.Interval
	Curved    bool
	// PerBlock are the slopes of each block, in the order of the plan.
	PerBlock []float64
}

// SlopePoint is one level of a slope's factor.
type SlopePoint struct {
	Level      string
	X          float64
	Value      float64 // mean over blocks
	Treatments []int   // that Value is the mean of
}

// rateFactor is the factor of requests/s.
const rateFactor = "rate"

// line is treatments that differ by the level of one factor alone, or whose
// other factors are balanced against it.
type line struct {
	factor, unit string
	treatments   []int
	levels       []string // of each treatment
	x            []float64
}

// MarginalCPU is the CPU time that one more request takes: the slope of CPU time
// per second over the rate, without what a process spends at any rate. At higher
// rates requests share wake-ups (method.md §6); in design windows the treatments
// stand alone. It is an endpoint of slopes over a rate only.
const MarginalCPU Endpoint = "marginal-cpu"

// slopes gives a slope by each endpoint of each line.
func (an *Analysis) slopes(s *sheet) error {
	for _, l := range lines(&s.plan.Study) {
		endpoints := endpointsOf(&s.plan.Study)
		if l.factor == rateFactor {
			endpoints = append(endpoints, MarginalCPU)
		}
		for _, e := range endpoints {
			one, ok, err := l.slope(s, e)
			if err != nil {
				return err
			}
			if ok {
				an.Slopes = append(an.Slopes, one)
			}
		}
	}
	return nil
}

// lines lists what slopes can be laid through.
func lines(st *study.Study) []line {
	if f, ok := factorsOf(st); ok {
		return f.lines(st)
	}
	return settingLines(st)
}

// lines of a design over factors: all cells where they are crossed, else those
// that have every other factor at its first level.
func (f factors) lines(st *study.Study) []line {
	var out []line
	for k := range f.of {
		l := line{factor: f.of[k].Name}
		for _, c := range f.cells {
			alone := true
			for j, level := range c.Levels {
				alone = alone && (j == k || level == 0)
			}
			if alone || crossed(st.Design) {
				l.add(st, c.Treatment, f.of[k].Levels[c.Levels[k]])
			}
		}
		if l.different() {
			out = append(out, l)
		}
	}
	return out
}

// add takes a treatment in whose level is a number.
func (l *line) add(st *study.Study, treatment int, level string) {
	x, unit, ok := st.Number(l.factor, level)
	if !ok {
		return
	}
	l.unit = unit
	l.treatments, l.levels, l.x = append(l.treatments, treatment), append(l.levels, level), append(l.x, x)
}

// different reports whether there is more than one number.
func (l *line) different() bool {
	return len(l.x) > 0 && slices.Max(l.x) > slices.Min(l.x)
}

// settingLines are those of treatments that each set one factor otherwise on
// the same treatment below them, which is on the line too where the study says
// its level.
func settingLines(st *study.Study) []line {
	var out []line
	at := map[string]int{}
	for i, t := range st.Treatments {
		if len(t.Set) != 1 || t.Control == study.AA || !st.Stands(i) {
			continue
		}
		factor := t.Set[0].Factor
		root := rootOf(st, i, factor)
		key := factor + "\n" + strconv.Itoa(root)
		k, known := at[key]
		if !known {
			k = len(out)
			at[key] = k
			out = append(out, line{factor: factor})
			if level, ok := levelAt(st, root, factor); ok && st.Stands(root) {
				out[k].add(st, root, level)
			}
		}
		out[k].add(st, i, t.Set[0].Level)
	}
	return slices.DeleteFunc(out, func(l line) bool { return !l.different() })
}

// rootOf is the treatment below i, or below what i stands on, that does not set
// the factor itself.
func rootOf(st *study.Study, i int, factor string) int {
	for {
		t := st.Treatments[i]
		if t.Baseline == "" || len(t.Set) != 1 || t.Set[0].Factor != factor {
			return i
		}
		i = st.Index(t.Baseline)
	}
}

// levelAt is the level of a factor at a treatment: as its ladder sets it, else
// as the study's load says.
func levelAt(st *study.Study, i int, factor string) (string, bool) {
	if level, ok := st.SettingsOf(i).Level(factor); ok {
		return level, true
	}
	switch factor {
	case "connections":
		return strconv.Itoa(st.Load.Connections), true
	case rateFactor:
		return st.Load.Rate.String(), true
	case "chain":
		return "0", true
	}
	return "", false
}

// slope lays the line; false without the endpoint, or where the slopes of all
// blocks are the same and nothing is known of their error.
func (l line) slope(s *sheet, e Endpoint) (Slope, bool, error) {
	values := l.values(s, e)
	if values == nil || len(values[0]) < 2 {
		return Slope{}, false, nil
	}
	fit, err := stat.Slope(l.x, values)
	if err != nil {
		return Slope{}, false, err
	}
	out := Slope{Factor: l.factor, Unit: l.unit, Endpoint: e, Blocks: len(values[0]), PerBlock: fit.Slope, Points: l.points(values)}
	if e == MarginalCPU {
		out.Unit = "request" // µs/s for each request/s
	}
	level := s.plan.Rule.Level
	if out.Interval, err = stat.PairedT(fit.Slope, level); errors.Is(err, stat.ErrNoSpread) {
		return Slope{}, false, nil
	} else if err != nil {
		return Slope{}, false, err
	}
	if fit.Bend == nil {
		return out, true, nil
	}
	bend, warnings, err := fit.Curvature(e.margin(s.plan.Study.Margin, median(values[0])), level)
	if errors.Is(err, stat.ErrNoSpread) {
		return out, true, nil
	}
	out.Curvature, out.Curved = &bend, len(warnings) > 0
	return out, true, err
}

// values are those of the line's treatments, block by block. For MarginalCPU
// they are CPU time per second at the nominal rate, so that how many requests
// chance has sent is no part of them.
func (l line) values(s *sheet, e Endpoint) [][]float64 {
	if e != MarginalCPU {
		return s.together(e, l.treatments)
	}
	values := s.together(CPU, l.treatments)
	for k := range values {
		for b := range values[k] {
			values[k][b] *= l.x[k]
		}
	}
	return values
}

// points are the means by level.
func (l line) points(values [][]float64) []SlopePoint {
	var out []SlopePoint
	var sums [][]float64
	for k, x := range l.x {
		i := slices.IndexFunc(out, func(p SlopePoint) bool { return p.X == x })
		if i < 0 {
			i = len(out)
			out, sums = append(out, SlopePoint{Level: l.levels[k], X: x}), append(sums, nil)
		}
		out[i].Treatments = append(out[i].Treatments, l.treatments[k])
		sums[i] = append(sums[i], mean(values[k]))
	}
	for i := range out {
		out[i].Value = mean(sums[i])
	}
	slices.SortFunc(out, func(a, b SlopePoint) int { return cmp.Compare(a.X, b.X) })
	return out
}
