package stat

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Errors that callers may tell apart with errors.Is.
var (
	// ErrTooFew says that there are too few blocks for the interval asked for.
	ErrTooFew = errors.New("too few blocks")
	// ErrNotFinite says that a value is NaN or infinite, or that their sum is.
	ErrNotFinite = errors.New("value not finite")
	// ErrNoSpread says that all values are equal, so that nothing is known of their error.
	ErrNoSpread = errors.New("all values are equal")
	// ErrLevel says that a confidence level is not between 0 and 1.
	ErrLevel = errors.New("level not between 0 and 1")
	// ErrShape says that series differ in length, or that there are none.
	ErrShape = errors.New("series do not match")
)

// Interval is an estimate with the confidence interval around it, in the unit
// of the values it was made of. It is closed: Low and High belong to it.
type Interval struct {
	Estimate, Low, High float64
}

// Half is half the width of the interval.
func (i Interval) Half() float64 { return (i.High - i.Low) / 2 }

// Contains reports whether x lies in the closed interval.
func (i Interval) Contains(x float64) bool { return i.Low <= x && x <= i.High }

// Inside reports whether the whole interval lies within ±margin.
func (i Interval) Inside(margin float64) bool { return -margin <= i.Low && i.High <= margin }

// PairedT gives the mean of the paired differences d, one per block, with
// Student's t interval at the level (0.95, say) for a single comparison.
// It fails with ErrTooFew below two blocks, ErrNoSpread if all are equal,
// ErrNotFinite and ErrLevel.
func PairedT(d []float64, level float64) (Interval, error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, err
	}
	m, err := momentsOf(d)
	if err != nil {
		return Interval{}, err
	}
	if m.sd == 0 {
		return Interval{}, fmt.Errorf("%d blocks at %g: %w", len(d), m.mean, ErrNoSpread)
	}
	return m.interval(tQuantile(1-(1-level)/2, len(d)-1)), nil
}

// moments are the mean and the standard deviation (n−1) of n values.
type moments struct {
	n        int
	mean, sd float64
}

// sameWithin is the relative spread that rounding alone can make: below it
// values count as equal.
const sameWithin = 1e-12

// momentsOf refuses fewer than two values and values that are not finite. The
// standard deviation is exactly 0 if the values are equal but for rounding.
func momentsOf(d []float64) (moments, error) {
	if len(d) < 2 {
		return moments{}, fmt.Errorf("%d of at least 2: %w", len(d), ErrTooFew)
	}
	low, high, sum := d[0], d[0], 0.0
	for i, x := range d {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return moments{}, fmt.Errorf("block %d is %g: %w", i+1, x, ErrNotFinite)
		}
		low, high, sum = min(low, x), max(high, x), sum+x
	}
	m := moments{n: len(d), mean: sum / float64(len(d))}
	if high-low <= sameWithin*max(math.Abs(low), math.Abs(high)) {
		m.mean = d[0]
		return m, nil
	}
	var squares float64
	for _, x := range d {
		squares += (x - m.mean) * (x - m.mean)
	}
	m.sd = math.Sqrt(squares / float64(len(d)-1))
	if math.IsInf(m.mean, 0) || math.IsInf(m.sd, 0) || m.sd == 0 {
		return moments{}, fmt.Errorf("mean %g, sd %g: %w", m.mean, m.sd, ErrNotFinite)
	}
	return m, nil
}

// interval is mean ± critical standard errors.
func (m moments) interval(critical float64) Interval {
	half := critical * m.sd / math.Sqrt(float64(m.n))
	return Interval{Estimate: m.mean, Low: m.mean - half, High: m.mean + half}
}

func checkLevel(level float64) error {
	if level > 0 && level < 1 {
		return nil
	}
	return fmt.Errorf("level %g: %w", level, ErrLevel)
}

// tQuantile is the p quantile of Student's t with the degrees of freedom.
func tQuantile(p float64, freedom int) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(freedom)}.Quantile(p)
}
