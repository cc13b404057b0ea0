package stat

import (
	"fmt"
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// HalfWidth is half the width of the interval that n blocks give on a
// difference whose block differences have the standard deviation sd, for m
// comparisons that hold together at the level: t₁₋α/₂ₘ·sd/√n (Bonferroni's, at
// least as wide as what Simultaneous gives). +Inf where there is none: n below
// 2, m below 1, a level outside (0, 1), an sd that is negative or NaN.
func HalfWidth(sd float64, n, m int, level float64) float64 {
	if n < 2 || m < 1 || checkLevel(level) != nil || !(sd >= 0) {
		return math.Inf(1)
	}
	return tQuantile(1-(1-level)/2/float64(m), n-1) * sd / math.Sqrt(float64(n))
}

// BlocksFor is the least number of blocks whose HalfWidth is at most half. 0: a
// million are too few, or there is no such number.
func BlocksFor(sd, half float64, m int, level float64) int {
	if !(half > 0) || !(HalfWidth(sd, maxBlocks, m, level) <= half) {
		return 0
	}
	// The half-width falls with n, so the first that fits is found by halving.
	return 2 + sort.Search(maxBlocks-2, func(k int) bool { return HalfWidth(sd, k+2, m, level) <= half })
}

// Spread is the standard deviation of n values from a normal distribution with
// its interval at the level, by χ² of n−1 degrees of freedom. Below two values
// it is from 0 to +Inf.
func Spread(sd float64, n int, level float64) Interval {
	if n < 2 || checkLevel(level) != nil || !(sd >= 0) {
		return Interval{Estimate: sd, High: math.Inf(1)}
	}
	chi := distuv.ChiSquared{K: float64(n - 1)}
	bound := func(p float64) float64 { return sd * math.Sqrt(float64(n-1)/chi.Quantile(p)) }
	tail := (1 - level) / 2
	return Interval{Estimate: sd, Low: bound(1 - tail), High: bound(tail)}
}

// BestLength is how long the phase of a block should last where the variance of
// a block's difference is between + within/length and the block takes overhead
// beside the phase: √(overhead·within/between), which makes the variance times
// the time of a block least (Kalibera & Jones, "Rigorous Benchmarking in
// Reasonable Time", ISMM 2013, §5: the number of repetitions at a level is the
// root of the ratio of costs times that of variances). +Inf where blocks do not
// differ of themselves; NaN where an argument is negative or NaN.
func BestLength(overhead, within, between float64) float64 {
	if !(overhead >= 0) || !(within >= 0) || !(between >= 0) {
		return math.NaN()
	}
	if between == 0 {
		return math.Inf(1)
	}
	return math.Sqrt(overhead * within / between)
}

// tooMany is the number of blocks beyond which nobody wants to know it exactly.
const tooMany = 1000

// MoreBlocks words a number of further blocks.
func MoreBlocks(n int) string {
	switch {
	case n > tooMany:
		return fmt.Sprintf("over %d more blocks", tooMany)
	case n == 1:
		return "about 1 more block"
	}
	return fmt.Sprintf("about %d more blocks", n)
}
