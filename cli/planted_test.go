package cli_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/taremesh/tare/stat"
)

// agreement says whether two independent measurements of one planted effect
// agree: the interval of their difference holds 0 and is narrower than a
// quarter of the effect.
func agreement(a, b stat.Interval, effect float64) error {
	half := math.Hypot(a.Half(), b.Half())
	d := stat.Interval{Estimate: a.Estimate - b.Estimate}
	d.Low, d.High = d.Estimate-half, d.Estimate+half
	switch {
	case !(2*half < effect/4):
		return fmt.Errorf("the difference %.2f (%.2f to %.2f) is %.2f wide, not less than a quarter of %g", d.Estimate, d.Low, d.High, 2*half, effect)
	case !d.Contains(0):
		return fmt.Errorf("the difference %.2f (%.2f to %.2f) does not hold 0", d.Estimate, d.Low, d.High)
	}
	return nil
}

func TestAgreementOfPlantedEffects(t *testing.T) {
	around := func(x, half float64) stat.Interval { return stat.Interval{Estimate: x, Low: x - half, High: x + half} }
	for _, c := range []struct {
		name   string
		a, b   stat.Interval
		effect float64
		agree  bool
	}{
		{"the same", around(21, 1), around(21, 1), 20, true},
		{"near", around(21, 1), around(22.4, 1), 20, true},
		{"apart", around(21, 1), around(22.5, 1), 20, false},
		{"apart, the other way round", around(22.5, 1), around(21, 1), 20, false},
		{"wide", around(21, 1.8), around(21, 1.8), 20, false},
		{"one is wide", around(21, 2.5), around(21, 0.1), 20, false},
		{"wide, of a greater effect", around(101, 8), around(99, 8), 100, true},
		{"nothing found", around(0, 1), around(20, 1), 20, false},
		{"no number", around(math.NaN(), 1), around(20, 1), 20, false},
		{"no width", around(20, math.NaN()), around(20, 1), 20, false},
	} {
		if err := agreement(c.a, c.b, c.effect); (err == nil) != c.agree {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
