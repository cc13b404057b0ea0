package stat_test

import (
	"math/rand/v2"
	"testing"

	"github.com/taremesh/tare/stat"
)

// machine simulates a shared host: what a figure of a fresh process is made of
// beside its true value. Units are µs. Settling falls from slot to slot: were it
// all in the first, the differences would be a mixture of two kinds, on which a
// paired t rejects somewhat too seldom (4.2 % measured for 5 %).
type machine struct {
	random *rand.Rand
	start  float64 // sd from start to start of the same process
	noise  float64 // sd of a figure besides
	walk   float64 // sd of the host's step from slot to slot: drift over blocks
	settle float64 // what the first slot of a block has more, less by slot: drift within it
	at     float64 // where the walk is
}

const (
	baseline     = 100.0
	settledSlots = 7
)

func newMachine(seed uint64) *machine {
	return &machine{
		random: rand.New(rand.NewPCG(seed, 0x6d61)),
		start:  0.015 * baseline, noise: 1, walk: 0.3, settle: 6,
	}
}

// block gives a figure for each arm, started in the order given.
func (m *machine) block(order []int) []float64 {
	figures := make([]float64, len(order))
	for slot, arm := range order {
		m.at += m.walk * m.random.NormFloat64()
		settling := m.settle * max(0, 1-float64(slot)/settledSlots)
		figures[arm] = baseline + m.at + settling + m.start*m.random.NormFloat64() + m.noise*m.random.NormFloat64()
	}
	return figures
}

// protocol is how an A/A study treats its arms. The zero value is honest.
type protocol struct {
	fixed   int     // so many arms always start first; the others in random order
	planted float64 // added to the first arm of every pair
}

func (p protocol) order(r *rand.Rand, arms int) []int {
	order := make([]int, arms)
	for a := range order {
		order[a] = a
	}
	rest := order[p.fixed:]
	r.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	return order
}

// rejections runs A/A studies of 8 arms and 12 blocks, by the code that judges
// real ones, until there are so many comparisons.
func (p protocol) rejections(t *testing.T, seed uint64, comparisons int) stat.Binomial {
	t.Helper()
	const arms, blocks = 8, 12
	var rejected, of int
	for study := uint64(0); of < comparisons; study++ {
		m := newMachine(seed<<32 + study)
		values := make([][]float64, arms)
		for range blocks {
			for arm, x := range m.block(p.order(m.random, arms)) {
				if arm%2 == 0 {
					x += p.planted
				}
				values[arm] = append(values[arm], x)
			}
		}
		b, err := stat.Rejections(values, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		rejected, of = rejected+b.Rejected, of+b.Of
	}
	b, err := stat.Count(rejected, of, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An A/A with 100 comparisons holds 5 % of rejections on an honest protocol and
// fails on either sabotage. Each is run several times, so that neither a lucky
// nor an unlucky seed decides: the honest one may exclude 5 % in one of twenty.
func TestRejectionsOnASimulatedMachine(t *testing.T) {
	const runs, comparisons = 40, 100
	tests := []struct {
		name        string
		protocol    protocol
		least, most int // runs in which the interval holds 5 %
	}{
		{"honest", protocol{}, 36, runs},
		{"arm 1 always first", protocol{fixed: 1}, 0, 0},
		{"2 µs in the first arm of every pair", protocol{planted: 2}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			holds := 0
			for run := range uint64(runs) {
				if tt.protocol.rejections(t, run, comparisons).Holds(0.05) {
					holds++
				}
			}
			if holds < tt.least || holds > tt.most {
				t.Errorf("5 %% held in %d of %d runs, want %d to %d", holds, runs, tt.least, tt.most)
			}
			b := tt.protocol.rejections(t, 1000, 4000)
			t.Logf("%s: %d of %d rejected, %.1f %% (%.1f to %.1f)", tt.name, b.Rejected, b.Of, 100*float64(b.Rejected)/float64(b.Of), 100*b.Low, 100*b.High)
			if b.Holds(0.05) != (tt.least > 0) {
				t.Errorf("4,000 comparisons: %+v", b)
			}
		})
	}
}

// The gate passes identical arms and fails a planted difference of the margin.
func TestGateOnASimulatedMachine(t *testing.T) {
	const studies, blocks, margin = 200, 16, 4.0
	inside := map[float64]int{}
	for _, planted := range []float64{0, margin} {
		for study := range uint64(studies) {
			m := newMachine(study)
			var d []float64
			for range blocks {
				figures := m.block(protocol{}.order(m.random, 2))
				d = append(d, figures[1]+planted-figures[0])
			}
			got, err := stat.Gate(d, margin, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			if got.Inside {
				inside[planted]++
			}
		}
	}
	if inside[0] < studies*9/10 || inside[margin] > studies*5/100 {
		t.Errorf("inside ±%g: %d of %d identical, %d of %d with the margin planted", margin, inside[0], studies, inside[margin], studies)
	}
}
