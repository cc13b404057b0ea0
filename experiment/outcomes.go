package experiment

import (
	"fmt"
	"math"
	"slices"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Outcomes is what became of all requests that a treatment was offered in the
// phases of one kind. Beside the classes stands All: the median of those that
// succeeded says little where others were refused or never answered.
type Outcomes struct {
	Kind    study.Kind // Latency or Enforce
	All     ClassFigures
	Classes []ClassFigures
}

// ClassFigures is the requests with one class of outcome, over all blocks that
// count. A value is the mean of the blocks' own, with its interval, where every
// block has enough requests; else it is that of all blocks' requests together.
// Of All, a request without a whole response counts as one that never ends.
type ClassFigures struct {
	Class     load.Class // of All it is OK and means nothing
	Count     int
	Share     float64 // of all offered
	Values    map[Endpoint]float64
	Intervals map[Endpoint]stat.Interval // each on its own
	Why       map[Endpoint]string        // of the absent values
	// Median is that of the answered requests of all blocks together, however few; 0 without any.
	Median float64
}

// classEndpoints are the figures of a class.
func classEndpoints() []Endpoint { return []Endpoint{P50, P90} }

func (an *Analysis) addOutcomes(s *sheet) {
	for i := range an.Treatments {
		an.Treatments[i].Outcomes = outcomesOf(s, i, an.Treatments[i].Stood)
	}
}

// outcomesOf collects treatment i's outcomes over the blocks that it stood in.
func outcomesOf(s *sheet, i int, stood []int) []Outcomes {
	var out []Outcomes
	for _, kind := range []study.Kind{study.Latency, study.Enforce} {
		var all []answered
		by := map[load.Class][]answered{}
		for _, k := range stood {
			r := s.readings[k][i]
			for c := range load.Classes {
				a := r.classes[kind][c]
				if a == nil {
					a = &answered{}
				}
				by[c] = append(by[c], *a)
			}
			all = append(all, r.all(kind))
		}
		o := Outcomes{Kind: kind, All: s.classFigures(all)}
		if o.All.Count == 0 {
			continue
		}
		o.All.Share = 1
		for c := range load.Classes {
			f := s.classFigures(answeredOnly(by[c]))
			if f.Count = count(by[c]); f.Count == 0 {
				continue
			}
			if xs := together(by[c]).times; len(xs) > 0 {
				f.Median = stat.Quantile(xs, 0.5)
			}
			f.Class, f.Share = c, float64(f.Count)/float64(o.All.Count)
			o.Classes = append(o.Classes, f)
		}
		out = append(out, o)
	}
	return out
}

// answeredOnly leaves out what got no whole response: it has no time.
func answeredOnly(blocks []answered) []answered {
	out := slices.Clone(blocks)
	for k := range out {
		out[k].count = len(out[k].times)
	}
	return out
}

func count(blocks []answered) int {
	n := 0
	for _, a := range blocks {
		n += a.count
	}
	return n
}

// together is the requests of all blocks as if they were of one.
func together(blocks []answered) answered {
	all := answered{count: count(blocks)}
	for _, a := range blocks {
		all.times = append(all.times, a.times...)
	}
	slices.Sort(all.times)
	return all
}

// classFigures are the quantiles of requests that are given block by block.
func (s *sheet) classFigures(blocks []answered) ClassFigures {
	f := ClassFigures{Count: count(blocks), Values: map[Endpoint]float64{}, Intervals: map[Endpoint]stat.Interval{}, Why: map[Endpoint]string{}}
	if f.Count == 0 {
		for _, e := range classEndpoints() {
			f.Why[e] = "no request got a whole response"
		}
		return f
	}
	for _, e := range classEndpoints() {
		q := quantiles[e]
		if values := eachQuantile(blocks, q); values != nil {
			f.Values[e] = mean(values)
			if i, err := stat.PairedT(values, s.plan.Rule.Level); err == nil {
				f.Intervals[e] = i
			}
			continue
		}
		if v, why := together(blocks).quantile(q); why != "" {
			f.Why[e] = why
		} else {
			f.Values[e] = v
		}
	}
	return f
}

// eachQuantile is the quantile of each block; nil if a block lacks it.
func eachQuantile(blocks []answered, q float64) []float64 {
	var values []float64
	for _, a := range blocks {
		v, why := a.quantile(q)
		if why != "" {
			return nil
		}
		values = append(values, v)
	}
	return values
}

// quantile is q of all requests, those without a whole response being the
// slowest; why says what keeps it from being given.
func (a answered) quantile(q float64) (v float64, why string) {
	if ok, why := stat.Supported(a.count, q); !ok {
		return 0, why
	}
	at := float64(a.count-1) * q // stat.Quantile's place
	if last := int(math.Ceil(at)); last >= len(a.times) {
		return 0, fmt.Sprintf("%d of %d requests got no whole response", a.count-len(a.times), a.count)
	}
	low := int(at)
	part := a.times[low : low+1]
	if at > float64(low) {
		part = a.times[low : low+2]
	}
	return stat.Quantile(part, at-float64(low)), ""
}
