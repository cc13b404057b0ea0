package healthcheck

import (
	"fmt"
	"net/http"
	"time"

	"github.com/taremesh/tare/function"
)

// slack is how long a plane may take to act on a check's answer: Envoy tells its
// threads one after the other.
const slack = 150 * time.Millisecond

// state is a replica's from a moment on.
type state struct {
	from    time.Duration // when the check that made it so came
	healthy bool
}

// judge holds the requests against the checks that were seen at the replicas: one
// that is certainly unhealthy gets none, one that certainly is healthy its turn.
// Checks are no more frequent than the interval says, and ask for the path.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	if e.Deliveries == nil {
		return nil // under load nobody looks where requests went
	}
	var states [Replicas][]state
	for r := range states {
		if states[r], err = s.states(e, r); err != nil {
			return fmt.Errorf("health-check: %w", err)
		}
	}
	var left [Replicas]int
	for i, o := range e.Observations {
		got := e.Reached(i)
		if o.Outcome == function.Refused || len(got) != 1 {
			return fmt.Errorf("health-check: request %d reached %v, not one replica, though some are healthy", i, function.Replicas(got))
		}
		for r := range states {
			healthy, certain := at(states[r], o)
			had := got[0].Replica == r
			if certain && !healthy && had {
				return fmt.Errorf("health-check: request %d reached replica %d, which is unhealthy", i, r)
			}
			if left[r]++; had || !certain || !healthy {
				left[r] = 0
			}
			if left[r] > 2*Replicas {
				return fmt.Errorf("health-check: replica %d, which is healthy, was left out of %d requests up to %d", r, left[r], i)
			}
		}
	}
	return nil
}

// at is the replica's state during a request, where that is certain.
func at(all []state, o function.Observation) (healthy, certain bool) {
	for i, x := range all {
		last := i == len(all)-1
		if (x.from == 0 || o.Earliest > x.from+slack) && (last || o.Latest < all[i+1].from) {
			return x.healthy, true
		}
	}
	return false, false
}

// states is the model: what the checks that a replica got make of it.
func (s Spec) states(e function.Evidence, replica int) ([]state, error) {
	plays := e.Trial.Replicas[replica]
	if plays.Down {
		return []state{{0, false}}, nil
	}
	var all []state
	k, row := 0, 0
	first, since := time.Duration(-1), 0 // of the checks since the clock began
	for _, d := range e.Deliveries {
		if d.Replica != replica || d.Of >= 0 {
			continue
		}
		if d.Message.Target != s.Path || d.Message.Method != http.MethodGet {
			return nil, fmt.Errorf("replica %d was checked by %s %s", replica, d.Message.Method, d.Message.Target)
		}
		if d.At > 0 && first < 0 {
			first = d.At
		}
		if since = since + 1; first < 0 {
			since = 0
		}
		if over := d.At - first + s.Interval.Std(); first >= 0 && time.Duration(since-1)*s.Interval.Std()*8/10 > over {
			return nil, fmt.Errorf("replica %d was checked %d times in %v, the interval is %v", replica, since, over, s.Interval)
		}
		a := function.Answer{}
		if answers := plays.Paths[s.Path]; len(answers) > 0 {
			a = answers[min(k, len(answers)-1)]
		}
		k++
		silent := a.Reset || a.Delay > s.Timeout.Std()
		well := !silent && a.Code() == http.StatusOK
		if len(all) == 0 {
			// Until it has been checked it gets nothing, and so on when it failed.
			x := state{0, well}
			if well {
				x.from = d.At + a.Delay
			}
			all = append(all, x)
			continue
		}
		now := all[len(all)-1].healthy
		needed := 1
		switch {
		case !now:
			needed = s.HealthyAfter
		case silent:
			needed = s.UnhealthyAfter
		}
		if row++; well == now {
			row = 0
		}
		if row >= needed {
			row = 0
			all = append(all, state{d.At + min(a.Delay, s.Timeout.Std()), well})
		}
	}
	if k == 0 {
		return nil, fmt.Errorf("replica %d was never checked", replica)
	}
	return all, nil
}
