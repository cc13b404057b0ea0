package experiment_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
)

// Where treatments interfere, a p99 under shared load is no p99 of either: it
// is given from solo windows only.
func TestTailsUnderInterference(t *testing.T) {
	for _, c := range []struct {
		alone   time.Duration // of b; it shares at about 130 µs
		stamped bool
	}{{130 * time.Microsecond, false}, {110 * time.Microsecond, true}} {
		blocks := handmadeBlocks(12)
		for i := range blocks {
			latency := &blocks[i].Samples[1]
			for k := range 3 {
				*latency = append(*latency, answers(k, 10_000, 130*time.Microsecond)...)
			}
			if i < 5 {
				blocks[i] = controlled(blocks[i], 3000, c.alone+time.Duration(i)*100*time.Nanosecond)
			}
		}
		for i := range blocks { // b shares at 130, a at 100 µs
			for j, s := range blocks[i].Samples[1] {
				if s.Target != 2 {
					blocks[i].Samples[1][j].LastByte = s.Intended + 100*time.Microsecond
				}
			}
		}
		an, err := experiment.Analyse(planOf(t, weighed), blocks)
		if err != nil {
			t.Fatal(err)
		}
		if len(an.Interference) != 1 {
			t.Fatalf("%+v", an.Interference)
		}
		in := an.Interference[0]
		if in.Interferes != c.stamped || in.HeaviestP99 == nil || *in.HeaviestP99 != float64(c.alone)/1e3+0.4 {
			t.Fatalf("%+v", in)
		}
		if last := an.Shifts[0].Levels[len(an.Shifts[0].Levels)-1]; c.stamped != (last == 0.9) || !c.stamped && last != 0.99 {
			t.Errorf("stamped %t: the shift function is given up to %g", c.stamped, last)
		}
		_, given := an.Treatments[2].Values[experiment.P99]
		compared := slices.ContainsFunc(an.Comparisons, func(c experiment.Comparison) bool { return c.Endpoint == experiment.P99 })
		if given == c.stamped || compared == c.stamped {
			t.Errorf("stamped %t: p99 given %t, compared %t", c.stamped, given, compared)
		}
		if c.stamped && !strings.Contains(an.Treatments[2].Why[experiment.P99], "solo windows only") {
			t.Errorf("why: %q", an.Treatments[2].Why[experiment.P99])
		}
	}
}
