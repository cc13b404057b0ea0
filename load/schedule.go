package load

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// MaxRate is the greatest rate that a schedule accepts, in requests per second.
const MaxRate = 1e6

// The streams of randomness that one seed opens. They are apart so that a
// change of users or targets leaves the gaps as they were.
const (
	gapStream    = 0x9e3779b97f4a7c15
	targetStream = 0xbf58476d1ce4e5b9
	userStream   = 0x94d049bb133111eb
)

// Schedule computes the arrivals of one load, one after the other. It has no
// clock and allocates nothing per arrival.
type Schedule struct {
	gap      float64 // mean, in nanoseconds
	at       float64 // of the last arrival, in nanoseconds
	duration float64 // in nanoseconds; unused with remaining

	targets   []int
	weighted  *alias // of targets; nil: equal
	remaining []int  // with Each: how many are still to come, per entry of targets
	left      int    // their sum

	senders     *Senders
	gaps, draws *rand.Rand
}

// weighted prepares the drawing of targets that are not equal.
func (l Load) weighted() (*alias, error) {
	return newAlias("target", len(l.Weights), func(i int) float64 { return l.Weights[i] })
}

// NewSchedule computes a load's arrivals for that many targets. The same load,
// targets and population give the same arrivals; the same seed and rate give
// the same gaps whatever the targets and users are.
func NewSchedule(l Load, targets int, p Population) (*Schedule, error) {
	if l.Closed {
		return nil, errors.New("schedule a load: it is closed: its arrivals follow from the answers")
	}
	chosen, err := l.check(targets)
	if err != nil {
		return nil, fmt.Errorf("schedule a load: %w", err)
	}
	s := &Schedule{
		gap:      1e9 / l.Rate,
		duration: float64(l.Duration),
		targets:  chosen,
		gaps:     rand.New(rand.NewPCG(l.Seed, gapStream)),
		draws:    rand.New(rand.NewPCG(l.Seed, targetStream)),
	}
	if l.Each > 0 {
		s.remaining = slices.Repeat([]int{l.Each}, len(chosen))
		s.left = l.Each * len(chosen)
	}
	if s.weighted, err = l.weighted(); err != nil {
		return nil, fmt.Errorf("schedule a load: %w", err)
	}
	if s.senders, err = NewSenders(l, p); err != nil {
		return nil, fmt.Errorf("schedule a load: %w", err)
	}
	return s, nil
}

// Check says what is wrong with a load for that many targets and for that
// population, if anything.
func (l Load) Check(targets int, p Population) error {
	if _, err := l.check(targets); err != nil {
		return fmt.Errorf("check a load: %w", err)
	}
	if _, err := NewSenders(l, p); err != nil {
		return fmt.Errorf("check a load: %w", err)
	}
	return nil
}

// checkPace says what is wrong with when requests are made.
func (l Load) checkPace() error {
	switch {
	case l.Closed && (l.Rate != 0 || l.Arrivals != ""):
		return fmt.Errorf("a closed load has neither a rate nor arrivals (it has %v requests/s, %q)", l.Rate, l.Arrivals)
	case l.Closed:
		return nil
	case l.Arrivals != "" && l.Arrivals != Poisson:
		return fmt.Errorf("arrivals %q are unknown (known: %s)", l.Arrivals, Poisson)
	case !(l.Rate > 0): // also NaN
		return fmt.Errorf("the rate is %v requests/s, it must be greater than 0", l.Rate)
	case l.Rate > MaxRate:
		return fmt.Errorf("the rate is %v requests/s, more than the %v that can be offered", l.Rate, float64(MaxRate))
	}
	return nil
}

// check returns the targets that the load draws from.
func (l Load) check(targets int) ([]int, error) {
	if err := l.checkPace(); err != nil {
		return nil, err
	}
	switch {
	case l.Each < 0:
		return nil, fmt.Errorf("%d requests for each target", l.Each)
	case l.Each == 0 && l.Duration <= 0:
		return nil, fmt.Errorf("the duration is %v and no count per target is set", l.Duration)
	case l.Timeout < 0:
		return nil, fmt.Errorf("the timeout is %v", l.Timeout)
	case targets < 1 || targets > math.MaxUint16:
		return nil, fmt.Errorf("%d targets, not 1 to %d", targets, math.MaxUint16)
	case l.Each > math.MaxInt32:
		return nil, fmt.Errorf("%d requests for each target, more than %d", l.Each, math.MaxInt32)
	}
	chosen, err := l.chosen(targets)
	if err == nil {
		err = l.checkWeights(len(chosen))
	}
	if err == nil && l.Closed && l.Each > MaxClosed/len(chosen) {
		return nil, fmt.Errorf("%d requests for each of %d targets: a closed load makes at most %d", l.Each, len(chosen), MaxClosed)
	}
	return chosen, err
}

// checkWeights says what is wrong with how often each of the targets is drawn.
func (l Load) checkWeights(targets int) error {
	switch {
	case len(l.Weights) == 0:
		return nil
	case l.Closed || l.Each > 0:
		return errors.New("weights are given, and the load gives every target its own number of requests")
	case len(l.Weights) != targets:
		return fmt.Errorf("%d weights for %d targets", len(l.Weights), targets)
	}
	_, err := l.weighted()
	return err
}

// chosen is Targets, or all of them.
func (l Load) chosen(targets int) ([]int, error) {
	if len(l.Targets) == 0 {
		all := make([]int, targets)
		for i := range all {
			all[i] = i
		}
		return all, nil
	}
	seen := make([]bool, targets)
	for _, t := range l.Targets {
		if t < 0 || t >= targets {
			return nil, fmt.Errorf("target %d is not one of the %d", t, targets)
		}
		if seen[t] {
			return nil, fmt.Errorf("target %d is given twice", t)
		}
		seen[t] = true
	}
	return slices.Clone(l.Targets), nil
}

// Next returns the next arrival, or false after the last.
func (s *Schedule) Next() (Arrival, bool) {
	if s.remaining != nil && s.left == 0 {
		return Arrival{}, false
	}
	s.at += s.gaps.ExpFloat64() * s.gap
	if s.remaining == nil && s.at >= s.duration {
		return Arrival{}, false
	}
	return Arrival{At: time.Duration(s.at), Target: s.target(), User: s.senders.Next()}, true
}

// target draws the target. With weights it draws in proportion to them. With Each it draws without replacement: choosing in
// proportion to what remains makes every order of the multiset equally likely.
func (s *Schedule) target() int {
	if s.weighted != nil {
		return s.targets[s.weighted.draw(s.draws)]
	}
	if s.remaining == nil {
		return s.targets[s.draws.IntN(len(s.targets))]
	}
	k := s.draws.IntN(s.left)
	s.left--
	for i, n := range s.remaining {
		if k < n {
			s.remaining[i]--
			return s.targets[i]
		}
		k -= n
	}
	return s.targets[len(s.targets)-1] // not reached: k < sum of remaining
}
