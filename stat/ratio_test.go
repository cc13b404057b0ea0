package stat_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/taremesh/tare/stat"
)

// Held against R's t.test, inverted, on published pairs.
func TestRatioFixtures(t *testing.T) {
	fs := readFixtures(t).Ratio
	if len(fs) < 8 {
		t.Fatalf("%d fixtures", len(fs))
	}
	unbounded := 0
	for _, f := range fs {
		r, err := stat.RatioOfDifferences(f.Over, f.Under, f.Level)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		near(t, f.Name+" estimate", r.Estimate, f.Estimate, 1e-12)
		if (r.Interval != nil) != f.Bounded {
			t.Errorf("%s at %g: %+v, want bounded %t", f.Name, f.Level, r, f.Bounded)
			continue
		}
		if r.Interval == nil {
			unbounded++
			if !strings.Contains(r.Why, "divided by may be 0") {
				t.Errorf("%s: why %q", f.Name, r.Why)
			}
			continue
		}
		near(t, f.Name+" low", r.Interval.Low, f.Low, 1e-6)
		near(t, f.Name+" high", r.Interval.High, f.High, 1e-6)
	}
	if unbounded == 0 {
		t.Error("no fixture without bounds")
	}
}

// What the set is by definition: at its ends the t interval of over − θ·under
// just touches 0, whatever the signs and sizes.
func TestRatioInvertsTheT(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	bounded := 0
	for range 300 {
		n := 3 + r.IntN(20)
		scale, sign := math.Pow(10, 6*r.Float64()-3), 1-2*float64(r.IntN(2))
		over, under := make([]float64, n), make([]float64, n)
		for i := range n {
			common := r.NormFloat64()
			over[i] = scale * (3*r.NormFloat64() + common)
			under[i] = sign * (4 + common + r.NormFloat64())
		}
		q, err := stat.RatioOfDifferences(over, under, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if q.Interval == nil {
			continue
		}
		bounded++
		for _, theta := range []float64{q.Interval.Low, q.Interval.High} {
			d := make([]float64, n)
			for i := range d {
				d[i] = over[i] - theta*under[i]
			}
			in, err := stat.PairedT(d, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			if off := min(math.Abs(in.Low), math.Abs(in.High)); off > 1e-9*in.Half() {
				t.Fatalf("n=%d θ=%g: the interval %g to %g does not end at 0", n, theta, in.Low, in.High)
			}
		}
		if !q.Interval.Contains(q.Estimate) {
			t.Fatalf("%+v", q)
		}
	}
	if bounded < 200 {
		t.Errorf("only %d of 300 bounded", bounded)
	}
}

// Over many studies the interval holds the true ratio as often as it claims,
// and a ratio whose denominator cannot be told from 0 is given none.
func TestRatioCovers(t *testing.T) {
	for _, c := range []struct {
		blocks      int
		over, under float64 // true differences, in standard deviations of a block
		correlation float64
	}{{12, 30, 10, 0}, {12, 30, 10, 0.7}, {20, 3, 2, 0.5}, {20, 0, 5, 0.5}, {12, 2, -4, 0.3}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, uint64(c.blocks)))
			hits, bounded := 0, 0
			for range 4000 {
				over, under := make([]float64, c.blocks), make([]float64, c.blocks)
				for i := range c.blocks {
					common := math.Sqrt(c.correlation) * r.NormFloat64()
					own := math.Sqrt(1 - c.correlation)
					over[i], under[i] = c.over+common+own*r.NormFloat64(), c.under+common+own*r.NormFloat64()
				}
				q, err := stat.RatioOfDifferences(over, under, 0.95)
				if err != nil {
					t.Fatal(err)
				}
				if q.Interval == nil {
					continue
				}
				bounded++
				if q.Interval.Contains(c.over / c.under) {
					hits++
				}
			}
			if bounded < 3990 {
				t.Fatalf("%d of 4000 bounded", bounded)
			}
			n, err := stat.Count(hits, bounded, 0.999)
			if err != nil || !n.Holds(0.95) {
				t.Errorf("covers %.1f %% (%+v), %v", 100*float64(hits)/float64(bounded), n, err)
			}
		})
	}
}

func TestRatioRefuses(t *testing.T) {
	for _, c := range []struct {
		name        string
		over, under []float64
		level       float64
		want        error
	}{
		{"unlike", []float64{1, 2}, []float64{1}, 0.95, stat.ErrShape},
		{"one block", []float64{1}, []float64{1}, 0.95, stat.ErrTooFew},
		{"not a number", []float64{1, math.NaN()}, []float64{1, 2}, 0.95, stat.ErrNotFinite},
		{"level", []float64{1, 2}, []float64{1, 2}, 1, stat.ErrLevel},
	} {
		if _, err := stat.RatioOfDifferences(c.over, c.under, c.level); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	for _, c := range []struct {
		name        string
		over, under []float64
		why         string
	}{
		{"nothing below", []float64{1, 2, 3}, []float64{-1, 0, 1}, "may be 0"},
		{"0 below", []float64{1, 2, 3}, []float64{0, 0, 0}, "may be 0"},
		{"all agree", []float64{4, 4, 4}, []float64{2, 2, 2}, "nothing is known of its error"},
	} {
		q, err := stat.RatioOfDifferences(c.over, c.under, 0.95)
		if err != nil || q.Interval != nil || !strings.Contains(q.Why, c.why) || math.IsNaN(q.Estimate) || math.IsInf(q.Estimate, 0) {
			t.Errorf("%s: %+v, %v", c.name, q, err)
		}
	}
	// A denominator that is known exactly scales the numerator's own interval.
	q, err := stat.RatioOfDifferences([]float64{1, 2, 3}, []float64{2, 2, 2}, 0.95)
	in, err2 := stat.PairedT([]float64{1, 2, 3}, 0.95)
	if err != nil || err2 != nil || math.Abs(q.Interval.Low-in.Low/2) > 1e-12 || math.Abs(q.Interval.High-in.High/2) > 1e-12 {
		t.Errorf("%+v, %v", q, err)
	}
}
