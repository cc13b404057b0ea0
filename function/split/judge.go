package split

import (
	"fmt"
	"math"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/stat"
)

// level is that of the interval of each share: what is right is called wrong by
// chance once in ten million times.
const level = 1 - 1e-7

// judge: every request reached one service, once, and was answered by it; equal
// values of the sticky header reached one service; and each service's share of
// the draws, its exact interval holds the weight's.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	counts, homes := make([]int, Services), map[string]int{}
	for i, o := range e.Observations {
		if o.Request == nil { // under load nobody looks where it went
			if o.Outcome == function.Refused {
				return fmt.Errorf("split: request %d for %s was refused: none is", i, o.Path)
			}
			continue
		}
		got := e.Reached(i)
		if len(got) != 1 {
			return fmt.Errorf("split: request %d reached %v, not one service alone", i, function.Replicas(got))
		}
		if o.Response == nil || o.Response.Status != got[0].Answered {
			return fmt.Errorf("split: request %d did not get the answer of its service", i)
		}
		service := got[0].Replica
		if s.Sticky != "" && o.Request.Header.Get(s.Sticky) != "" {
			home, known := homes[o.Request.Header.Get(s.Sticky)]
			if known && home != service {
				return fmt.Errorf("split: request %d with %s %s reached service %d, an earlier one %d", i, s.Sticky, o.Request.Header.Get(s.Sticky), service, home)
			}
			if known {
				continue
			}
			homes[o.Request.Header.Get(s.Sticky)] = service
		}
		counts[service]++
	}
	return s.holds(counts)
}

// holds tests each service's share of the draws.
func (s Spec) holds(counts []int) error {
	draws := 0
	for _, n := range counts {
		draws += n
	}
	if draws == 0 {
		return nil
	}
	for i, n := range counts {
		want := 0.0
		if i < len(s.Weights) {
			want = float64(s.Weights[i]) / float64(s.total())
		}
		share, err := stat.Count(n, draws, level)
		if err != nil {
			return fmt.Errorf("split: service %d: %w", i, err)
		}
		if !share.Holds(want) {
			return fmt.Errorf("split: service %d got %d of %d draws: its share lies within %.4f and %.4f, not at %.4f", i, n, draws, share.Low, share.High, want)
		}
	}
	return nil
}

// Power is the probability that the judge finds fault with a service that gets
// the share got of so many draws, where it should get the share want.
func Power(draws int, want, got float64) (float64, error) {
	var found float64
	for n := range draws + 1 {
		share, err := stat.Count(n, draws, level)
		if err != nil {
			return 0, fmt.Errorf("power of the judge of split: %w", err)
		}
		if !share.Holds(want) {
			found += mass(n, draws, got)
		}
	}
	return min(found, 1), nil
}

// mass is the binomial probability of n out of draws.
func mass(n, draws int, p float64) float64 {
	if p <= 0 || p >= 1 {
		if n == 0 && p <= 0 || n == draws && p >= 1 {
			return 1
		}
		return 0
	}
	a, _ := math.Lgamma(float64(draws + 1))
	b, _ := math.Lgamma(float64(n + 1))
	c, _ := math.Lgamma(float64(draws - n + 1))
	return math.Exp(a - b - c + float64(n)*math.Log(p) + float64(draws-n)*math.Log1p(-p))
}
