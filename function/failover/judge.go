package failover

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// part is the model: the percentage of requests that each replica gets.
func (s Spec) part() [Replicas]float64 {
	levels := slices.Max(s.Priorities) + 1
	there, well := make([]int, levels), make([]int, levels)
	for r, p := range s.Priorities {
		there[p]++
		if s.healthy(r) {
			well[p]++
		}
	}
	bears, sum := make([]int, levels), 0
	for p := range levels {
		bears[p] = min(100, s.Overprovisioning*well[p]/there[p])
		sum += bears[p]
	}
	sum = min(sum, 100)
	panics := make([]bool, levels)
	for p := range levels {
		panics[p] = sum < 100 && 100*well[p]/there[p] < s.Panic
	}
	load := make([]int, levels)
	if !slices.Contains(panics, false) {
		for p := range levels {
			load[p] = 100 * there[p] / Replicas
		}
	} else if sum > 0 {
		left := 100
		for p := range levels {
			load[p] = min(left, bears[p]*100/sum)
			left -= load[p]
		}
		first := slices.IndexFunc(bears, func(b int) bool { return b > 0 })
		load[first] += left
	}
	var part [Replicas]float64
	for r, p := range s.Priorities {
		switch {
		case panics[p]:
			part[r] = float64(load[p]) / float64(there[p])
		case s.healthy(r) && well[p] > 0:
			part[r] = float64(load[p]) / float64(well[p])
		}
	}
	return part
}

// slack is how long a plane may take to act on a change that it has taken:
// Envoy's threads are told one after the other.
const slack = 200 * time.Millisecond

// judge: every replica gets the part of the requests that the model says: none
// where that is nothing, else as many as chance allows but once in a million.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	var n [Replicas]int
	sum, next := 0, 0
	for i, o := range e.Observations {
		if o.Request == nil {
			return nil // under load nobody looks where they went
		}
		if next < len(e.Changes) && o.Latest > e.Changes[next].Asked {
			if o.Earliest < e.Changes[next].Taken+slack {
				if o.Outcome == function.Refused {
					return fmt.Errorf("failover: request %d was refused while it was changed", i)
				}
				continue // it may have been before or after
			}
			if err := s.hold(n, sum); err != nil {
				return err
			}
			if s, err = changed(e.Changes[next]); err != nil {
				return err
			}
			n, sum, next = [Replicas]int{}, 0, next+1
		}
		got, part := e.Reached(i), s.part()
		if part == [Replicas]float64{} {
			if len(got) != 0 || o.Response == nil || o.Response.Status != 503 {
				return fmt.Errorf("failover: request %d was not refused with 503, and there is nobody to ask", i)
			}
			continue
		}
		if o.Outcome == function.Refused || len(got) != 1 {
			return fmt.Errorf("failover: request %d reached %v, not one replica", i, function.Replicas(got))
		}
		if part[got[0].Replica] == 0 {
			return fmt.Errorf("failover: request %d reached replica %d, which is to get nothing", i, got[0].Replica)
		}
		n[got[0].Replica]++
		sum++
	}
	return s.hold(n, sum)
}

// hold compares the parts: 5 deviations of a draw are one in two million.
func (s Spec) hold(n [Replicas]int, sum int) error {
	for r, percent := range s.part() {
		p := percent / 100
		want := p * float64(sum)
		if off := 5*math.Sqrt(want*(1-p)) + 1; math.Abs(float64(n[r])-want) > off {
			return fmt.Errorf("failover: replica %d had %d of %d requests, want %.0f ± %.0f", r, n[r], sum, want, off)
		}
	}
	return nil
}

func changed(c function.Change) (Spec, error) {
	p, err := study.JSONParams("change", []byte(c.Params))
	if err != nil {
		return Spec{}, fmt.Errorf("failover: %w", err)
	}
	to, err := Decode(p)
	if err != nil {
		return Spec{}, err
	}
	return function.SpecAs[Spec](to)
}
