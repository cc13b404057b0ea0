package experiment

import "github.com/taremesh/tare/stat"

// Effect is what a factor does to an endpoint, averaged over the levels of the
// other factors: the difference of the mean at one of its levels from that at
// its first one. Of two factors it is their interaction: half of what the
// effect of either changes by when the other goes from From to To.
type Effect struct {
	// Baseline and Treatment are the two means that the effect is the difference of.
	stat.Comparison
	Factors  []int    // of the study's: one, or two
	From, To []string // levels, one for each factor
	Endpoint Endpoint
	// Primary effects share one simultaneous level; the others are exploratory.
	Primary bool
	// Means at each combination of these levels, the last factor turning
	// fastest: from, to; of two factors from-from, from-to, to-from, to-to.
	Means []float64
	// Aliases are the effects that a fraction cannot tell apart from this one.
	Aliases [][]int
	// PerBlock are the effects in each block, in the order of the plan.
	PerBlock []float64
}
