package discovery

import (
	"fmt"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// slack is how long a plane may take to act on a change that it has taken:
// Envoy's threads are told one after the other.
const slack = 200 * time.Millisecond

// judge: no request fails, ever; before a change only the replicas of before are
// asked, after it only those of after, and each of them.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	var n [Replicas]int
	sum, next := 0, 0
	for i, o := range e.Observations {
		if o.Outcome == function.Refused {
			return fmt.Errorf("discovery: request %d failed", i)
		}
		if o.Request == nil {
			continue // under load nobody looks where it went
		}
		got := e.Reached(i)
		if o.Response == nil || len(got) != 1 {
			return fmt.Errorf("discovery: request %d failed: it reached %v", i, function.Replicas(got))
		}
		if next < len(e.Changes) && o.Latest > e.Changes[next].Asked {
			if o.Earliest < e.Changes[next].Taken+slack {
				continue // it may have been before or after
			}
			if err := s.all(n, sum); err != nil {
				return err
			}
			if s, err = changed(e.Changes[next]); err != nil {
				return err
			}
			n, sum, next = [Replicas]int{}, 0, next+1
		}
		if !s.present(got[0].Replica) {
			return fmt.Errorf("discovery: request %d reached replica %d, which is not there", i, got[0].Replica)
		}
		n[got[0].Replica]++
		sum++
	}
	if next < len(e.Changes) {
		return fmt.Errorf("discovery: no request came after change %d", next)
	}
	return s.all(n, sum)
}

// all holds that each replica that is there had its turn.
func (s Spec) all(n [Replicas]int, sum int) error {
	for r, k := range n {
		if s.present(r) && k == 0 && sum >= 2*Replicas {
			return fmt.Errorf("discovery: replica %d had none of %d requests", r, sum)
		}
	}
	return nil
}

func changed(c function.Change) (Spec, error) {
	p, err := study.JSONParams("change", []byte(c.Params))
	if err != nil {
		return Spec{}, fmt.Errorf("discovery: %w", err)
	}
	to, err := Decode(p)
	if err != nil {
		return Spec{}, err
	}
	return function.SpecAs[Spec](to)
}
