package experiment

import "github.com/taremesh/tare/stat"

// Shift is how much a treatment's response times differ from its baseline's at
// every share of the requests, not at the median alone: the shift function.
type Shift struct {
	Treatment, Baseline int
	Blocks              int
	Confidence          float64         // that the whole band holds at
	Levels              []float64       // shares τ of the requests that were as fast
	Band                []stat.Interval // Δ(τ) in µs, simultaneous over Levels
	// Greatest is the place in Levels where the two differ most.
	Greatest int
	// Why is set where there is no band.
	Why string
}
