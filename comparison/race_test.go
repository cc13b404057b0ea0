//go:build race

package comparison_test

// simulatedRuns is smaller under the race detector, which makes the simulation
// many times as slow and finds nothing in it: one goroutine runs it.
const simulatedRuns = 20
