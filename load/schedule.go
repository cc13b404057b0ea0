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
	gapStream     = 0x9e3779b97f4a7c15
	targetStream  = 0xbf58476d1ce4e5b9
	userStream    = 0x94d049bb133111eb
	requestStream = 0xd6e8feb86659fd93
)

// Schedule computes the arrivals of one load, one after the other. It has no
// clock and allocates nothing per arrival.
type Schedule struct {
	pace     pace
	trace    *playback // instead of the pace
	duration float64   // in nanoseconds; unused with remaining

	targets   []int
	weighted  *alias // of targets; nil: equal
	remaining []int  // with Each: how many are still to come, per entry of targets
	left      int    // their sum

	share  Share
	number int // of the next arrival, of all shares

	senders *Senders
	draws   *rand.Rand
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
		duration: float64(l.Length()),
		targets:  chosen,
		share:    l.Share,
		draws:    rand.New(rand.NewPCG(l.Seed, targetStream)),
	}
	gaps := rand.New(rand.NewPCG(l.Seed, gapStream))
	switch {
	case l.Trace != nil:
		if err := l.Trace.check(p); err != nil {
			return nil, fmt.Errorf("schedule a load: %w", err)
		}
		s.trace = &playback{trace: l.Trace, rest: l.Trace.records}
	case l.Profile != nil:
		s.pace = l.Profile.pace(l.Arrivals, gaps)
	default:
		s.pace = newPace(l.Rate, l.Arrivals, gaps)
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
	if l.Trace != nil {
		if err := l.Trace.check(p); err != nil {
			return fmt.Errorf("check a load: %w", err)
		}
	}
	return nil
}

// Length is how long the schedule is; 0 where a number of requests ends it.
func (l Load) Length() time.Duration {
	switch {
	case l.Each > 0:
		return 0
	case l.Duration > 0:
		return l.Duration
	case l.Trace != nil:
		return l.Trace.Last() + 1
	case l.Profile != nil && !l.Profile.Repeat:
		return l.Profile.Length()
	}
	return 0
}

// MeanRate is the requests per second of an open load, over its whole length.
func (l Load) MeanRate() float64 {
	switch {
	case l.Trace != nil:
		return float64(l.Trace.Len()) / max(l.Trace.Last(), time.Millisecond).Seconds()
	case l.Profile != nil && l.Length() > 0:
		return l.Profile.Expected(l.Length()) / l.Length().Seconds()
	case l.Profile != nil:
		return l.Profile.Mean()
	}
	return l.Rate
}

// Expected is how many arrivals are expected before a time of the schedule: it
// takes Poisson arrivals to those of rate 1, where they can be held against what
// such arrivals are. A load with a trace, or a closed one, expects nothing.
func (l Load) Expected(at time.Duration) float64 {
	if l.Profile != nil {
		return l.Profile.Expected(at)
	}
	return l.Rate * at.Seconds()
}

// checkPace says what is wrong with when requests are made.
func (l Load) checkPace() error {
	switch {
	case l.Closed && (l.Rate != 0 || l.Arrivals != ""):
		return fmt.Errorf("a closed load has neither a rate nor arrivals (it has %v requests/s, %q)", l.Rate, l.Arrivals)
	case l.Closed && (l.Profile != nil || l.Trace != nil):
		return errors.New("a closed load has neither a profile nor a trace: its answers pace it")
	case l.Closed && l.Think != nil:
		return l.Think.checkThink()
	case l.Closed:
		return nil
	case l.Think != nil:
		return errors.New("a pause for thinking is of a closed load: an open one has arrivals")
	case l.Trace != nil:
		return l.checkTrace()
	case l.Arrivals != "" && l.Arrivals != Poisson && l.Arrivals != Uniform:
		return fmt.Errorf("arrivals %q are unknown (known: %s, %s)", l.Arrivals, Poisson, Uniform)
	case l.Profile != nil:
		return l.checkProfile()
	case !(l.Rate > 0): // also NaN
		return fmt.Errorf("the rate is %v requests/s, it must be greater than 0", l.Rate)
	case l.Rate > MaxRate:
		return fmt.Errorf("the rate is %v requests/s, more than the %v that can be offered", l.Rate, float64(MaxRate))
	}
	return nil
}

func (l Load) checkTrace() error {
	if l.Rate != 0 || l.Arrivals != "" || l.Profile != nil || l.Each != 0 {
		return errors.New("a trace says when requests are made: no rate, arrivals, profile or number of requests goes with it")
	}
	return nil
}

func (l Load) checkProfile() error {
	switch {
	case l.Rate != 0:
		return fmt.Errorf("a rate of %v requests/s and a profile: give one of them", l.Rate)
	case l.Profile.Repeat || l.Each == 0 && l.Duration <= l.Profile.Length():
		return l.Profile.Check()
	case l.Each > 0:
		return errors.New("a number of requests and a profile that ends: let it repeat, or leave the number out")
	}
	return fmt.Errorf("the profile ends after %v, and the load takes %v: let it repeat, or leave the duration out", l.Profile.Length(), l.Duration)
}

// check returns the targets that the load draws from.
func (l Load) check(targets int) ([]int, error) {
	if err := l.checkPace(); err != nil {
		return nil, err
	}
	switch {
	case l.Each < 0:
		return nil, fmt.Errorf("%d requests for each target", l.Each)
	case l.Duration < 0 || l.Duration > MaxLength:
		return nil, fmt.Errorf("the duration is %v, not up to %v", l.Duration, MaxLength)
	case l.Each == 0 && l.Length() == 0 && (l.Closed || l.Trace == nil):
		return nil, fmt.Errorf("the duration is %v and no count per target is set", l.Duration)
	case l.Begin < 0:
		return nil, fmt.Errorf("it begins at %v", l.Begin)
	case l.Timeout < 0:
		return nil, fmt.Errorf("the timeout is %v", l.Timeout)
	case targets < 1 || targets > math.MaxUint16:
		return nil, fmt.Errorf("%d targets, not 1 to %d", targets, math.MaxUint16)
	case l.Each > math.MaxInt32:
		return nil, fmt.Errorf("%d requests for each target, more than %d", l.Each, math.MaxInt32)
	}
	chosen, err := l.chosen(targets)
	if err == nil {
		err = l.Share.check()
	}
	if err == nil {
		err = l.checkWeights(len(chosen))
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

// Next returns the share's next arrival, or false after the last.
func (s *Schedule) Next() (Arrival, bool) {
	for {
		a, ok := s.next()
		ours := s.share.N == 0 || s.number%s.share.N == s.share.K
		a.Number = s.number
		s.number++
		if ours || !ok {
			return a, ok
		}
	}
}

func (s *Schedule) next() (Arrival, bool) {
	if s.remaining != nil && s.left == 0 {
		return Arrival{}, false
	}
	if s.trace != nil {
		return s.recorded()
	}
	if !s.pace.next() || s.remaining == nil && s.pace.at >= s.duration {
		return Arrival{}, false
	}
	user, request := s.senders.Next()
	return Arrival{At: time.Duration(s.pace.at), Target: s.target(), User: user, Request: request}, true
}

// recorded is the trace's next arrival; what the trace does not say is drawn.
func (s *Schedule) recorded() (Arrival, bool) {
	a := Arrival{}
	a.User, a.Request = s.senders.Next()
	if !s.trace.next(&a) || float64(a.At) >= s.duration {
		return Arrival{}, false
	}
	a.Target = s.target()
	return a, true
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
