package stat_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/taremesh/tare/stat"
)

// started is a study on the simulated machine: places and values by treatment.
func started(seed uint64, treatments, blocks int, settle float64) (positions [][]int, values [][]float64) {
	m := newMachine(seed)
	m.settle = settle
	positions, values = make([][]int, treatments), make([][]float64, treatments)
	for range blocks {
		order := protocol{}.order(m.random, treatments)
		figures := m.block(order)
		for slot, treatment := range order {
			positions[treatment] = append(positions[treatment], slot)
			values[treatment] = append(values[treatment], figures[treatment]+float64(10*treatment))
		}
	}
	return positions, values
}

func orderOf(t *testing.T, seed uint64, blocks int, settle float64) stat.Interval {
	t.Helper()
	positions, values := started(seed, 7, blocks, settle)
	d, err := stat.Order(positions, values)
	if err != nil {
		t.Fatal(err)
	}
	i, err := stat.PairedT(d, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Settling that falls by 6/7 µs a slot shows as that; without it 0 is held.
func TestOrder(t *testing.T) {
	const studies = 1000
	for _, settle := range []float64{0, 6} {
		hits := 0
		for study := range uint64(studies) {
			if orderOf(t, study, 12, settle).Contains(-settle / settledSlots) {
				hits++
			}
		}
		between(t, "order", count(t, hits, studies), 0.94, 0.96)
	}
	if i := orderOf(t, 1, 60, 6); i.High >= 0 {
		t.Errorf("60 blocks do not show an order effect: %+v", i)
	}
}

func TestOrderRefusals(t *testing.T) {
	positions, values := [][]int{{0, 1}, {1, 0}}, [][]float64{{1, 2}, {3, 4}}
	tests := []struct {
		name      string
		positions [][]int
		values    [][]float64
		want      error
	}{
		{"none", nil, nil, stat.ErrShape},
		{"one treatment", positions[:1], values[:1], stat.ErrShape},
		{"no places", positions[:1], values, stat.ErrShape},
		{"places missing", [][]int{{0, 1}, {1}}, values, stat.ErrShape},
		{"blocks missing", positions, [][]float64{{1, 2}, {3}}, stat.ErrShape},
		{"all in one place", [][]int{{0, 1}, {0, 0}}, values, stat.ErrShape},
		{"one block", [][]int{{0}, {1}}, [][]float64{{1}, {2}}, stat.ErrTooFew},
		{"NaN", positions, [][]float64{{1, 2}, {3, math.NaN()}}, stat.ErrNotFinite},
	}
	for _, tt := range tests {
		if got, err := stat.Order(tt.positions, tt.values); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestDrift(t *testing.T) {
	const studies = 2000
	r := rand.New(rand.NewPCG(9, 1))
	for _, slope := range []float64{0, 0.4} {
		hits := 0
		for range studies {
			values := make([]float64, 12)
			for b := range values {
				values[b] = 250 + slope*float64(b) + r.NormFloat64()
			}
			i, err := stat.Drift(values, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			if i.Contains(slope) {
				hits++
			}
		}
		between(t, "drift", count(t, hits, studies), 0.948, 0.952)
	}
	tests := []struct {
		name   string
		values []float64
		level  float64
		want   error
	}{
		{"two blocks", []float64{1, 2}, 0.95, stat.ErrTooFew},
		{"none", nil, 0.95, stat.ErrTooFew},
		{"a line", []float64{1, 2, 3, 4}, 0.95, stat.ErrNoSpread},
		{"constant", []float64{5, 5, 5}, 0.95, stat.ErrNoSpread},
		{"NaN", []float64{1, 2, math.NaN(), 4}, 0.95, stat.ErrNotFinite},
		{"overflow", []float64{1e200, -1e200, 3, 4}, 0.95, stat.ErrNotFinite},
		{"level", []float64{1, 2, 4, 3}, 95, stat.ErrLevel},
	}
	for _, tt := range tests {
		if i, err := stat.Drift(tt.values, tt.level); !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", tt.name, i, err, tt.want)
		}
	}
}

func TestMSER5(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	warming := make([]float64, 1000)
	for i := range warming {
		warming[i] = 250 + 60*math.Exp(-float64(i)/40) + 3*r.NormFloat64()
	}
	got, err := stat.MSER5(warming)
	if err != nil || !got.Settled || got.At < 60 || got.At > 300 {
		t.Errorf("warming: %+v, %v", got, err)
	}
	constant, err := stat.MSER5(make([]float64, 100))
	if err != nil || constant.At != 0 || !constant.Settled {
		t.Errorf("constant: %+v, %v", constant, err)
	}
	rising := make([]float64, 500)
	for i := range rising {
		rising[i] = float64(i)
	}
	if got, err := stat.MSER5(rising); err != nil || got.Settled {
		t.Errorf("rising: %+v, %v", got, err)
	}
	if _, err := stat.MSER5(warming[:49]); !errors.Is(err, stat.ErrTooFew) {
		t.Errorf("49 values: %v", err)
	}
	warming[500] = math.NaN()
	if _, err := stat.MSER5(warming); !errors.Is(err, stat.ErrNotFinite) {
		t.Errorf("NaN: %v", err)
	}
}
