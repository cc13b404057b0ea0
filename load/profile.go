package load

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

const (
	// MaxStages is how many stages a profile may have.
	MaxStages = 1000
	// MaxLength is how long a load may take.
	MaxLength = 1000 * time.Hour
	// minRate is the least mean rate: one request in eleven days.
	minRate = 1e-6
)

// Profile is a rate over time, of straight pieces: ramps, steps, bursts, or one
// constant stage. Stages follow each other; where one ends at another rate than
// the next begins with, the rate jumps.
type Profile struct {
	Stages []Stage `json:"stages"`
	Repeat bool    `json:"repeat,omitempty"` // from the first stage on, without end
}

// Stage is a stretch of time in which the rate goes evenly from one value to
// another.
type Stage struct {
	From     float64       `json:"from"` // requests per second, all targets together
	To       float64       `json:"to"`
	Duration time.Duration `json:"duration"`
}

// Bursts is a rate that is on for a time and off for another, again and again.
func Bursts(rate float64, on, off time.Duration) Profile {
	return Profile{Stages: []Stage{{rate, rate, on}, {0, 0, off}}, Repeat: true}
}

// Times is the profile with every rate multiplied.
func (p Profile) Times(factor float64) Profile {
	stages := make([]Stage, len(p.Stages))
	for i, s := range p.Stages {
		stages[i] = Stage{From: s.From * factor, To: s.To * factor, Duration: s.Duration}
	}
	return Profile{Stages: stages, Repeat: p.Repeat}
}

// Length is how long the stages take, once.
func (p Profile) Length() time.Duration {
	sum := time.Duration(0)
	for _, s := range p.Stages {
		sum += s.Duration
	}
	return sum
}

// Mean is the rate over all stages, once.
func (p Profile) Mean() float64 {
	if length := p.Length(); length > 0 {
		return p.once() / length.Seconds()
	}
	return 0
}

// Peak is the greatest rate.
func (p Profile) Peak() float64 {
	peak := 0.0
	for _, s := range p.Stages {
		peak = max(peak, s.From, s.To)
	}
	return peak
}

// once is how many arrivals are expected of all stages, once.
func (p Profile) once() float64 {
	sum := 0.0
	for _, s := range p.Stages {
		sum += s.expected(s.Duration)
	}
	return sum
}

// expected is how many arrivals are expected of the stage's first part.
func (s Stage) expected(part time.Duration) float64 {
	at := s.From + (s.To-s.From)*float64(part)/float64(s.Duration)
	return (s.From + at) / 2 * part.Seconds()
}

// Expected is how many arrivals are expected before a time: the intensity's
// integral. It takes the arrivals of a profile to those of rate 1.
func (p Profile) Expected(at time.Duration) float64 {
	length := p.Length()
	if at <= 0 || length <= 0 {
		return 0
	}
	sum := 0.0
	if p.Repeat {
		sum = float64(at/length) * p.once()
		at %= length
	}
	for _, s := range p.Stages {
		if at <= s.Duration {
			return sum + s.expected(at)
		}
		sum += s.expected(s.Duration)
		at -= s.Duration
	}
	return sum
}

// RateAt is the rate at a time.
func (p Profile) RateAt(at time.Duration) float64 {
	length := p.Length()
	if p.Repeat && length > 0 {
		at %= length
	}
	for _, s := range p.Stages {
		if at < s.Duration {
			return s.From + (s.To-s.From)*float64(max(at, 0))/float64(s.Duration)
		}
		at -= s.Duration
	}
	return 0
}

// Check says what is wrong with a profile, if anything.
func (p Profile) Check() error {
	if len(p.Stages) == 0 || len(p.Stages) > MaxStages {
		return fmt.Errorf("the profile has %d stages, not 1 to %d", len(p.Stages), MaxStages)
	}
	length := time.Duration(0)
	for i, s := range p.Stages {
		switch {
		case s.Duration <= 0 || s.Duration > MaxLength:
			return fmt.Errorf("stage %d of the profile takes %v, not up to %v", i+1, s.Duration, MaxLength)
		case !validRate(s.From) || !validRate(s.To):
			return fmt.Errorf("stage %d of the profile goes from %v to %v requests/s: rates are 0 to %v", i+1, s.From, s.To, float64(MaxRate))
		}
		if length += s.Duration; length > MaxLength {
			return fmt.Errorf("the profile takes more than %v", MaxLength)
		}
	}
	if p.Mean() < minRate {
		return errors.New("the profile offers nothing: every rate is 0, or nearly")
	}
	return nil
}

func validRate(r float64) bool { return r >= 0 && r <= MaxRate } // not NaN either

// pace computes the times of arrivals one after the other: the n-th is where
// the intensity's integral reaches the n-th point of a process of rate 1, so
// one mechanism serves every profile and every such process (E. Çinlar,
// "Introduction to Stochastic Processes", 1975, ch. 4.7). The other known way,
// thinning (P. A. W. Lewis & G. S. Shedler, Nav. Res. Logist. Q. 26, 1979),
// draws also what it throws away, and serves Poisson arrivals alone.
type pace struct {
	stages  []piece
	repeat  bool
	arrival Arrivals
	gaps    *rand.Rand
	started bool    // of uniform arrivals: the first has been
	ended   bool    // the last stage is over
	once    float64 // arrivals expected of all stages
	period  float64 // of all stages, in nanoseconds

	k     int     // the stage
	began float64 // its beginning, in nanoseconds
	at    float64 // the last arrival, in nanoseconds
}

// piece is a stage in nanoseconds.
type piece struct {
	length   float64
	gap      float64 // the mean one; 0 where the rate changes, or is 0
	from, to float64 // arrivals per nanosecond
}

// newPace paces a constant rate that does not end.
func newPace(rate float64, a Arrivals, gaps *rand.Rand) pace {
	return pace{stages: []piece{{length: math.Inf(1), gap: 1e9 / rate}}, arrival: a, gaps: gaps}
}

// pace paces the profile.
func (p Profile) pace(a Arrivals, gaps *rand.Rand) pace {
	x := pace{repeat: p.Repeat, arrival: a, gaps: gaps, once: p.once(), period: float64(p.Length())}
	for _, s := range p.Stages {
		stage := piece{length: float64(s.Duration), from: s.From / 1e9, to: s.To / 1e9}
		if s.From == s.To && s.From > 0 {
			stage.gap = 1e9 / s.From
		}
		x.stages = append(x.stages, stage)
	}
	return x
}

// unit is the gap before the next point of the process of rate 1. The first
// point of the uniform one lies anywhere within a gap, so that equal gaps do
// not begin with whatever else begins with the load.
func (p *pace) unit() float64 {
	if p.arrival != Uniform {
		return p.gaps.ExpFloat64()
	}
	if p.started {
		return 1
	}
	p.started = true
	return p.gaps.Float64()
}

// next goes to the next arrival; false when there is none.
func (p *pace) next() bool {
	if p.ended {
		return false
	}
	left := p.unit() // of the unit process's gap
	for {
		s := &p.stages[p.k]
		passed := p.at - p.began
		after, reached := s.after(passed, left)
		if reached {
			p.at += after
			return true
		}
		left = max(0, left-after)
		if p.advance(); p.ended {
			return false
		}
		if p.k == 0 && left > p.once { // whole rounds at once, however sparse
			rounds := math.Floor(left / p.once)
			left -= rounds * p.once
			p.began += rounds * p.period
			p.at = p.began
		}
	}
}

// advance goes to the beginning of the next stage.
func (p *pace) advance() {
	p.began += p.stages[p.k].length
	p.at = p.began
	if p.k++; p.k < len(p.stages) {
		return
	}
	p.k = 0
	p.ended = !p.repeat
}

// after is how many nanoseconds after a moment of the stage so many arrivals
// are expected; or, where the stage does not reach so many, how many it expects.
func (s *piece) after(passed, left float64) (float64, bool) {
	if s.gap > 0 {
		// The conversion keeps the product from being fused into a sum, so that
		// a seed means the same arrivals on every processor.
		if nanos := float64(left * s.gap); passed+nanos < s.length {
			return nanos, true
		}
		return (s.length - passed) / s.gap, false
	}
	rate, slope := s.from+(s.to-s.from)*(passed/s.length), (s.to-s.from)/s.length
	if expected := (rate + s.to) / 2 * (s.length - passed); left >= expected {
		return expected, false
	}
	// The root of rate·t + slope·t²/2 = left that loses no digits to cancelling.
	return 2 * left / (rate + math.Sqrt(max(0, rate*rate+2*slope*left))), true
}
