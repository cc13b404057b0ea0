package outlierdetection

import (
	"fmt"
	"time"

	"github.com/taremesh/tare/function"
)

// slack is how long a plane may take to act on what it has seen: Envoy decides
// in another thread than the one that saw the failure.
const slack = 200 * time.Millisecond

// replica is the model's view of one: in, or out from one of two times on to
// one of two.
type replica struct {
	row     int // failures
	out     bool
	trigger int // the observation that ejected it
	left    int // requests since it certainly was in that went to others
}

// judge: a replica that has failed so many times in a row gets nothing while it
// is certainly out, and its turn while it certainly is in.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	var all [Replicas]replica
	for i, o := range e.Observations {
		if o.Request == nil {
			return nil // under load nobody looks where they went
		}
		got := e.Reached(i)
		if len(got) != 1 {
			return fmt.Errorf("outlier-detection: request %d reached %v, not one replica", i, function.Replicas(got))
		}
		if o.Response == nil || got[0].Answered != 0 && o.Response.Status != got[0].Answered {
			return fmt.Errorf("outlier-detection: request %d did not get the answer of its replica", i)
		}
		for r := range all {
			if err := s.turn(e, i, r, &all[r], got[0].Replica == r); err != nil {
				return fmt.Errorf("outlier-detection: %w", err)
			}
		}
		s.count(e, i, all[:], got[0])
	}
	return nil
}

// turn holds whether a replica got its turn, or one that it should not have had.
func (s Spec) turn(e function.Evidence, i, r int, x *replica, had bool) error {
	o := e.Observations[i]
	if x.out {
		t := e.Observations[x.trigger]
		switch {
		case o.Earliest > t.Latest+s.Ejection.Std()+s.Review.Std()+slack:
			*x = replica{}
		case o.Earliest > t.Latest+slack && o.Latest < t.Earliest+s.Ejection.Std()-slack && had:
			return fmt.Errorf("request %d reached replica %d, which request %d had ejected %v before", i, r, x.trigger, o.Earliest-t.Latest)
		default:
			return nil
		}
	}
	if x.left++; had {
		x.left = 0
	}
	if x.left > 2*Replicas {
		return fmt.Errorf("replica %d was left out of %d requests up to %d, and there was no reason", r, x.left, i)
	}
	return nil
}

// count notes what the replica answered.
func (s Spec) count(e function.Evidence, i int, all []replica, d function.Delivery) {
	x := &all[d.Replica]
	if x.out {
		return // it may be in or out: what it answers now is not known to count
	}
	if d.Answered != 0 && d.Answered < 500 {
		x.row = 0
		return
	}
	if x.row++; x.row != s.Failures {
		return
	}
	out := 1
	for _, other := range all {
		if other.out {
			out++
		}
	}
	if 100*out > s.mostOut()*Replicas {
		x.row = 0
		return
	}
	*x = replica{out: true, trigger: i}
}
