package stat_test

import (
	"errors"
	"math"
	"testing"

	"github.com/taremesh/tare/stat"
)

func TestUSLOfItsOwnLaw(t *testing.T) {
	for _, law := range []stat.USL{
		{Lambda: 1000, Sigma: 0.05, Kappa: 0.001},
		{Lambda: 0.2, Sigma: 0.3, Kappa: 0},
		{Lambda: 5e6, Sigma: 0, Kappa: 0},
		{Lambda: 50, Sigma: 0.6, Kappa: 0.02},
	} {
		var loads, throughputs []float64
		for _, n := range []float64{1, 2, 4, 8, 16, 32} {
			loads, throughputs = append(loads, n), append(throughputs, law.At(n))
		}
		got, err := stat.FitUSL(loads, throughputs)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "λ", got.Lambda/law.Lambda, 1, 1e-4)
		near(t, "σ", got.Sigma, law.Sigma, 1e-4)
		near(t, "κ", got.Kappa, law.Kappa, 1e-5)
	}
	if p := (stat.USL{Lambda: 1, Sigma: 0.1}).Peak(); !math.IsInf(p, 1) {
		t.Errorf("peak without crosstalk: %g", p)
	}
}

func TestUSLRefusals(t *testing.T) {
	tests := []struct {
		name               string
		loads, throughputs []float64
		want               error
	}{
		{"none", nil, nil, stat.ErrTooFew},
		{"three points", []float64{1, 2, 3}, []float64{1, 2, 3}, stat.ErrTooFew},
		{"other lengths", []float64{1, 2, 3, 4}, []float64{1, 2, 3}, stat.ErrShape},
		{"two loads", []float64{1, 1, 2, 2}, []float64{1, 1, 2, 2}, stat.ErrShape},
		{"load 0", []float64{0, 1, 2, 3}, []float64{1, 2, 3, 4}, stat.ErrShape},
		{"below 0", []float64{1, 2, 3, 4}, []float64{1, -2, 3, 4}, stat.ErrShape},
		{"NaN", []float64{1, 2, 3, 4}, []float64{1, math.NaN(), 3, 4}, stat.ErrNotFinite},
		{"infinite", []float64{1, 2, 3, math.Inf(1)}, []float64{1, 2, 3, 4}, stat.ErrNotFinite},
		{"nothing answered", []float64{1, 2, 3, 4}, make([]float64, 4), stat.ErrNoFit},
	}
	for _, tt := range tests {
		if u, err := stat.FitUSL(tt.loads, tt.throughputs); !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", tt.name, u, err, tt.want)
		}
	}
}
