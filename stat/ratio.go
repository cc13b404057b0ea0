package stat

import (
	"fmt"
	"math"
)

// Ratio is the ratio of two mean differences with its interval.
type Ratio struct {
	Estimate float64
	// Interval is nil where the data bound it on one side at most, or tell
	// nothing of its error; Why says so.
	Interval *Interval
	Why      string
}

// RatioOfDifferences is the mean of over divided by the mean of under, two
// series of differences over the same blocks, with the interval of Fieller's
// theorem (Some problems in interval estimation, Journal of the Royal
// Statistical Society B 16, 1954): all θ for which the t interval of the mean
// of over − θ·under holds 0. What the two series share in a block is thereby
// accounted for. Where the interval of under's own mean holds 0 that set has no
// bounds, and there is no interval. Errors are those of PairedT but ErrNoSpread,
// and ErrShape.
func RatioOfDifferences(over, under []float64, level float64) (Ratio, error) {
	if err := checkLevel(level); err != nil {
		return Ratio{}, err
	}
	if len(over) != len(under) {
		return Ratio{}, fmt.Errorf("ratio of %d and %d blocks: %w", len(over), len(under), ErrShape)
	}
	x, err := momentsOf(over)
	if err != nil {
		return Ratio{}, fmt.Errorf("ratio: numerator: %w", err)
	}
	y, err := momentsOf(under)
	if err != nil {
		return Ratio{}, fmt.Errorf("ratio: denominator: %w", err)
	}
	t := tQuantile(1-(1-level)/2, len(over)-1)
	if i := y.interval(t); i.Contains(0) {
		return Ratio{Estimate: finiteRatio(x.mean, y.mean),
			Why: fmt.Sprintf("what it is divided by may be 0: its own interval is %.6g to %.6g", i.Low, i.High)}, nil
	}
	r := Ratio{Estimate: x.mean / y.mean}
	if x.sd == 0 && y.sd == 0 {
		r.Why = fmt.Sprintf("all %d blocks agree: nothing is known of its error", len(over))
		return r, nil
	}
	low, high := fieller(x, y, covariance(over, under, x, y), t)
	if math.IsNaN(low) || math.IsInf(low, 0) || math.IsNaN(high) || math.IsInf(high, 0) {
		return Ratio{}, fmt.Errorf("ratio of %g and %g: %w", x.mean, y.mean, ErrNotFinite)
	}
	r.Interval = &Interval{Estimate: r.Estimate, Low: low, High: high}
	return r, nil
}

// finiteRatio is 0 where there is no ratio to give.
func finiteRatio(x, y float64) float64 {
	if r := x / y; !math.IsNaN(r) && !math.IsInf(r, 0) {
		return r
	}
	return 0
}

// fieller solves (x − θy)² = t²·var(x − θy) for θ, everything in units of the
// means' sizes, so that squares stay finite. The set is bounded: y² > t²·var(y).
func fieller(x, y moments, cov, t float64) (low, high float64) {
	q := t * t / float64(x.n)
	size := max(math.Abs(x.mean), x.sd)
	mx, sx := x.mean/size, x.sd/size
	sy, c := y.sd/y.mean, cov/size/y.mean // in units of y's mean: 1
	a, b, d := 1-q*sy*sy, mx-q*c, mx*mx-q*sx*sx
	root := math.Sqrt(max(0, b*b-a*d))
	low, high = (b-root)/a*size/y.mean, (b+root)/a*size/y.mean
	return min(low, high), max(low, high)
}

func covariance(over, under []float64, x, y moments) float64 {
	var sum float64
	for i := range over {
		sum += (over[i] - x.mean) * (under[i] - y.mean)
	}
	return sum / float64(len(over)-1)
}
