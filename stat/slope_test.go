package stat_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/taremesh/tare/stat"
)

// A slope that is the same in all blocks but for rounding has no spread.
func TestSlopeWithoutSpread(t *testing.T) {
	x := []float64{1, 2, 4, 8}
	values := make([][]float64, len(x))
	for i := range x {
		for b := range 12 {
			values[i] = append(values[i], 1000/float64(b+1)+0.003*x[i])
		}
	}
	l, err := stat.Slope(x, values)
	if err != nil {
		t.Fatal(err)
	}
	if i, err := stat.PairedT(l.Slope, 0.95); !errors.Is(err, stat.ErrNoSpread) {
		t.Errorf("slope: %+v, %v", i, err)
	}
	if i, _, err := l.Curvature(0.1, 0.95); !errors.Is(err, stat.ErrNoSpread) {
		t.Errorf("curvature: %+v, %v", i, err)
	}
}

func TestCurvature(t *testing.T) {
	x := []float64{10, 20, 40}
	for _, bend := range []float64{0, 0.02} {
		r := rand.New(rand.NewPCG(8, 2))
		values := make([][]float64, len(x))
		for i := range x {
			for range 20 {
				values[i] = append(values[i], 100+0.5*x[i]+bend*x[i]*x[i]+0.2*r.NormFloat64())
			}
		}
		l, err := stat.Slope(x, values)
		if err != nil {
			t.Fatal(err)
		}
		// Of x² on 10, 20, 40 the orthogonal part is (85.7, −128.6, 42.9).
		i, warnings, err := l.Curvature(1, 0.95)
		if err != nil || !i.Contains(bend*214.286) || i.Half() > 0.5 {
			t.Errorf("bend %g: %+v, %v", bend, i, err)
		}
		if warned := len(warnings) == 1 && warnings[0].Code == stat.WarnCurved; warned != (bend > 0) {
			t.Errorf("bend %g: %+v", bend, warnings)
		}
	}
}

func TestSlopeRefusals(t *testing.T) {
	values := [][]float64{{1, 2}, {3, 4}, {5, 6}}
	tests := []struct {
		name   string
		x      []float64
		values [][]float64
		want   error
	}{
		{"none", nil, nil, stat.ErrShape},
		{"one number", []float64{1}, values[:1], stat.ErrShape},
		{"other lengths", []float64{1, 2}, values, stat.ErrShape},
		{"other blocks", []float64{1, 2}, [][]float64{{1, 2}, {3}}, stat.ErrShape},
		{"all the same", []float64{7, 7, 7}, values, stat.ErrShape},
		{"all zero", []float64{0, 0, 0}, values, stat.ErrShape},
		{"NaN number", []float64{1, math.NaN(), 3}, values, stat.ErrNotFinite},
		{"infinite number", []float64{1, 2, math.Inf(1)}, values, stat.ErrNotFinite},
		{"NaN value", []float64{1, 2}, [][]float64{{1, 2}, {3, math.NaN()}}, stat.ErrNotFinite},
		{"overflow", []float64{1e-200, 2e-200}, [][]float64{{1e200}, {-1e200}}, stat.ErrNotFinite},
	}
	for _, tt := range tests {
		if got, err := stat.Slope(tt.x, tt.values); !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
	l, err := stat.Slope([]float64{1, 2, 2}, values)
	if err != nil || l.Bend != nil {
		t.Errorf("two numbers: %+v, %v", l, err)
	}
	if _, _, err := l.Curvature(1, 0.95); !errors.Is(err, stat.ErrShape) {
		t.Errorf("curvature of two numbers: %v", err)
	}
	if _, _, err := (stat.Line{Bend: []float64{1}}).Curvature(1, 0.95); !errors.Is(err, stat.ErrTooFew) {
		t.Errorf("curvature of one block: %v", err)
	}
	if _, _, err := (stat.Line{Bend: []float64{1, 2}}).Curvature(math.NaN(), 0.95); !errors.Is(err, stat.ErrMargin) {
		t.Errorf("curvature without margin: %v", err)
	}
}
