package stat_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/taremesh/tare/stat"
)

func TestHarrellDavisOfFew(t *testing.T) {
	near(t, "one value", stat.HarrellDavis([]float64{7}, 0.9), 7, 0)
	near(t, "two values", stat.HarrellDavis([]float64{2, 4}, 0.5), 3, 1e-12)
	near(t, "symmetric", stat.HarrellDavis([]float64{-8, -1, 0, 1, 8}, 0.5), 0, 1e-12)
	for _, q := range []float64{0, 1, -0.1, 1.1, math.NaN()} {
		if got := stat.HarrellDavis([]float64{1, 2, 3}, q); !math.IsNaN(got) {
			t.Errorf("quantile %g: %g", q, got)
		}
	}
	if got := stat.HarrellDavis(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("no values: %g", got)
	}
}

// It is the reason to have it: in thin samples it varies less than Quantile.
func TestHarrellDavisVariesLess(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 1))
	var hd, plain []float64
	for range 2000 {
		s := latencies(r, 250, 100)
		slices.Sort(s)
		hd, plain = append(hd, stat.HarrellDavis(s, 0.9)), append(plain, stat.Quantile(s, 0.9))
	}
	if a, b := sd(hd), sd(plain); a > 0.97*b {
		t.Errorf("sd %g, that of the sample quantile %g", a, b)
	}
	near(t, "mean", mean(hd)/mean(plain), 1, 0.01)
}

func sd(values []float64) float64 {
	m, sum := mean(values), 0.0
	for _, x := range values {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(len(values)-1))
}

// spectra of two arms over the blocks, the second slower by shift in its upper half.
func spectra(seed uint64, blocks, samples int, quantiles []float64, shift float64) (a, b []stat.Spectrum) {
	m := newMachine(seed)
	for range blocks {
		levels := m.block(protocol{}.order(m.random, 2))
		for arm, to := range []*[]stat.Spectrum{&a, &b} {
			s := latencies(m.random, levels[arm], samples)
			slices.Sort(s)
			if arm == 1 {
				for i := samples / 2; i < samples; i++ {
					s[i] += shift
				}
			}
			*to = append(*to, stat.NewSpectrum(s, quantiles))
		}
	}
	return a, b
}

func TestShiftFunction(t *testing.T) {
	quantiles := []float64{0.1, 0.25, 0.75, 0.9, 0.99}
	a, b := spectra(3, 20, 1000, quantiles, 30)
	got, err := stat.ShiftFunction(quantiles, a, b, stat.Options{Level: 0.95, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Quantiles, quantiles[:4]) || len(got.Band) != 4 || got.Multiplicity.Method != stat.MethodMaxT {
		t.Fatalf("%+v", got)
	}
	if len(got.Missing) != 1 || got.Missing[0].Quantile != 0.99 || !strings.Contains(got.Missing[0].Why, "10000 samples") {
		t.Errorf("missing: %+v", got.Missing)
	}
	for i, want := range []float64{0, 0, 30, 30} {
		if !got.Band[i].Contains(want) || got.Band[i].Half() > 5 {
			t.Errorf("p%g: %+v, want about %g", 100*got.Quantiles[i], got.Band[i], want)
		}
	}
	a[7].Samples = 99
	none, err := stat.ShiftFunction(quantiles, a, b, stat.Options{Level: 0.95})
	if err != nil || len(none.Band) != 0 || len(none.Missing) != 5 {
		t.Errorf("one thin block: %+v, %v", none, err)
	}
}

func TestShiftFunctionRefusals(t *testing.T) {
	quantiles := []float64{0.5}
	good := []stat.Spectrum{{1000, []float64{1}}, {1000, []float64{2}}, {1000, []float64{4}}}
	tests := []struct {
		name string
		q    []float64
		a, b []stat.Spectrum
		o    stat.Options
		want error
	}{
		{"no quantiles", nil, good, good, stat.Options{Level: 0.95}, stat.ErrShape},
		{"other blocks", quantiles, good, good[1:], stat.Options{Level: 0.95}, stat.ErrShape},
		{"other quantiles", []float64{0.5, 0.6}, good, good, stat.Options{Level: 0.95}, stat.ErrShape},
		{"one block", quantiles, good[:1], good[:1], stat.Options{Level: 0.95}, stat.ErrTooFew},
		{"none", quantiles, nil, nil, stat.Options{Level: 0.95}, stat.ErrTooFew},
		{"NaN", quantiles, good, []stat.Spectrum{{1000, []float64{1}}, {1000, []float64{math.NaN()}}, good[2]}, stat.Options{Level: 0.95}, stat.ErrNotFinite},
		{"no level", quantiles, good, []stat.Spectrum{good[2], good[0], good[1]}, stat.Options{}, stat.ErrLevel},
	}
	for _, tt := range tests {
		if got, err := stat.ShiftFunction(tt.q, tt.a, tt.b, tt.o); !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

func BenchmarkHarrellDavis(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{2_000, 30_000} {
		s := latencies(r, 250, n)
		slices.Sort(s)
		b.Run(map[int]string{2_000: "2000", 30_000: "30000"}[n], func(b *testing.B) {
			for b.Loop() {
				stat.HarrellDavis(s, 0.9)
			}
		})
	}
}

// Thirty treatments, sixty blocks, 1,500 samples each: all spectra at ten
// quantiles from sorted samples, and the bands of 29 against the first.
func BenchmarkShiftFunction30x60(b *testing.B) {
	const treatments, blocks, samples = 30, 60, 1500
	quantiles := []float64{0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.93, 0.99, 0.999}
	r := rand.New(rand.NewPCG(1, 1))
	sorted := make([][][]float64, treatments)
	for t := range sorted {
		for range blocks {
			s := latencies(r, 250, samples)
			slices.Sort(s)
			sorted[t] = append(sorted[t], s)
		}
	}
	for b.Loop() {
		var first []stat.Spectrum
		for t := range sorted {
			var of []stat.Spectrum
			for _, s := range sorted[t] {
				of = append(of, stat.NewSpectrum(s, quantiles))
			}
			if t == 0 {
				first = of
				continue
			}
			if _, err := stat.ShiftFunction(quantiles, first, of, stat.Options{Level: 0.95, Seed: 1}); err != nil {
				b.Fatal(err)
			}
		}
	}
}
