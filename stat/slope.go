package stat

import (
	"fmt"
	"math"
	"slices"
)

// WarnCurved: a slope does not say it all, the values bend by more than the margin.
const WarnCurved WarningCode = "curved"

// Line is the least-squares line of values against a number (connections, KiB),
// one for each block: PairedT or Simultaneous gives their interval.
type Line struct {
	Slope     []float64 // value per unit of x
	Intercept []float64 // value at x = 0
	// Bend is how far the least-squares parabola departs from the line, from
	// where it lies lowest beneath it to where it lies highest above, in the unit
	// of the values; positive: ever steeper. Nil with fewer than 3 different x.
	Bend []float64
}

// Slope fits a line in each block: values[i][b] is at x[i] in block b. Several
// may stand at one x. Errors are ErrShape (which also says that all x are the
// same) and ErrNotFinite.
func Slope(x []float64, values [][]float64) (Line, error) {
	if err := checkSlope(x, values); err != nil {
		return Line{}, fmt.Errorf("slope: %w", err)
	}
	u, centre, scale := standard(x)
	q := quadratic(u)
	blocks := len(values[0])
	l := Line{Slope: make([]float64, blocks), Intercept: make([]float64, blocks)}
	if q != nil {
		l.Bend = make([]float64, blocks)
	}
	y, size := make([]float64, len(x)), 0.0
	for b := range blocks {
		for i := range y {
			y[i] = values[i][b]
			size = max(size, math.Abs(y[i]))
		}
		l.Slope[b] = along(u, y) / scale
		l.Intercept[b] = mean(y) - l.Slope[b]*centre
		if q != nil {
			l.Bend[b] = along(q, y) * spread(q)
		}
	}
	evenOut(l.Slope, size/scale)
	evenOut(l.Bend, size)
	if err := checkFinite(slices.Concat(l.Slope, l.Intercept, l.Bend)); err != nil {
		return Line{}, fmt.Errorf("slope overflows: %w", ErrNotFinite)
	}
	return l, nil
}

// Curvature is the interval of the mean bend, for this line alone, with a
// warning where it lies wholly beyond the margin. Its errors are those of
// PairedT, ErrMargin, and ErrShape where there is no bend.
func (l Line) Curvature(margin, level float64) (Interval, []Warning, error) {
	if err := checkMargin(margin); err != nil {
		return Interval{}, nil, err
	}
	if l.Bend == nil {
		return Interval{}, nil, fmt.Errorf("curvature of fewer than 3 numbers: %w", ErrShape)
	}
	i, err := PairedT(l.Bend, level)
	if err != nil {
		return Interval{}, nil, fmt.Errorf("curvature: %w", err)
	}
	if v, _ := Judge(i, margin); v != Material {
		return i, nil, nil
	}
	text := fmt.Sprintf("the values bend by %.6g (%.6g to %.6g) from a line: one slope does not say it all", i.Estimate, i.Low, i.High)
	return i, []Warning{{Code: WarnCurved, Text: text}}, nil
}

func checkSlope(x []float64, values [][]float64) error {
	if len(x) < 2 || len(x) != len(values) {
		return fmt.Errorf("%d numbers and %d series: %w", len(x), len(values), ErrShape)
	}
	if err := checkFinite(x); err != nil {
		return fmt.Errorf("numbers: %w", err)
	}
	if spread(x) <= sameWithin*max(math.Abs(x[0]), math.SmallestNonzeroFloat64) {
		return fmt.Errorf("all numbers are %g: %w", x[0], ErrShape)
	}
	for i, v := range values {
		if len(v) != len(values[0]) {
			return fmt.Errorf("series %d has %d blocks, the first has %d: %w", i+1, len(v), len(values[0]), ErrShape)
		}
		if err := checkFinite(v); err != nil {
			return fmt.Errorf("series %d: %w", i+1, err)
		}
	}
	return nil
}

// standard is x centred and in units of its range: squares then stay finite,
// and digits are not lost to a common offset.
func standard(x []float64) (u []float64, centre, scale float64) {
	centre, scale = mean(x), spread(x)
	u = make([]float64, len(x))
	for i := range x {
		u[i] = (x[i] - centre) / scale
	}
	return u, centre, scale
}

// quadratic is what of u² neither a constant nor u accounts for; nil with
// fewer than 3 different u, where that is nothing.
func quadratic(u []float64) []float64 {
	q := make([]float64, len(u))
	for i := range u {
		q[i] = u[i] * u[i]
	}
	m, b := mean(q), along(u, q)
	for i := range q {
		q[i] -= m + b*u[i]
	}
	if spread(q) <= 1e-9 {
		return nil
	}
	return q
}

// along is the least-squares coefficient of y on x, which sums to 0.
func along(x, y []float64) float64 {
	var xy, xx float64
	centre := mean(y)
	for i := range x {
		xy += x[i] * (y[i] - centre)
		xx += x[i] * x[i]
	}
	return xy / xx
}
