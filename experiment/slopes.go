package experiment

import "github.com/taremesh/tare/stat"

// Slope is what one more of something costs: the line through an endpoint's
// values at the levels of a factor that are numbers.
type Slope struct {
	// Interval is in the endpoint's unit per Unit, of this slope alone.
	stat.Interval
	Factor   string // as in the study: connections, response
	Unit     string // of X: connections, KiB
	Endpoint Endpoint
	Points   []SlopePoint // by X
	Blocks   int
	// Curvature is the bend of the line; nil with fewer than 3 levels. Curved:
	// its interval excludes 0, so that one slope does not say it all.
	Curvature *stat.Interval
	Curved    bool
	// PerBlock are the slopes of each block, in the order of the plan.
	PerBlock []float64
}

// SlopePoint is one level of a slope's factor.
type SlopePoint struct {
	Level      string
	X          float64
	Value      float64 // mean over blocks
	Treatments []int   // that Value is the mean of
}
