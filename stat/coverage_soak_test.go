//go:build soak

package stat_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/taremesh/tare/stat"
)

// The grid of testdata/coverage.md. It takes some minutes of one core.
func TestSoakSimultaneousCoverage(t *testing.T) {
	for _, l := range []law{normal, heavy} {
		for _, blocks := range []int{10, 12, 14, 20} {
			for _, comparisons := range []int{2, 5, 10} {
				for _, correlation := range []float64{0, 0.5, 0.9} {
					c := cell{l, blocks, comparisons, correlation, 2000}
					t.Run(c.String(), func(t *testing.T) {
						corrected, plain := c.cover(t)
						t.Logf("| %s | %d | %d | %g | %.1f | %.1f |", c.name, blocks, comparisons, correlation, percent(corrected), percent(plain))
						between(t, "simultaneous", corrected, 0.95, 0.965)
					})
				}
			}
		}
	}
}

var skewed = law{"exponential", func(r *rand.Rand) float64 { return r.ExpFloat64() - 1 }}

// What the method does not promise: strongly skewed differences. The figure is
// for the table; that it is below the level is why Hodges–Lehmann is shown.
func TestSoakSkewedCoverage(t *testing.T) {
	for _, blocks := range []int{12, 20} {
		for _, comparisons := range []int{1, 5} {
			c := cell{skewed, blocks, comparisons, 0.5, 2000}
			corrected, _ := c.cover(t)
			t.Logf("| %s | %d | %d | 0.5 | %.1f |", c.name, blocks, comparisons, percent(corrected))
			between(t, c.String(), corrected, 0.85, 0.96)
		}
	}
}

func TestSoakStoppingRuleCoverage(t *testing.T) {
	for _, l := range []law{normal, heavy} {
		for _, margin := range []float64{1.5, 1.2, 1.0, 0.9, 0.8, 0.7, 0.6} {
			s := stopping{law: l, rule: stat.DefaultRule(), margin: margin, most: 60, stop: onWidth, reps: 20_000}
			t.Run(fmt.Sprintf("%s margin %g", l.name, margin), func(t *testing.T) {
				b := s.cover(t)
				t.Logf("| %s | %g | %.1f |", l.name, margin, percent(b))
				between(t, "on width", b, 0.944, 0.965)
			})
		}
	}
}

// The rule over a family: it stops when the widest of three simultaneous
// intervals is narrow enough.
func TestSoakStoppingRuleFamilyCoverage(t *testing.T) {
	const reps, most, comparisons = 1000, 30, 3
	rule := stat.DefaultRule()
	for _, l := range []law{normal, heavy} {
		for _, margin := range []float64{1.6, 1.2} {
			r := rand.New(rand.NewPCG(5, 6))
			hits := 0
			for rep := range uint64(reps) {
				all := cell{law: l, blocks: most, comparisons: comparisons, correlation: 0.5}.differences(r)
				if holdsAll(familyAtEnd(t, rule, all, margin, rep)) {
					hits++
				}
			}
			b := count(t, hits, reps)
			t.Logf("| %s | %g | %.1f |", l.name, margin, percent(b))
			between(t, fmt.Sprintf("%s margin %g, family of %d", l.name, margin, comparisons), b, 0.944, 0.97)
		}
	}
}

func familyAtEnd(t *testing.T, rule stat.Rule, all [][]float64, margin float64, seed uint64) []stat.Interval {
	t.Helper()
	most := len(all[0])
	for n := rule.First; ; n++ {
		if !rule.Look(n) && n < most {
			continue
		}
		var ds [][]float64
		for _, d := range all {
			ds = append(ds, d[:n])
		}
		intervals, _, err := stat.Simultaneous(ds, rule.Level, seed)
		if err != nil {
			t.Fatal(err)
		}
		var halves, margins []float64
		for _, i := range intervals {
			halves, margins = append(halves, i.Half()), append(margins, margin)
		}
		if n == most || rule.Enough(halves, margins) {
			return intervals
		}
	}
}

func holdsAll(intervals []stat.Interval) bool {
	for _, i := range intervals {
		if !i.Contains(0) {
			return false
		}
	}
	return true
}
