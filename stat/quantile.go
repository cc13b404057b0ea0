package stat

import (
	"fmt"
	"math"
)

// beyondQuantile is how many samples must lie beyond a quantile for it to be given.
const beyondQuantile = 100

// Quantile returns the exact sample quantile q of values sorted in ascending
// order: linear interpolation between the order statistics around (n−1)q, which
// is definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical
// Packages", The American Statistician 50 (1996), and the default of R.
// It is NaN if there are no values or q is outside [0, 1].
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 || !(q >= 0 && q <= 1) {
		return math.NaN()
	}
	at := float64(len(sorted)-1) * q
	low := int(at)
	if low+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return interpolate(sorted[low], sorted[low+1], at-float64(low))
}

// interpolate stays within [a, b] and does not overflow where b−a would.
func interpolate(a, b, part float64) float64 {
	if part == 0 || a == b {
		return a
	}
	return min(max(a*(1-part)+b*part, a), b)
}

// Supported reports whether n samples carry the quantile q, that is whether
// n(1−q) is at least 100; if not, why says what is missing.
func Supported(n int, q float64) (ok bool, why string) {
	if !(q >= 0 && q < 1) {
		return false, fmt.Sprintf("%g is no quantile below the maximum", q)
	}
	// 1−q is not exact in binary (1−0.9 < 0.1): the tolerance keeps 1,000 samples enough for p90.
	need := int(math.Ceil(beyondQuantile/(1-q) - 1e-6))
	if n >= need {
		return true, ""
	}
	return false, fmt.Sprintf("p%.6g needs %d samples, there are %d", q*100, need, n)
}

// MedianError is the standard error of the median of a sample, without any
// assumption on its shape: half the distance of the order statistics one
// standard deviation to either side of it, the number of values below the
// median being binomial with standard deviation √n/2. It is +Inf for fewer
// than 4 values.
func MedianError(sorted []float64) float64 {
	n := len(sorted)
	if n < 4 {
		return math.Inf(1)
	}
	d := 0.5 / math.Sqrt(float64(n))
	return (Quantile(sorted, 0.5+d) - Quantile(sorted, 0.5-d)) / 2
}
