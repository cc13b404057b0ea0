package stat

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Rule says when a run may end before its time: on width alone, never on what
// the difference is. It is part of the plan and of its digest.
type Rule struct {
	First int     // blocks at the first look
	Every int     // blocks from one look to the next
	Level float64 // of the intervals looked at; above the 0.95 that is claimed, which pays for the looks
}

// DefaultRule looks at 10, 12, 14 … blocks at level 0.96.
func DefaultRule() Rule { return Rule{First: MinBlocks, Every: 2, Level: 0.96} }

// Look reports whether to look after n blocks. A rule with Every below 1 looks
// once, after First.
func (r Rule) Look(n int) bool {
	if n < r.First || n < 1 {
		return false
	}
	if r.Every < 1 {
		return n == r.First
	}
	return (n-r.First)%r.Every == 0
}

// Enough reports whether every half-width is at most half of its margin. It is
// false if there are none, if the two do not match, or if one is NaN.
func (r Rule) Enough(halfWidths, margins []float64) bool {
	if len(halfWidths) == 0 || len(halfWidths) != len(margins) {
		return false
	}
	for i, half := range halfWidths {
		if !(half <= margins[i]/2) {
			return false
		}
	}
	return true
}

// maxBlocks is the greatest number of blocks that the planner will name.
const maxBlocks = 1_000_000

// Blocks is how many blocks give a 95 % interval of ± half on the difference of
// two treatments: 2(1.96·sd/half)², at least 2. sd is the standard deviation,
// over blocks, of ONE treatment's value in a block, the two being independent
// within it; for the standard deviation s of block differences give s/√2. It is
// the quick planner, good from some 20 blocks on: it takes sd as known.
// It is 0 if there is no such number: half not above 0, sd below 0, NaN, or
// more than a million blocks.
func Blocks(sd, half float64) int {
	if !(half > 0) || !(sd >= 0) {
		return 0
	}
	z := distuv.UnitNormal.Quantile(0.975)
	return wholeBlocks(2 * (z * sd / half) * (z * sd / half))
}

func wholeBlocks(n float64) int {
	if !(n <= maxBlocks) {
		return 0
	}
	return max(2, int(math.Ceil(n)))
}

// power is the chance that the minimum detectable effect is detected.
const power = 0.8

// MinimumDetectable is the true difference that n blocks show (by an interval at
// the level that excludes 0) four times in five: (t₁₋α/₂ + t₀.₈)·sd/√n with n−1
// degrees of freedom, sd being that of the block differences. For n below 2, a
// level outside (0, 1) or an sd that is negative or NaN it is +Inf: nothing is
// detectable.
func MinimumDetectable(sd float64, n int, level float64) float64 {
	if n < 2 || checkLevel(level) != nil || !(sd >= 0) {
		return math.Inf(1)
	}
	t := tQuantile(1-(1-level)/2, n-1) + tQuantile(power, n-1)
	return t * sd / math.Sqrt(float64(n))
}
