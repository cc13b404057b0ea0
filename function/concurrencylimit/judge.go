package concurrencylimit

import (
	"fmt"
	"slices"
	"time"

	"github.com/taremesh/tare/function"
)

// slack is how long after its response a request may still hold its place.
const slack = 60 * time.Millisecond

// judge is the model too: whoever is refused found the hop full, with as many
// others as the limit under way at some moment of its own; never are more than
// that at the service; refusals come at once and do not reach it.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	var starts, ends []time.Duration // of those that were not refused
	var refused []int
	for i, o := range e.Observations {
		no, err := s.refused(e, i)
		if err != nil {
			return fmt.Errorf("concurrency-limit: request %d for %s: %w", i, o.Path, err)
		}
		if no {
			refused = append(refused, i)
			continue
		}
		starts, ends = append(starts, o.Earliest), append(ends, o.Latest+slack)
	}
	slices.Sort(starts)
	slices.Sort(ends)
	for _, i := range refused {
		o := e.Observations[i]
		begun, _ := slices.BinarySearch(starts, o.Latest)
		ended, _ := slices.BinarySearch(ends, o.Earliest)
		if begun-ended < s.Limit {
			return fmt.Errorf("concurrency-limit: request %d was refused, and no more than %d others can have been under way: the limit is %d", i, begun-ended, s.Limit)
		}
	}
	return s.crowd(e)
}

// refused says whether the limit refused a request.
func (s Spec) refused(e function.Evidence, i int) (bool, error) {
	o := e.Observations[i]
	if o.Request == nil {
		return o.Outcome == function.Refused, nil
	}
	switch got := e.Reached(i); {
	case len(got) > 1:
		return false, fmt.Errorf("reached the service %d times", len(got))
	case len(got) == 1 && o.Response == nil && e.Trial.Replicas[0].Paths[o.Path] != nil:
		return false, nil // given up by its caller, or cut off by the service
	case o.Response == nil:
		return false, fmt.Errorf("got no answer")
	case len(got) == 1 && got[0].Answered != 0 && o.Response.Status != got[0].Answered:
		return false, fmt.Errorf("reached the service, which answered %d, and the client has %d", got[0].Answered, o.Response.Status)
	case len(got) == 1:
		return false, nil
	case o.Response.Status != s.Status:
		return false, fmt.Errorf("was refused with %d: want %d", o.Response.Status, s.Status)
	case o.Latest-o.Earliest >= held:
		return false, fmt.Errorf("was refused after %v: want it at once", o.Latest-o.Earliest)
	}
	return true, nil
}

// crowd finds a moment at which too many requests were at the service.
func (s Spec) crowd(e function.Evidence) error {
	type step struct {
		at   time.Duration
		more int
	}
	var steps []step
	for _, d := range e.Deliveries {
		if d.Of < 0 || d.Message.Target != slow || d.Cancelled != 0 {
			continue
		}
		steps = append(steps, step{d.At, 1}, step{d.At + held, -1}) // it holds each for as long, or longer
	}
	slices.SortFunc(steps, func(a, b step) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return a.more - b.more
	})
	under := 0
	for _, x := range steps {
		if under += x.more; under > s.Limit {
			return fmt.Errorf("concurrency-limit: %d requests were at the service at %v: the limit is %d", under, x.at, s.Limit)
		}
	}
	return nil
}
