package experiment_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

// inWindows makes of every latency phase a window for each treatment, the last
// one first.
func inWindows(p *study.Plan) *study.Plan {
	for b := range p.Blocks {
		var phases []study.Phase
		for _, ph := range p.Blocks[b].Phases {
			if ph.Kind != study.Latency {
				phases = append(phases, ph)
				continue
			}
			for _, i := range slices.Backward(ph.Targets) {
				w := ph
				w.Targets, w.Rate, w.Seed = []int{i}, ph.Rate/float64(len(ph.Targets)), ph.Seed+uint64(i)
				phases = append(phases, w)
			}
		}
		p.Blocks[b].Phases = phases
	}
	return p
}

// In a window one treatment is asked while the others are stopped, and its
// figures are those of its own window.
func TestWindows(t *testing.T) {
	m, j := newMachine(0, 0, 70*time.Microsecond), &journal{}
	f := countdown(nil)
	p := inWindows(planOf(t, fakeStudy))
	a, err := experiment.NewApparatus(p, catalog(t, m, f))
	if err != nil {
		t.Fatal(err)
	}
	r := experiment.Runner{Testbed: m, Journal: j, Settle: time.Microsecond}
	if _, err := r.Run(t.Context(), "x", a, nil); err != nil {
		t.Fatal(err)
	}
	if want := slices.Repeat([]string{"b 2", "a-aa 2", "a 2"}, 12); !slices.Equal(m.alone, want) || len(m.paused) != 0 {
		t.Errorf("alone were %v, and %v are still stopped", m.alone, m.paused)
	}
	an, err := experiment.Analyse(p, j.blocks)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{110, 110, 180} { // the half of the noise, and what was planted
		got := an.Treatments[i].PerBlock[experiment.P50]
		if len(got) != 12 {
			t.Fatalf("treatment %d has figures of %d blocks", i, len(got))
		}
		for b, x := range got {
			if math.Abs(x-want) > 6 {
				t.Errorf("treatment %d in block %d: p50 %.1f µs, want about %.0f", i, b, x, want)
			}
		}
	}
	// 200/s each over 12 windows of 2 s of all three.
	if got := an.Apparatus.Rate; math.Abs(got-200) > 10 {
		t.Errorf("offered %.0f/s in a window, want 200", got)
	}
}
