//go:build soak

package stat_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// The bar at the blocks that it names; shift functions draw their requests and
// get fewer studies.
func TestSoakEstimatorsCover(t *testing.T) {
	for _, s := range estimators() {
		for _, blocks := range []int{10, 20, 40} {
			reps := 4000
			if s.name == "shift" {
				reps = 1000
			}
			t.Run(fmt.Sprintf("%s %d", s.name, blocks), func(t *testing.T) { s.checkCover(t, blocks, reps) })
		}
	}
}

func TestSoakThousandAAStudies(t *testing.T) {
	for _, blocks := range []int{10, 12, 20, 40} {
		for _, arms := range []int{2, 5, 9} {
			var a alarms
			for study := range uint64(1000) {
				a.study(t, uint64(blocks)<<32+study, arms, blocks)
			}
			t.Logf("| %d | %d | %.1f | %.1f | %.1f |", blocks, arms-1, share(a.pointwise, a.comparisons), share(a.material, a.studies), share(a.beyond, a.studies))
			a.check(t)
		}
	}
}

func TestSoakPlantedInteraction(t *testing.T) {
	for _, blocks := range []int{12, 20, 40} {
		for _, planted := range []float64{0, 2, 3, 4, 6} {
			found, others := findInteraction(t, 500, blocks, planted)
			t.Logf("| %d | %g | %.1f | %.1f |", blocks, planted, share(found, 500), share(others, 500))
		}
	}
}

// Servers whose knee differs from start to start, probed at rates of each block.
func TestSoakKneeCoverage(t *testing.T) {
	for _, blocks := range []int{3, 5, 10, 20, 40} {
		for _, c := range []kneeCase{
			{server{1000, 0.03, 0.02}, blocks, 6, 0.2, 2000},
			{server{1000, 0, 0.02}, blocks, 6, 0.2, 2000},
			{server{1000, 0.01, 0.005}, blocks, 6, 0.2, 2000},
			{server{1000, 0.02, 0.01}, blocks, 4, 0.1, 2000},
			{server{1000, 0.02, 0.1}, blocks, 8, 0.4, 2000},
		} {
			b := c.cover(t)
			t.Logf("| %d | %g | %g | %d | %g | %.1f |", blocks, 100*c.start, 100*c.noise, c.rates, 100*c.reach, percent(b))
			most := 0.96
			if blocks < 10 {
				most = 1 // the gap between two rates makes it wider
			}
			between(t, fmt.Sprintf("knee %+v", c), b, 0.94, most)
		}
	}
}

func TestSoakChangePoints(t *testing.T) {
	const studies = 4000
	for _, l := range []law{normal, heavy, skewed} {
		for _, n := range []int{6, 8, 12, 20, 40, 100} {
			r := rand.New(rand.NewPCG(13, uint64(n)))
			alarms, found := 0, 0
			for range studies {
				if len(changesIn(t, history(r, n, l.draw, nil), 0.95)) > 0 {
					alarms++
				}
				if at := changesIn(t, history(r, n, l.draw, map[int]float64{n / 2: 3}), 0.95); len(at) == 1 {
					found++
				}
			}
			b := count(t, alarms, studies)
			t.Logf("| %s | %d | %.1f | %.1f |", l.name, n, percent(b), share(found, studies))
			if l.name != skewed.name && b.Low > 0.05 {
				t.Errorf("%s, %d values: %.1f %% false alarms", l.name, n, percent(b))
			}
		}
	}
}

func TestSoakOrderCoverage(t *testing.T) {
	const studies = 4000
	for _, blocks := range []int{10, 20, 40} {
		for _, settle := range []float64{0, 6} {
			hits := 0
			for study := range uint64(studies) {
				if orderOf(t, study, blocks, settle).Contains(-settle / settledSlots) {
					hits++
				}
			}
			b := count(t, hits, studies)
			t.Logf("| %d | %g | %.1f |", blocks, settle, percent(b))
			between(t, "order", b, 0.94, 0.96)
		}
	}
}
