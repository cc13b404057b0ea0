package stat_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/taremesh/tare/stat"
)

// estimate is a family of intervals with what they should hold: together, and
// each as if it were the only one.
type estimate struct {
	together, alone []stat.Interval
	truth           []float64
}

// estimator simulates one study with so many blocks and estimates from it.
type estimator struct {
	name  string
	study func(t *testing.T, seed uint64, blocks int) estimate
}

// estimators are all ways to an interval, on the simulated machine: starts that
// differ, a host that wanders, settling within the block.
func estimators() []estimator {
	return []estimator{
		{"differences", studyDifferences},
		{"effects", studyEffects},
		{"slopes", studySlopes},
		{"Shapley", studyShapley},
		{"shift", studyShift},
		{"Welch", studyWelch},
	}
}

// paired makes the intervals of differences that stand block by block.
func paired(t *testing.T, seed uint64, ds [][]float64, truth []float64) estimate {
	t.Helper()
	together, _, err := stat.Simultaneous(ds, 0.95, seed)
	if err != nil {
		t.Fatal(err)
	}
	e := estimate{together: together, truth: truth}
	for _, d := range ds {
		i, err := stat.PairedT(d, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		e.alone = append(e.alone, i)
	}
	return e
}

// cellsOf are the values of so many arms over the blocks, plus what each costs.
func cellsOf(seed uint64, blocks int, costs []float64) [][]float64 {
	m := newMachine(seed)
	values := make([][]float64, len(costs))
	for range blocks {
		for arm, x := range m.block(protocol{}.order(m.random, len(costs))) {
			values[arm] = append(values[arm], x+costs[arm])
		}
	}
	return values
}

func studyDifferences(t *testing.T, seed uint64, blocks int) estimate {
	costs := []float64{0, 0, 3, 20, -5}
	values := cellsOf(seed, blocks, costs)
	var ds [][]float64
	for _, v := range values[1:] {
		ds = append(ds, differences(t, values[0], v))
	}
	return paired(t, seed, ds, costs[1:])
}

// studyEffects is a 3×2 factorial with main effects and interactions.
func studyEffects(t *testing.T, seed uint64, blocks int) estimate {
	var combinations []stat.Combination
	var costs []float64
	for i := range 3 {
		for j := range 2 {
			combinations = append(combinations, stat.Combination{Levels: []int{i, j}})
			costs = append(costs, 5*float64(i)-3*float64(j)+4*float64(i*j))
		}
	}
	for i, v := range cellsOf(seed, blocks, costs) {
		combinations[i].Values = v
	}
	effects, err := stat.Effects([]int{3, 2}, combinations)
	if err != nil {
		t.Fatal(err)
	}
	return ofEffects(t, seed, effects, []float64{5 + 2, 10 + 4, -3 + 4, 2, 4})
}

func ofEffects(t *testing.T, seed uint64, effects []stat.Effect, truth []float64) estimate {
	var ds [][]float64
	for _, e := range effects {
		ds = append(ds, differences(t, e.A, e.B))
	}
	return paired(t, seed, ds, truth)
}

// studyShapley is a 2³ in which one pair of factors saves together.
func studyShapley(t *testing.T, seed uint64, blocks int) estimate {
	costs := []float64{0, 10, 4, 8, 1, 11, 5, 9} // −6 where the first two meet
	combinations := standardOrder(3, costs)
	for i, v := range cellsOf(seed, blocks, costs) {
		combinations[i].Values = v
	}
	shares, err := stat.Shapley(combinations)
	if err != nil {
		t.Fatal(err)
	}
	return ofEffects(t, seed, shares, []float64{7, 1, 1})
}

// studySlopes is two factors swept over five numbers, with slope and bend.
func studySlopes(t *testing.T, seed uint64, blocks int) estimate {
	x := []float64{1, 2, 4, 8, 16}
	var costs []float64
	for _, perUnit := range []float64{0.5, 0} {
		for _, n := range x {
			costs = append(costs, perUnit*n)
		}
	}
	values := cellsOf(seed, blocks, costs)
	var ds [][]float64
	for k := range 2 {
		l, err := stat.Slope(x, values[5*k:5*k+5])
		if err != nil {
			t.Fatal(err)
		}
		ds = append(ds, l.Slope, l.Bend)
	}
	return paired(t, seed, ds, []float64{0.5, 0, 0, 0})
}

// studyShift is two arms whose requests differ by 5 µs at every quantile.
func studyShift(t *testing.T, seed uint64, blocks int) estimate {
	quantiles := []float64{0.1, 0.25, 0.5, 0.75}
	a, b := spectra(seed, blocks, 400, quantiles, 0)
	for i := range b {
		for q := range b[i].Values {
			b[i].Values[q] += 5
		}
	}
	s, err := stat.ShiftFunction(quantiles, a, b, stat.Options{Level: 0.95, Seed: seed})
	if err != nil || len(s.Band) != len(quantiles) {
		t.Fatalf("%+v, %v", s, err)
	}
	e := estimate{together: s.Band, truth: []float64{5, 5, 5, 5}}
	for q := range quantiles {
		only, err := stat.ShiftFunction(quantiles[q:q+1], one(a, q), one(b, q), stat.Options{Level: 0.95})
		if err != nil {
			t.Fatal(err)
		}
		e.alone = append(e.alone, only.Band[0])
	}
	return e
}

// one is the spectra of a single quantile.
func one(spectra []stat.Spectrum, q int) []stat.Spectrum {
	var only []stat.Spectrum
	for _, s := range spectra {
		only = append(only, stat.Spectrum{Samples: s.Samples, Values: s.Values[q : q+1]})
	}
	return only
}

// studyWelch is two runs on two days, the second with half as many blocks
// again, compared by their differences from a baseline within the run.
func studyWelch(t *testing.T, seed uint64, blocks int) estimate {
	truth := []float64{4, 0, -2}
	before := cellsOf(2*seed, blocks, []float64{0, 10, 20, 30})
	after := cellsOf(2*seed+1, blocks*3/2, []float64{7, 21, 27, 35})
	var pairs []stat.Pair
	for arm := 1; arm < 4; arm++ {
		pairs = append(pairs, stat.Pair{A: differences(t, before[0], before[arm]), B: differences(t, after[0], after[arm])})
	}
	together, err := stat.Independent(pairs, stat.Options{Level: 0.95})
	if err != nil {
		t.Fatal(err)
	}
	e := estimate{truth: truth}
	for k, c := range together {
		e.together = append(e.together, c.Difference)
		e.alone = append(e.alone, independentOne(t, pairs[k], stat.Options{Level: 0.95}).Difference)
	}
	return e
}

// cover counts the families whose intervals all hold, and the intervals that
// hold alone.
func (s estimator) cover(t *testing.T, blocks, reps int) (together, alone stat.Binomial) {
	t.Helper()
	families, singles, of := 0, 0, 0
	for rep := range uint64(reps) {
		e := s.study(t, uint64(blocks)<<32+rep, blocks)
		all := true
		for j, truth := range e.truth {
			all = all && e.together[j].Contains(truth)
			if e.alone[j].Contains(truth) {
				singles++
			}
			of++
		}
		if all {
			families++
		}
	}
	return count(t, families, reps), count(t, singles, of)
}

// checkCover holds the bar: intervals cover 95 % ± 2, alone and together. Of two
// runs what is together is Bonferroni's, which covers more where comparisons go
// together.
func (s estimator) checkCover(t *testing.T, blocks, reps int) {
	t.Helper()
	together, alone := s.cover(t, blocks, reps)
	t.Logf("| %s | %d | %.1f | %.1f |", s.name, blocks, percent(alone), percent(together))
	slack := 300 / math.Sqrt(float64(reps)) * math.Sqrt(0.05*0.95) // three standard errors of the simulation
	if p := percent(alone); p < 93-slack || p > 97+slack {
		t.Errorf("%s, %d blocks: an interval covers %.1f %%, want 95 ± 2", s.name, blocks, p)
	}
	most := 97 + slack
	if s.name == "Welch" {
		most = 100
	}
	if p := percent(together); p < 93-slack || p > most {
		t.Errorf("%s, %d blocks: the family covers %.1f %%, want 95 ± 2", s.name, blocks, p)
	}
}

// A part of testdata/coverage.md; the rest of it is in the soak test.
func TestEstimatorsCover(t *testing.T) {
	for _, s := range estimators() {
		for blocks, reps := range map[int]int{10: 300, 12: 150} {
			if s.name == "shift" {
				reps /= 3
			}
			t.Run(fmt.Sprintf("%s %d", s.name, blocks), func(t *testing.T) { s.checkCover(t, blocks, reps) })
		}
	}
}
