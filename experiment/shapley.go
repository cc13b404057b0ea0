package experiment

import "github.com/taremesh/tare/stat"

// Waterfall shares out what all factors together add to an endpoint: each
// factor's share is what it adds, averaged over all orders of adding them
// (Shapley's value), so that the shares sum to the total.
type Waterfall struct {
	Endpoint  Endpoint
	None, All int // treatments: every factor at its first, at its second level
	// NoneValue and AllValue are their means over blocks.
	NoneValue, AllValue float64
	Total               stat.Interval // all − none
	Shares              []Share       // in the order of the study's factors
	Blocks              int
	Multiplicity        stat.Multiplicity // of the shares and the total together
}

// Share is one factor's.
type Share struct {
	stat.Interval
	Factor   int
	From, To string
}
