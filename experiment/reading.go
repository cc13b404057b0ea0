package experiment

import (
	"cmp"
	"slices"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// reading is what the raw samples of one treatment in one block say beside its
// endpoints. It is made once, in one pass over the block.
type reading struct {
	refused int // requests refused where overhead is measured
	// by kind of phase (latency, enforcement) and class of outcome
	classes  map[study.Kind]map[load.Class]*answered
	spectrum *stat.Spectrum // of the latency phase at shiftLevels; nil until asked for
	answered int            // in the latency phase
	// warmup is what MSER-5 says of the latency phase; nil with too few requests.
	warmup *stat.Truncation
	// timed are the response times of the latency phase, until they are read.
	timed []timed
}

// timed is a response time, in µs, with when the request was intended.
type timed struct {
	intended time.Duration
	response float64
}

// answered is the requests of one class.
type answered struct {
	count int       // with those that got no whole response
	times []float64 // of those that did, in µs; sorted
}

// readingsOf reads a block, by treatment.
func readingsOf(b *Block, arms []int) map[int]*reading {
	rs := map[int]*reading{}
	for _, i := range arms {
		rs[i] = &reading{classes: map[study.Kind]map[load.Class]*answered{}}
	}
	for k, ph := range b.Phases {
		for _, s := range b.Samples[k] {
			if r, stood := rs[int(s.Target)]; stood {
				r.add(ph.Phase.Kind, s)
			}
		}
	}
	for _, r := range rs {
		r.finish()
	}
	return rs
}

func (r *reading) add(kind study.Kind, s load.Sample) {
	if kind != study.Enforce && s.Class == load.Limited {
		r.refused++
	}
	if kind != study.Enforce && kind != study.Latency {
		return
	}
	of := r.classes[kind]
	if of == nil {
		of = map[load.Class]*answered{}
		r.classes[kind] = of
	}
	c := of[s.Class]
	if c == nil {
		c = &answered{}
		of[s.Class] = c
	}
	c.count++
	if !s.Whole() {
		return
	}
	x := micros(s.Response())
	c.times = append(c.times, x)
	if kind == study.Latency {
		r.timed = append(r.timed, timed{s.Intended, x})
	}
}

func (r *reading) finish() {
	for _, of := range r.classes {
		for _, c := range of {
			slices.Sort(c.times)
		}
	}
	slices.SortStableFunc(r.timed, func(a, b timed) int { return cmp.Compare(a.intended, b.intended) })
	r.answered = len(r.timed)
	series := make([]float64, len(r.timed))
	for k, t := range r.timed {
		series[k] = t.response
	}
	if found, err := stat.MSER5(series); err == nil { // else there are too few
		r.warmup = &found
	}
	r.timed = nil
}
