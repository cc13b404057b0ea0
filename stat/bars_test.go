package stat_test

import (
	"fmt"
	"testing"

	"github.com/taremesh/tare/stat"
)

// margin2 is the default margin of a baseline of 100 µs: 2 %.
const margin2 = 0.02 * baseline

// alike is an A/A study on the simulated machine: a baseline and treatments that
// are the same, as the pairs of one family with margin 0.
func alike(seed uint64, arms, blocks int) []stat.Pair {
	m := newMachine(seed)
	values := make([][]float64, arms)
	for range blocks {
		for arm, x := range m.block(protocol{}.order(m.random, arms)) {
			values[arm] = append(values[arm], x)
		}
	}
	var pairs []stat.Pair
	for arm := 1; arm < arms; arm++ {
		pairs = append(pairs, stat.Pair{Name: fmt.Sprint(arm), A: values[0], B: values[arm]})
	}
	return pairs
}

// alarms are A/A studies, and what of them is wrong.
type alarms struct {
	studies, comparisons int
	pointwise            int // comparisons whose own interval excludes 0
	material, beyond     int // studies with any verdict material, at margin 0 and at 2 %
}

func (a *alarms) study(t *testing.T, seed uint64, arms, blocks int) {
	t.Helper()
	a.studies++
	pairs := alike(seed, arms, blocks)
	got, err := stat.Compare(pairs, stat.Options{Level: 0.95, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	material, beyond := false, false
	for _, c := range got {
		material = material || c.Verdict == stat.Material
		wide, _ := stat.Judge(c.Difference, margin2)
		beyond = beyond || wide == stat.Material
	}
	if material {
		a.material++
	}
	if beyond {
		a.beyond++
	}
	for _, p := range pairs {
		a.comparisons++
		if !compareOne(t, p, stat.Options{Level: 0.95}).Difference.Contains(0) {
			a.pointwise++
		}
	}
}

func share(n, of int) float64 { return 100 * float64(n) / float64(of) }

// check holds the bar: pointwise exclusion of 0 is 5 % ± 1.5, any false
// material in the family at most 5 % (at margin 0, where every exclusion of 0 is
// one, as near to it as 1,000 studies can tell).
func (a *alarms) check(t *testing.T) {
	t.Helper()
	t.Logf("%d A/A studies of %d comparisons: pointwise %.1f %%, any material at margin 0 %.1f %%, at 2 %% %.1f %%",
		a.studies, a.comparisons/a.studies, share(a.pointwise, a.comparisons), share(a.material, a.studies), share(a.beyond, a.studies))
	if p := share(a.pointwise, a.comparisons); p < 3.5 || p > 6.5 {
		t.Errorf("pointwise exclusion of 0 in %.1f %%, want 5 ± 1.5", p)
	}
	if share(a.beyond, a.studies) > 5 {
		t.Errorf("a false material in %.1f %% of studies, want at most 5", share(a.beyond, a.studies))
	}
	if b := count(t, a.material, a.studies); b.Low > 0.05 || share(a.material, a.studies) > 6.5 {
		t.Errorf("a false material at margin 0 in %.1f %% of studies, want 5", share(a.material, a.studies))
	}
}

func TestThousandAAStudies(t *testing.T) {
	var a alarms
	for study := range uint64(1000) {
		a.study(t, study, 5, 12)
	}
	a.check(t)
	// A protocol that lies is seen: what the bar is worth.
	wrong := 0
	for study := range uint64(200) {
		for _, p := range alike(study, 3, 12) {
			for b := range p.B {
				p.B[b] += 2
			}
			if !compareOne(t, p, stat.Options{Level: 0.95}).Difference.Contains(0) {
				wrong++
			}
		}
	}
	if share(wrong, 400) < 20 {
		t.Errorf("2 µs are seen in %.1f %% of comparisons: the simulation tells nothing", share(wrong, 400))
	}
}

// factorial is a 2³ on the simulated machine, with an interaction of the first
// two factors (½ of the difference of differences) and an effect of the third.
func factorial(t *testing.T, seed uint64, blocks int, interaction, third float64) []stat.Effect {
	t.Helper()
	m := newMachine(seed)
	combinations := standardOrder(3, make([]float64, 8))
	for i := range combinations {
		combinations[i].Values = nil
	}
	for range blocks {
		for i, x := range m.block(protocol{}.order(m.random, 8)) {
			c := &combinations[i]
			if c.Levels[0] == c.Levels[1] {
				x += interaction
			}
			x += third * float64(c.Levels[2])
			c.Values = append(c.Values, x)
		}
	}
	effects, err := stat.Effects([]int{2, 2, 2}, combinations)
	if err != nil {
		t.Fatal(err)
	}
	return effects
}

// findInteraction counts the studies in which the planted interaction is
// material, and those in which anything else is.
func findInteraction(t *testing.T, studies, blocks int, planted float64) (found, others int) {
	t.Helper()
	for study := range uint64(studies) {
		var pairs []stat.Pair
		for _, e := range factorial(t, study, blocks, planted, 1) {
			pairs = append(pairs, stat.Pair{Name: letters(e), A: e.A, B: e.B, Margin: margin2})
		}
		got, err := stat.Compare(pairs, stat.Options{Level: 0.95, Seed: study})
		if err != nil {
			t.Fatal(err)
		}
		other := false
		for _, c := range got {
			if c.Name != "AB" {
				other = other || c.Verdict == stat.Material
			} else if c.Verdict == stat.Material && c.Direction == stat.Worse {
				found++
			}
		}
		if other {
			others++
		}
	}
	return found, others
}

// An interaction of 6 µs is found beyond a margin of 2 µs in 12 blocks, and
// nothing is that is not there.
func TestPlantedInteractionIsFound(t *testing.T) {
	const studies, blocks, planted = 200, 12, 6.0
	found, others := findInteraction(t, studies, blocks, planted)
	t.Logf("found in %.1f %% of %d studies, others material in %d", share(found, studies), studies, others)
	if share(found, studies) < 97 || share(others, studies) > 5 {
		t.Errorf("found in %d of %d, others material in %d", found, studies, others)
	}
}
