package stat_test

import (
	"errors"
	"math"
	"testing"

	"github.com/taremesh/tare/stat"
)

func TestGate(t *testing.T) {
	d := []float64{-1, 1, -2, 2, 0.5, -0.5, 1, -1, 0, 0.4}
	i, err := stat.PairedT(d, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	edge := max(-i.Low, i.High)
	tests := []struct {
		margin float64
		inside bool
	}{{2, true}, {edge, true}, {edge * 0.999, false}, {0, false}}
	for _, tt := range tests {
		got, err := stat.Gate(d, tt.margin, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if want := (stat.AA{Interval: i, Margin: tt.margin, Inside: tt.inside}); got != want {
			t.Errorf("margin %g: got %+v, want %+v", tt.margin, got, want)
		}
	}
	for _, margin := range []float64{-1, math.NaN(), math.Inf(1)} {
		if got, err := stat.Gate(d, margin, 0.95); !errors.Is(err, stat.ErrMargin) {
			t.Errorf("margin %g: %+v, %v", margin, got, err)
		}
	}
}

// A shift beyond the margin on either side fails the gate.
func TestGateSides(t *testing.T) {
	for _, shift := range []float64{-3, 3} {
		d := []float64{-.1, .1, -.2, .2, 0, .1, -.1, 0, .3, -.3}
		for i := range d {
			d[i] += shift
		}
		if got, err := stat.Gate(d, 2, 0.95); err != nil || got.Inside {
			t.Errorf("shift %g: %+v, %v", shift, got, err)
		}
	}
}

// Where none or all are rejected the end has a closed form, at any level.
func TestCountFarOut(t *testing.T) {
	const level = 1 - 1e-7
	for _, n := range []int{1, 10, 100, 400, 800} {
		want := 1 - math.Pow((1-level)/2, 1/float64(n))
		none, err := stat.Count(0, n, level)
		if err != nil || none.Low != 0 || math.Abs(none.High-want) > 1e-9 {
			t.Errorf("0 of %d: %+v, %v, want %v", n, none, err, want)
		}
		all, err := stat.Count(n, n, level)
		if err != nil || all.High != 1 || math.Abs(all.Low-(1-want)) > 1e-9 {
			t.Errorf("%d of %d: %+v, %v, want %v", n, n, all, err, 1-want)
		}
	}
}

func TestCountEnds(t *testing.T) {
	all, err := stat.Count(4, 4, 0.95)
	if err != nil || all.High != 1 || all.Low <= 0 {
		t.Errorf("all of four: %+v, %v", all, err)
	}
	none, err := stat.Count(0, 4, 0.95)
	if err != nil || none.Low != 0 || none.High >= 1 {
		t.Errorf("none of four: %+v, %v", none, err)
	}
	if !none.Holds(0) || none.Holds(1) || !all.Holds(1) || all.Holds(0) {
		t.Error("Holds")
	}
	for _, c := range [][2]int{{-1, 4}, {5, 4}, {0, 0}, {0, -1}} {
		if b, err := stat.Count(c[0], c[1], 0.95); !errors.Is(err, stat.ErrShape) {
			t.Errorf("%d of %d: %+v, %v", c[0], c[1], b, err)
		}
	}
	if b, err := stat.Count(1, 4, 1); !errors.Is(err, stat.ErrLevel) {
		t.Errorf("level 1: %+v, %v", b, err)
	}
}

// Arm 0 is held against 1 and 2 against 3, and no other pair.
func TestRejectionsPairing(t *testing.T) {
	low, lowToo := []float64{1, 2, 3, 4, 5, 6}, []float64{2, 1, 4, 3, 6, 5}
	high, highToo := []float64{101, 102, 103, 104, 105, 106}, []float64{102, 101, 104, 103, 106, 105}
	tests := []struct {
		name     string
		arms     [][]float64
		rejected int
	}{
		{"alike within pairs", [][]float64{low, lowToo, high, highToo}, 0},
		{"apart within pairs", [][]float64{low, highToo, high, lowToo}, 2},
		{"one of each", [][]float64{low, lowToo, lowToo, high}, 1},
	}
	for _, tt := range tests {
		got, err := stat.Rejections(tt.arms, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		want, err := stat.Count(tt.rejected, 2, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, want)
		}
	}
}

func TestRejectionsRefusals(t *testing.T) {
	arm := []float64{1, 2, 4}
	tests := []struct {
		name string
		arms [][]float64
		want error
	}{
		{"none", nil, stat.ErrShape},
		{"odd", [][]float64{arm, arm, arm}, stat.ErrShape},
		{"unequal", [][]float64{arm, arm[:2]}, stat.ErrShape},
		{"one block", [][]float64{{1}, {2}}, stat.ErrTooFew},
		{"the same arm twice", [][]float64{arm, arm}, stat.ErrNoSpread},
		{"NaN", [][]float64{arm, {1, 2, math.NaN()}}, stat.ErrNotFinite},
	}
	for _, tt := range tests {
		if got, err := stat.Rejections(tt.arms, 0.95); !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}
