package stat_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/taremesh/tare/stat"
)

// history is independent values around levels that change at the places given.
func history(r *rand.Rand, n int, draw func(*rand.Rand) float64, steps map[int]float64) []float64 {
	series := make([]float64, n)
	level := 100.0
	for i := range series {
		level += steps[i]
		series[i] = level + draw(r)
	}
	return series
}

func changesIn(t *testing.T, series []float64, level float64) []int {
	t.Helper()
	points, err := stat.ChangePoints(series, level)
	if err != nil {
		t.Fatal(err)
	}
	var at []int
	for _, p := range points {
		at = append(at, p.At)
		if p.Difference.Contains(0) {
			t.Errorf("change at %d: %+v holds 0", p.At, p.Difference)
		}
	}
	return at
}

func TestChangePointsFindPlantedChanges(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 1))
	const studies = 200
	found, right := 0, 0
	for range studies {
		at := changesIn(t, history(r, 40, normal.draw, map[int]float64{12: 4, 26: -3}), 0.95)
		if len(at) == 2 {
			found++
			if math.Abs(float64(at[0]-12)) <= 1 && math.Abs(float64(at[1]-26)) <= 1 {
				right++
			}
		}
	}
	t.Logf("both found in %d of %d, to within one place in %d", found, studies, right)
	if found < studies*90/100 || right < studies*80/100 {
		t.Errorf("both changes found in %d of %d, in the right place in %d", found, studies, right)
	}
}

// Without a change few series give any, whatever their length and law.
func TestChangePointsFalseAlarms(t *testing.T) {
	const studies = 200
	for _, l := range []law{normal, heavy} {
		for _, n := range []int{6, 12, 40, 100} {
			r := rand.New(rand.NewPCG(12, uint64(n)))
			alarms := 0
			for range studies {
				if len(changesIn(t, history(r, n, l.draw, nil), 0.95)) > 0 {
					alarms++
				}
			}
			b := count(t, alarms, studies)
			t.Logf("%s, %d values: %.1f %% false alarms", l.name, n, percent(b))
			if b.Low > 0.05 {
				t.Errorf("%s, %d values: %.1f %% false alarms", l.name, n, percent(b))
			}
		}
	}
}

func TestChangePointsFigures(t *testing.T) {
	series := []float64{10, 11, 10, 11, 10, 20, 21, 20, 21, 20}
	points, err := stat.ChangePoints(series, 0.95)
	if err != nil || len(points) != 1 {
		t.Fatalf("%+v, %v", points, err)
	}
	p := points[0]
	near(t, "before", p.Before, 10.4, 1e-12)
	near(t, "after", p.After, 20.4, 1e-12)
	near(t, "difference", p.Difference.Estimate, 10, 1e-12)
	// Student's at 0.95 shared by 5 places: t₈(1 − 0.05/10) = 3.355387 (R), se = √(0.3·2/5).
	near(t, "half-width", p.Difference.Half(), 3.355387*math.Sqrt(0.12), 1e-6)
	if at := changesIn(t, []float64{5, 6, 5, 6, 5, 6, 50, 51, 6, 5, 6, 5, 6, 5}, 0.95); len(at) != 0 {
		t.Errorf("two outliers side by side: %v", at)
	}
	if at := changesIn(t, []float64{5, 5, 5, 5, 9, 9, 9, 9}, 0.95); !slices.Equal(at, []int{4}) {
		t.Errorf("a clean step: %v", at)
	}
}

func TestChangePointsOfLittle(t *testing.T) {
	for _, series := range [][]float64{nil, {1}, {1, 2}, {1, 1, 9}, {1, 1, 1, 9, 9}, {3, 3, 3, 3, 3, 3}} {
		if points, err := stat.ChangePoints(series, 0.95); err != nil || len(points) != 0 {
			t.Errorf("%v: %+v, %v", series, points, err)
		}
	}
	for want, series := range map[error][]float64{
		stat.ErrNotFinite: {1, 2, math.NaN(), 4, 5, 6}, stat.ErrLevel: nil,
	} {
		level := 0.95
		if want == stat.ErrLevel {
			level = 1
		}
		if points, err := stat.ChangePoints(series, level); !errors.Is(err, want) {
			t.Errorf("%v: %+v, %v; want %v", series, points, err, want)
		}
	}
	if points, err := stat.ChangePoints([]float64{1, 2, math.MaxFloat64, math.MaxFloat64, 5, 6}, 0.95); !errors.Is(err, stat.ErrNotFinite) {
		t.Errorf("overflow: %+v, %v", points, err)
	}
}

func BenchmarkChangePoints(b *testing.B) {
	series := history(rand.New(rand.NewPCG(1, 1)), 500, normal.draw, map[int]float64{100: 3, 300: -2})
	for b.Loop() {
		if _, err := stat.ChangePoints(series, 0.95); err != nil {
			b.Fatal(err)
		}
	}
}
