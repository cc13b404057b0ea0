//go:build !race

package comparison_test

// simulatedRuns is what the project's bar asks for.
const simulatedRuns = 1000
