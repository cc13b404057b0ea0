package picture

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Scale places values of the data on a picture.
type Scale struct {
	Low, High float64 // values
	From, To  float64 // places; to may be less than from
	Bend      func(float64) float64
	// labels are the values that may carry a label, the most wanted first.
	Labels func(low, high float64) []float64
}

// Linear places equal differences at equal distances.
func Linear(low, high, from, to float64) Scale {
	low, high = apart(low, high)
	return Scale{low, high, from, to, func(x float64) float64 { return x }, evenLabels}
}

// Logarithmic places equal ratios at equal distances; low must be above 0.
func Logarithmic(low, high, from, to float64) Scale {
	if !(low > 0) {
		return Linear(low, high, from, to)
	}
	low, high = apart(low, high)
	return Scale{low, high, from, to, math.Log, decadeLabels}
}

// Symmetric is linear within ±unit and logarithmic beyond, on both sides.
func Symmetric(low, high, unit, from, to float64) Scale {
	low, high = apart(low, high)
	bend := func(x float64) float64 { return math.Asinh(x / unit) }
	return Scale{low, high, from, to, bend, func(low, high float64) []float64 { return symmetricLabels(low, high, unit) }}
}

// apart widens a range without extent.
func apart(low, high float64) (float64, float64) {
	if low < high {
		return low, high
	}
	d := max(math.Abs(low)*.05, 1e-3)
	return low - d, high + d
}

// At is the place of x; what lies outside is put on the edge.
func (s Scale) At(x float64) float64 {
	x = min(max(x, s.Low), s.High)
	part := (s.Bend(x) - s.Bend(s.Low)) / (s.Bend(s.High) - s.Bend(s.Low))
	return s.From + part*(s.To-s.From)
}

// Holds reports whether x is in range.
func (s Scale) Holds(x float64) bool { return s.Low <= x && x <= s.High }

// Ticks are the values to label, in ascending order, no two labels nearer than
// gap and as many as fit.
func (s Scale) Ticks(gap float64) []float64 {
	var out []float64
	for _, x := range s.Labels(s.Low, s.High) {
		near := func(y float64) bool { return math.Abs(s.At(x)-s.At(y)) < gap }
		if s.Holds(x) && !slices.ContainsFunc(out, near) {
			out = append(out, x)
		}
	}
	slices.Sort(out)
	return out
}

// evenLabels are multiples of 1, 2 or 5 times a power of ten, at most 6 steps.
func evenLabels(low, high float64) []float64 {
	step := niceStep((high - low) / 5)
	var out []float64
	for k := math.Ceil(low / step); k <= math.Floor(high/step); k++ {
		out = append(out, k*step)
	}
	// Zero, then what is rounder: labels dropped for want of space are the odd ones.
	slices.SortStableFunc(out, func(a, b float64) int {
		odd := func(x float64) float64 { return math.Mod(math.Abs(math.Round(x/step)), 2) }
		return cmp.Compare(odd(a), odd(b))
	})
	return out
}

// niceStep is the least of 1, 2, 5 × 10^k that is not below x.
func niceStep(x float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*ten >= x*(1-1e-9) {
			return m * ten
		}
	}
	return 10 * ten
}

// decadeLabels are powers of ten, then their fives and twos, then the rest.
func decadeLabels(low, high float64) []float64 {
	var out []float64
	for _, m := range []float64{1, 5, 2, 3, 7, 4, 6, 8, 9} {
		for ten := math.Floor(math.Log10(low)); ten <= math.Log10(high); ten++ {
			out = append(out, m*math.Pow(10, ten))
		}
	}
	return out
}

// symmetricLabels are 0 and, from the outside in, both signs of 1, 2, 5 × 10^k
// down to the unit.
func symmetricLabels(low, high, unit float64) []float64 {
	out := []float64{0}
	for _, m := range []float64{1, 5, 2} {
		for ten := math.Ceil(math.Log10(max(-low, high, unit))); ten >= math.Floor(math.Log10(unit)); ten-- {
			x := m * math.Pow(10, ten)
			out = append(out, x, -x)
		}
	}
	return out
}

// Label prints a tick's value as short as it is: 20k is 20,000.
func Label(x float64) string {
	suffix := ""
	switch a := math.Abs(x); {
	case a >= 1e6:
		x, suffix = x/1e6, "M"
	case a >= 1e4:
		x, suffix = x/1e3, "k"
	}
	return strings.Replace(strconv.FormatFloat(math.Round(x*1e6)/1e6+0, 'f', -1, 64), "-", "−", 1) + suffix
}
