package load

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Shape names a distribution.
type Shape string

// The shapes, with the fields that each has.
const (
	Fixed       Shape = "fixed"       // Mean
	Evenly      Shape = "uniform"     // Low to High, both possible
	Exponential Shape = "exponential" // Mean
	LogNormal   Shape = "lognormal"   // Median, Sigma (of the natural logarithm)
	Listed      Shape = "list"        // Values, Weights
)

// Distribution says how a number is drawn for each request: bytes of a body, or
// nanoseconds of a pause. What is drawn beyond Most is Most.
type Distribution struct {
	Shape   Shape     `json:"shape"`
	Mean    float64   `json:"mean,omitempty"`
	Low     float64   `json:"low,omitempty"`
	High    float64   `json:"high,omitempty"`
	Median  float64   `json:"median,omitempty"`
	Sigma   float64   `json:"sigma,omitempty"`
	Values  []float64 `json:"values,omitempty"`
	Weights []float64 `json:"weights,omitempty"` // empty: all alike
	Most    float64   `json:"most,omitempty"`    // 0: the greatest there may be
}

// maxSigma is the greatest spread of a logarithm: a factor of 20,000 each way.
const maxSigma = 10

// Check says what is wrong with a distribution of numbers from 0 to a bound.
func (d Distribution) Check(bound float64) error {
	within := func(name string, values ...float64) error {
		for _, x := range values {
			if !(x >= 0 && x <= bound) {
				return fmt.Errorf("%s of a %s distribution is %v, not 0 to %v", name, d.Shape, x, bound)
			}
		}
		return nil
	}
	if err := within("the bound", d.Most); err != nil {
		return err
	}
	switch d.Shape {
	case Fixed, Exponential:
		return within("the mean", d.Mean)
	case Evenly:
		if d.Low > d.High {
			return fmt.Errorf("a uniform distribution from %v to %v", d.Low, d.High)
		}
		return within("an end", d.Low, d.High)
	case LogNormal:
		if !(d.Sigma >= 0 && d.Sigma <= maxSigma) {
			return fmt.Errorf("the sigma of a lognormal distribution is %v, not 0 to %v", d.Sigma, float64(maxSigma))
		}
		return within("the median", d.Median)
	case Listed:
		if len(d.Values) == 0 {
			return fmt.Errorf("a list of no values")
		}
		if _, err := d.alias(); err != nil {
			return err
		}
		return within("a value", d.Values...)
	}
	return fmt.Errorf("the distribution %q is unknown (known: %s, %s, %s, %s, %s)", d.Shape, Fixed, Evenly, Exponential, LogNormal, Listed)
}

// Greatest is the greatest number that can be drawn, given a bound.
func (d Distribution) Greatest(bound float64) float64 {
	if d.Most > 0 {
		bound = d.Most
	}
	switch d.Shape {
	case Fixed:
		return min(bound, d.Mean)
	case Evenly:
		return min(bound, d.High)
	case Listed:
		return min(bound, slices.Max(d.Values))
	}
	return bound
}

// Average is the mean of what is drawn, were there no bound.
func (d Distribution) Average() float64 {
	switch d.Shape {
	case Evenly:
		return (d.Low + d.High) / 2
	case LogNormal:
		return d.Median * math.Exp(d.Sigma*d.Sigma/2)
	case Listed:
		sum, all := 0.0, 0.0
		for i, x := range d.Values {
			w := 1.0
			if len(d.Weights) > 0 {
				w = d.Weights[i]
			}
			sum, all = sum+w*x, all+w
		}
		return sum / all
	}
	return d.Mean
}

func (d Distribution) alias() (*alias, error) {
	if len(d.Weights) == 0 {
		return newAlias("value", len(d.Values), func(int) float64 { return 1 })
	}
	if len(d.Weights) != len(d.Values) {
		return nil, fmt.Errorf("%d weights for %d values", len(d.Weights), len(d.Values))
	}
	return newAlias("value", len(d.Values), func(i int) float64 { return d.Weights[i] })
}

// Sampler draws from a distribution by the request's number. It has no state
// and allocates nothing.
type Sampler struct {
	d     Distribution
	most  float64
	list  *alias
	first uint64
}

// sampler prepares the drawing of one stream.
func (d Distribution) sampler(seed, stream uint64, bound float64) (Sampler, error) {
	if err := d.Check(bound); err != nil {
		return Sampler{}, err
	}
	s := Sampler{d: d, most: d.Greatest(bound), first: streamKey(seed, stream)}
	if d.Shape == Listed {
		list, err := d.alias()
		if err != nil {
			return Sampler{}, err
		}
		s.list = list
	}
	return s, nil
}

// Draw is what the n-th request gets.
func (s *Sampler) Draw(n uint64) float64 {
	return min(s.most, s.draw(at(s.first, n)))
}

func (s *Sampler) draw(x uint64) float64 {
	switch s.d.Shape {
	case Evenly:
		return s.d.Low + math.Floor(unitFloat(x)*(s.d.High-s.d.Low+1))
	case Exponential:
		return -s.d.Mean * math.Log(unitFloat(x))
	case LogNormal:
		return s.d.Median * math.Exp(s.d.Sigma*math.Sqrt2*math.Erfinv(2*unitFloat(x)-1))
	case Listed:
		return s.d.Values[s.list.pick(x)]
	}
	return s.d.Mean
}

// maxThink is the longest pause.
const maxThink = time.Hour

func (d Distribution) checkThink() error {
	if err := d.Check(float64(maxThink)); err != nil {
		return fmt.Errorf("the pause for thinking: %w", err)
	}
	return nil
}

// Thinking draws the pauses of a closed load; nil without any.
func (l Load) Thinking() (*Sampler, error) {
	if l.Think == nil {
		return nil, nil
	}
	s, err := l.Think.sampler(l.Seed, thinkStream, float64(maxThink))
	if err != nil {
		return nil, fmt.Errorf("draw pauses for thinking: %w", err)
	}
	return &s, nil
}
