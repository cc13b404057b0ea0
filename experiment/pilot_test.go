package experiment_test

import (
	"testing"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

func TestRateForLeavesRoom(t *testing.T) {
	for _, c := range []struct {
		rate study.Rate
		busy float64
		want study.Rate
	}{
		{500, 0.20, 500},
		{500, 0.30, 500}, // at the aim
		{500, 0.31, 450},
		{500, 0.55, 250},
		{500, 20, 50}, // never below one step
	} {
		if got := experiment.RateFor(c.rate, c.busy); got != c.want {
			t.Errorf("%v at %.2f busy: %v, want %v", c.rate, c.busy, got, c.want)
		}
	}
}
