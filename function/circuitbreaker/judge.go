package circuitbreaker

import (
	"fmt"
	"slices"
	"time"

	"github.com/taremesh/tare/function"
)

const (
	// slack is how long after its response a request may still hold its place.
	slack = 80 * time.Millisecond
	// atOnce is how long a refusal may take.
	atOnce = 350 * time.Millisecond
)

// judge: never are more requests at the service than the limit; whoever is
// refused is so at once, with 503, without reaching it, and found all places
// taken by others that were under way at some moment of its own. No more wait
// than may.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	served, all := s.limits()
	for i, o := range e.Observations {
		refused := o.Outcome == function.Refused
		if o.Request != nil {
			got := e.Reached(i)
			switch {
			case o.Response == nil:
				return fmt.Errorf("circuit-breaker: request %d got no answer", i)
			case refused && o.Response.Status != 503:
				return fmt.Errorf("circuit-breaker: request %d was refused with %d, not 503", i, o.Response.Status)
			case refused && len(got) != 0:
				return fmt.Errorf("circuit-breaker: request %d was refused, and reached the service", i)
			case !refused && len(got) != 1:
				return fmt.Errorf("circuit-breaker: request %d reached the service %d times", i, len(got))
			case refused && o.Latest-o.Earliest > atOnce:
				return fmt.Errorf("circuit-breaker: request %d was refused after %v, not at once", i, o.Latest-o.Earliest)
			}
		}
		if refused {
			if n := s.others(e, i); n < all {
				return fmt.Errorf("circuit-breaker: request %d was refused, and no more than %d others can have been under way: %d may be", i, n, all)
			}
		}
	}
	if err := queue(e, all-served); err != nil {
		return err
	}
	return crowd(e, served)
}

// queue holds how many waited at the same time: certainly they do who were sent
// a while ago and have not arrived.
func queue(e function.Evidence, limit int) error {
	for _, d := range e.Deliveries {
		if d.Of < 0 {
			continue
		}
		since := e.Observations[d.Of].Earliest + atOnce
		if since >= d.At {
			continue
		}
		n := 1
		for _, other := range e.Deliveries {
			if other.Of >= 0 && other.Of != d.Of && e.Observations[other.Of].Earliest+atOnce <= since && other.At > since {
				n++
			}
		}
		if n > limit {
			return fmt.Errorf("circuit-breaker: %d requests waited at the same time: %d may", n, limit)
		}
	}
	return nil
}

// others counts who can have been under way at some moment of request i.
func (s Spec) others(e function.Evidence, i int) (n int) {
	o := e.Observations[i]
	for k, other := range e.Observations {
		if k != i && other.Outcome != function.Refused && other.Earliest <= o.Latest && other.Latest+slack >= o.Earliest {
			n++
		}
	}
	return n
}

// crowd holds how many were at the service at the same time. There they are from
// their arrival for as long as it takes over its answer.
func crowd(e function.Evidence, limit int) error {
	var ends []time.Duration
	for _, d := range e.Deliveries {
		here := 1
		for _, end := range ends {
			if end > d.At {
				here++
			}
		}
		if here > limit {
			return fmt.Errorf("circuit-breaker: %d requests were at the service when request %d came: the limit is %d", here, d.Of, limit)
		}
		ends = append(ends, d.At+takes(e.Trial, d))
		slices.Sort(ends)
	}
	return nil
}

// takes is how long the service surely takes over an answer.
func takes(t *function.Trial, d function.Delivery) time.Duration {
	r := t.Replicas[d.Replica]
	answers := r.Paths[d.Message.Target]
	if answers == nil {
		answers = r.Answers
	}
	if len(answers) == 0 {
		return 0
	}
	return answers[0].Delay
}
