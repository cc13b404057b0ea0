package stat

import (
	"fmt"
	"math"
)

// VoidRule says which blocks are void, by what befell the apparatus and never by
// an outcome. It is part of the plan and of its digest.
type VoidRule struct {
	MaxShare float64 // of the planned blocks that may be void
	Steal    float64 // share of the processors' time taken by the host's other guests
	Lateness float64 // share of the margin by which lateness may differ between treatments
}

// DefaultVoidRule allows 20 % voids; a block is void above 10 % steal or a
// difference in lateness beyond a quarter of the margin.
func DefaultVoidRule() VoidRule { return VoidRule{MaxShare: 0.20, Steal: 0.10, Lateness: 0.25} }

// Strain is what befell one block.
type Strain struct {
	Died      []string  // processes that ended on their own
	Scheduled int       // requests
	Sent      int       // requests
	Errors    int       // of the apparatus, not answers of a function
	Steal     float64   // share, 0 to 1
	Lateness  []float64 // median per treatment, in the unit of the margin
	// LatenessError is the standard error of such a median: what chance alone
	// makes medians differ by is no reason.
	LatenessError float64
	Margin        float64 // of the p50
}

// Reason says why the block is void; it is empty for a block that counts.
// Lateness that falls on all treatments alike is no reason.
func (r VoidRule) Reason(s Strain) string {
	switch {
	case len(s.Died) > 0:
		return fmt.Sprintf("%s died", s.Died[0])
	case s.Sent != s.Scheduled:
		return fmt.Sprintf("%d requests sent of %d scheduled", s.Sent, s.Scheduled)
	case s.Errors > 0:
		return fmt.Sprintf("%d errors of the apparatus", s.Errors)
	case !(s.Steal <= r.Steal):
		return fmt.Sprintf("steal %.1f %%, the limit is %.1f %%", s.Steal*100, r.Steal*100)
	}
	if apart := spread(s.Lateness); !(apart <= r.Lateness*s.Margin+chance*s.LatenessError) {
		return fmt.Sprintf("lateness differs by %.3g between treatments, the limit is %.3g", apart, r.Lateness*s.Margin)
	}
	return ""
}

// chance is how many standard errors the medians of up to some 30 identical
// treatments may lie apart: the 99.9 % point of the range of 30 standard normal
// values is 6.65 (simulated, 400,000 draws).
const chance = 6.65

// Allows reports whether one more block may be void when voids are so already,
// of the planned blocks. If not, the run goes on unvoided and is stamped.
func (r VoidRule) Allows(voids, planned int) bool {
	return float64(voids+1) <= r.MaxShare*float64(planned)+sameWithin
}

// spread is the greatest value minus the least; NaN if one is NaN.
func spread(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	low, high := values[0], values[0]
	for _, x := range values {
		if math.IsNaN(x) {
			return x
		}
		low, high = min(low, x), max(high, x)
	}
	return high - low
}
