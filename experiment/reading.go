package experiment

import (
	"maps"
	"slices"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/study"
)

// reading is what the raw samples of one treatment in one block say beside its
// endpoints. It is made once, in one pass over the block.
type reading struct {
	refused int // requests refused where overhead is measured
	// by kind of phase (latency, enforcement) and class of outcome
	classes map[study.Kind]map[load.Class]*answered
	// latency are the response times of the latency phase in the order of the
	// intended times, in µs; nil once grid and settled are made of it.
	latency []float64
	grid    []float64 // quantiles at shiftLevels, as far as the requests support them
	warm    float64   // requests at the beginning that MSER-5 would leave out
	enough  bool      // for MSER-5
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
		r.latency = append(r.latency, x)
	}
}

func (r *reading) finish() {
	for _, of := range r.classes {
		for c := range maps.Values(of) {
			slices.Sort(c.times)
		}
	}
}
