package study_test

import (
	"testing"
	"time"

	"github.com/taremesh/tare/study"
)

func TestMargin(t *testing.T) {
	for _, c := range []struct {
		text           string // empty: the default
		baseline, want float64
	}{
		{"", 500, 10}, // a share of the baseline
		{"", 60, 2},   // the floor
		{"", 0, 2},
		{"5%", 400, 20}, // the user's alone
		{"1us", 500, 1},
		{"50us", 500, 50},
	} {
		m := study.Margin{Relative: 0.02, Least: 2 * time.Microsecond}
		if c.text != "" {
			if err := m.UnmarshalText([]byte(c.text)); err != nil {
				t.Fatal(err)
			}
		}
		if got := m.Of(c.baseline); got < c.want-1e-12 || got > c.want+1e-12 {
			t.Errorf("margin %q of %g: got %g, want %g", c.text, c.baseline, got, c.want)
		}
	}
	for _, wrong := range []string{"5", "-1us", "0%", "much"} {
		if err := new(study.Margin).UnmarshalText([]byte(wrong)); err == nil {
			t.Errorf("margin %q: no error", wrong)
		}
	}
}
