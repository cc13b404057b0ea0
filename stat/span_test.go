package stat_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/taremesh/tare/stat"
)

// coveredSpans is how often the span of the median and of p90 held the truth, over
// series of 2,000 exponential values, of which runs of that length are alike.
func coveredSpans(t *testing.T, alike int, q float64, known bool) float64 {
	t.Helper()
	const series, n, batches = 600, 2400, 24
	r := rand.New(rand.NewPCG(7, uint64(alike)))
	truth := -math.Log(1 - q)
	held := 0
	for range series {
		x := make([]float64, n)
		for i := range x {
			if i%alike == 0 {
				x[i] = r.ExpFloat64()
			} else {
				x[i] = x[i-1]
			}
		}
		sorted := slices.Sorted(slices.Values(x))
		inflation := 1.0
		if known {
			at := stat.Quantile(sorted, q)
			events, trials := make([]int, batches), make([]int, batches)
			for i, v := range x {
				trials[i*batches/n]++
				if v > at {
					events[i*batches/n]++
				}
			}
			inflation = stat.Overdispersion(events, trials)
		}
		low, high, err := stat.QuantileSpan(n, q, 0.95, inflation)
		if err != nil {
			t.Fatal(err)
		}
		if stat.Quantile(sorted, low) <= truth && truth <= stat.Quantile(sorted, high) {
			held++
		}
	}
	return float64(held) / series
}

func TestQuantileSpanCovers(t *testing.T) {
	for _, q := range []float64{0.5, 0.9} {
		if c := coveredSpans(t, 1, q, false); c < 0.92 || c > 0.98 {
			t.Errorf("independent values, q %g: covered %.3f", q, c)
		}
		// Twenty alike in a row: 120 independent values stand in 24 batches.
		if c := coveredSpans(t, 20, q, false); c > 0.6 {
			t.Errorf("dependent values without inflation, q %g: covered %.3f, so the test shows nothing", q, c)
		}
		if c := coveredSpans(t, 20, q, true); c < 0.90 {
			t.Errorf("dependent values, q %g: covered %.3f", q, c)
		}
	}
}

func TestQuantileSpan(t *testing.T) {
	low, high, err := stat.QuantileSpan(10000, 0.5, 0.95, 1)
	if err != nil || math.Abs(low-0.4902) > 1e-4 || math.Abs(high-0.5098) > 1e-4 {
		t.Errorf("%v to %v, %v", low, high, err)
	}
	wide, _, _ := stat.QuantileSpan(10000, 0.5, 0.95, 4)
	if math.Abs(0.5-wide-2*(0.5-low)) > 1e-9 {
		t.Errorf("four times the variance is twice the width: %v, %v", low, wide)
	}
	for _, c := range []struct {
		n                   int
		q, level, inflation float64
		want                error
	}{
		{9999, 0.99, 0.95, 1, stat.ErrTooFew},
		{9999, 0.01, 0.95, 1, stat.ErrTooFew},
		{10000, 0.5, 1, 1, stat.ErrLevel},
		{10000, 0.5, 0.95, math.NaN(), stat.ErrNotFinite},
	} {
		if _, _, err := stat.QuantileSpan(c.n, c.q, c.level, c.inflation); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestOverdispersion(t *testing.T) {
	even := []int{50, 50, 50, 50, 50, 50, 50, 50}
	hundred := []int{100, 100, 100, 100, 100, 100, 100, 100}
	if got := stat.Overdispersion(even, hundred); got != 0 {
		t.Errorf("no spread at all gives %v", got)
	}
	// χ² = 8·(50²/25) = 800 over 7 degrees of freedom.
	if got := stat.Overdispersion([]int{100, 0, 100, 0, 100, 0, 100, 0}, hundred); math.Abs(got-800.0/7) > 1e-9 {
		t.Errorf("all or nothing gives %v", got)
	}
	for name, c := range map[string][2][]int{
		"few":     {{1, 2}, {3, 4}},
		"never":   {make([]int, 8), hundred},
		"always":  {hundred, hundred},
		"unequal": {even, hundred[:7]},
	} {
		if got := stat.Overdispersion(c[0], c[1]); !math.IsNaN(got) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
