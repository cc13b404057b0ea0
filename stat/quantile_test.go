package stat_test

import (
	"math"
	"slices"
	"testing"

	"github.com/taremesh/tare/stat"
)

func TestQuantile(t *testing.T) {
	tests := []struct {
		name    string
		sorted  []float64
		q, want float64
	}{
		{"one value", []float64{7}, 0.3, 7},
		{"median of two", []float64{1, 2}, 0.5, 1.5},
		{"median of three", []float64{1, 2, 9}, 0.5, 2},
		{"R: quantile(1:10, 0.25)", []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.25, 3.25},
		{"R: quantile(1:10, 0.9)", []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.9, 9.1},
		{"least", []float64{1, 2, 3}, 0, 1},
		{"greatest", []float64{1, 2, 3}, 1, 3},
		{"no overflow", []float64{-math.MaxFloat64, math.MaxFloat64}, 0.5, 0},
		{"none", nil, 0.5, math.NaN()},
		{"above 1", []float64{1}, 1.1, math.NaN()},
		{"below 0", []float64{1}, -0.1, math.NaN()},
		{"no number", []float64{1}, math.NaN(), math.NaN()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := stat.Quantile(tt.sorted, tt.q)
			if math.IsNaN(tt.want) != math.IsNaN(got) || math.Abs(got-tt.want) > 1e-12 {
				t.Errorf("got %g, want %g", got, tt.want)
			}
		})
	}
}

func TestSupported(t *testing.T) {
	tests := []struct {
		n    int
		q    float64
		want bool
	}{
		{200, 0.5, true}, {199, 0.5, false},
		{1000, 0.9, true}, {999, 0.9, false},
		{10000, 0.99, true}, {9999, 0.99, false},
		{100000, 0.999, true}, {99999, 0.999, false},
		{100, 0, true}, {0, 0.5, false},
		{1 << 40, 1, false}, {1000, -0.1, false}, {1000, math.NaN(), false},
	}
	for _, tt := range tests {
		ok, why := stat.Supported(tt.n, tt.q)
		if ok != tt.want {
			t.Errorf("Supported(%d, %g) = %t, want %t", tt.n, tt.q, ok, tt.want)
		}
		if ok != (why == "") {
			t.Errorf("Supported(%d, %g): ok %t, reason %q", tt.n, tt.q, ok, why)
		}
	}
	if _, why := stat.Supported(1500, 0.99); why != "p99 needs 10000 samples, there are 1500" {
		t.Errorf("reason: %q", why)
	}
}

func FuzzQuantile(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, 0.5)
	f.Add(-1e308, 1e308, 0.0, 0.999)
	f.Fuzz(func(t *testing.T, a, b, c, q float64) {
		values := []float64{a, b, c}
		for _, x := range append(values, q) {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return
			}
		}
		slices.Sort(values)
		got := stat.Quantile(values, q)
		if q < 0 || q > 1 {
			if !math.IsNaN(got) {
				t.Errorf("quantile %g is %g, want NaN", q, got)
			}
			return
		}
		if !(values[0] <= got && got <= values[2]) {
			t.Errorf("quantile %g of %v is %g", q, values, got)
		}
	})
}
