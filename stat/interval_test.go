package stat_test

import (
	"errors"
	"math"
	"testing"

	"github.com/taremesh/tare/stat"
)

func TestIntervalRefusals(t *testing.T) {
	good := []float64{1, 2, 3, 4, 5, 6, 7, 9}
	tests := []struct {
		name  string
		d     []float64
		level float64
		want  error
	}{
		{"no block", nil, 0.95, stat.ErrTooFew},
		{"one block", []float64{1}, 0.95, stat.ErrTooFew},
		{"constant", []float64{5, 5, 5, 5, 5, 5, 5}, 0.95, stat.ErrNoSpread},
		{"constant but for rounding", []float64{0.3, 0.1 + 0.2, 0.3, 0.3, 0.3, 0.3}, 0.95, stat.ErrNoSpread},
		{"all zero", make([]float64, 12), 0.95, stat.ErrNoSpread},
		{"NaN", []float64{1, math.NaN(), 2}, 0.95, stat.ErrNotFinite},
		{"infinite", []float64{1, math.Inf(1), 2}, 0.95, stat.ErrNotFinite},
		{"minus infinite", []float64{math.Inf(-1), 1, 2}, 0.95, stat.ErrNotFinite},
		{"overflow of the sum", []float64{math.MaxFloat64, math.MaxFloat64, 1}, 0.95, stat.ErrNotFinite},
		{"overflow of the squares", []float64{1e200, -1e200, 1}, 0.95, stat.ErrNotFinite},
		{"underflow of the squares", []float64{1e-200, -1e-200, 1e-201}, 0.95, stat.ErrNotFinite},
		{"level 0", good, 0, stat.ErrLevel},
		{"level 1", good, 1, stat.ErrLevel},
		{"level 95", good, 95, stat.ErrLevel},
		{"level NaN", good, math.NaN(), stat.ErrLevel},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if i, err := stat.PairedT(tt.d, tt.level); !errors.Is(err, tt.want) {
				t.Errorf("PairedT: %+v, %v; want %v", i, err, tt.want)
			}
			if i, err := stat.HodgesLehmann(tt.d, tt.level); !errors.Is(err, tt.want) {
				t.Errorf("HodgesLehmann: %+v, %v; want %v", i, err, tt.want)
			}
			if a, err := stat.Gate(tt.d, 1, tt.level); !errors.Is(err, tt.want) {
				t.Errorf("Gate: %+v, %v; want %v", a, err, tt.want)
			}
			_, mult, err := stat.Simultaneous([][]float64{tt.d, tt.d}, tt.level, 1)
			if tt.want == stat.ErrNoSpread {
				if err != nil || mult.Method != stat.MethodNone {
					t.Errorf("Simultaneous: %+v, %v; want method %s", mult, err, stat.MethodNone)
				}
			} else if !errors.Is(err, tt.want) {
				t.Errorf("Simultaneous: %v; want %v", err, tt.want)
			}
		})
	}
}

func TestHodgesLehmannTooFew(t *testing.T) {
	d := []float64{1, 2, 3, 4, 6}
	if i, err := stat.HodgesLehmann(d, 0.95); !errors.Is(err, stat.ErrTooFew) {
		t.Errorf("5 blocks at 0.95: %+v, %v", i, err)
	}
	i, err := stat.HodgesLehmann(append(d, 10), 0.95)
	if err != nil {
		t.Fatal(err)
	}
	// 2·P(V = 0) = 2/64 = 3.1 %: the whole range of the Walsh averages.
	if i.Low != 1 || i.High != 10 {
		t.Errorf("6 blocks at 0.95: %+v, want the range from 1 to 10", i)
	}
}

// The normal approximation takes over where the exact distribution ends.
func TestHodgesLehmannLarge(t *testing.T) {
	var half [2]float64
	for k, n := range []int{200, 201} {
		d := make([]float64, n)
		for i := range d {
			d[i] = float64(i) - float64(n-1)/2
		}
		got, err := stat.HodgesLehmann(d, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "centre", got.Estimate, 0, 1e-12)
		half[k] = got.Half()
	}
	near(t, "normal to exact", half[1]/half[0], 1, 0.02)
}

func TestShape(t *testing.T) {
	outlier := make([]float64, 40)
	outlier[0] = 1
	tests := []struct {
		name      string
		d         []float64
		isSkewed  bool
		undefined bool
	}{
		{"symmetric", []float64{-3, -2, -1, 0, 1, 2, 3}, false, false},
		{"one outlier of 12", []float64{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 50}, true, false},
		{"one outlier of 40", outlier, true, false},
		{"two values", []float64{1, 2}, false, true},
		{"constant", []float64{1, 1, 1}, false, true},
		{"NaN", []float64{1, 2, math.NaN()}, false, true},
		{"none", nil, false, true},
	}
	for _, tt := range tests {
		skew, z := stat.Shape(tt.d)
		if stat.IsSkewed(skew, z) != tt.isSkewed {
			t.Errorf("%s: skew %g, z %g, skewed %t", tt.name, skew, z, !tt.isSkewed)
		}
		if tt.undefined && (skew != 0 || z != 0) {
			t.Errorf("%s: skew %g, z %g, want 0, 0", tt.name, skew, z)
		}
	}
	// Two outliers that balance: no skew, and only the distance tells.
	balanced := make([]float64, 60)
	balanced[0], balanced[1] = 1, -1
	if skew, z := stat.Shape(balanced); skew != 0 || z <= 4 || !stat.IsSkewed(skew, z) {
		t.Errorf("balanced outliers: skew %g, z %g", skew, z)
	}
	if stat.IsSkewed(-1, -4) || stat.IsSkewed(1, 4) || !stat.IsSkewed(-1.01, 0) || !stat.IsSkewed(0, 4.01) {
		t.Error("the limits are |skew| > 1 and |z| > 4")
	}
}
