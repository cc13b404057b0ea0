package experiment

import "github.com/taremesh/tare/stat"

// Checks are what the blocks say of the run itself: whether the place in the
// order of starting mattered, whether figures drifted from block to block,
// whether the warm-up was long enough. A check that fires is a warning, and
// changes no figure.
type Checks struct {
	Order  []OrderCheck  // by endpoint
	Drift  []DriftCheck  // by treatment and endpoint
	Warmup []WarmupCheck // by treatment
}

// OrderCheck is the effect of being started later: a difference per place in
// the order of starting, within blocks.
type OrderCheck struct {
	Endpoint Endpoint
	PerPlace stat.Interval // in the endpoint's unit
	// Span is PerPlace from the first place to the last.
	Span   float64
	Margin float64
	Fired  bool
}

// DriftCheck is how a treatment's figures moved over the blocks.
type DriftCheck struct {
	Treatment int
	Endpoint  Endpoint
	PerBlock  stat.Interval // slope over blocks, in the endpoint's unit
	Changes   []int         // blocks before which the level changed, as places among those that the treatment stood in
	Fired     bool
}

// WarmupCheck is MSER-5 on a treatment's latency phases: how many requests at
// their beginning still belong to the warm-up.
type WarmupCheck struct {
	Treatment int
	Requests  float64 // median over blocks
	Share     float64 // of the phase
	Fired     bool
}
