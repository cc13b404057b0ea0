package load_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taremesh/tare/load"
)

func sizesOf(tb testing.TB, d load.Distribution, seed uint64) *load.Sampler {
	tb.Helper()
	s, err := load.Request{Size: &d}.Sizes(seed)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// ks is the Kolmogorov–Smirnov statistic times √n of what was drawn.
func ks(drawn []float64, cdf func(float64) float64) float64 {
	slices.Sort(drawn)
	n, d := float64(len(drawn)), 0.0
	for i, x := range drawn {
		f := cdf(x)
		d = max(d, math.Abs(f-float64(i)/n), math.Abs(f-float64(i+1)/n))
	}
	return d * math.Sqrt(n)
}

func TestSizesFollowTheirDistribution(t *testing.T) {
	const n = 20000
	for name, c := range map[string]struct {
		d   load.Distribution
		cdf func(x float64) float64
	}{
		"exponential": {load.Distribution{Shape: load.Exponential, Mean: 4000}, func(x float64) float64 { return 1 - math.Exp(-x/4000) }},
		"lognormal": {load.Distribution{Shape: load.LogNormal, Median: 1000, Sigma: 1.5}, func(x float64) float64 {
			return 0.5 * math.Erfc(-math.Log(x/1000)/1.5/math.Sqrt2)
		}},
	} {
		for seed := range uint64(4) {
			s := sizesOf(t, c.d, seed)
			drawn := make([]float64, n)
			for i := range drawn {
				drawn[i] = s.Draw(uint64(i))
			}
			if got := ks(drawn, c.cdf); got > 1.95 { // once in 1,000
				t.Errorf("%s, seed %d: Kolmogorov–Smirnov statistic %.2f", name, seed, got)
			}
		}
	}
}

func TestSizesOfFewValues(t *testing.T) {
	const n = 60000
	for name, c := range map[string]struct {
		d    load.Distribution
		want map[float64]float64
	}{
		"fixed":      {load.Distribution{Shape: load.Fixed, Mean: 7}, map[float64]float64{7: 1}},
		"uniform":    {load.Distribution{Shape: load.Evenly, Low: 3, High: 5}, map[float64]float64{3: 1. / 3, 4: 1. / 3, 5: 1. / 3}},
		"list":       {load.Distribution{Shape: load.Listed, Values: []float64{9, 1}}, map[float64]float64{9: 0.5, 1: 0.5}},
		"weighted":   {load.Distribution{Shape: load.Listed, Values: []float64{100, 200, 5000, 6}, Weights: []float64{5, 3, 2, 0}}, map[float64]float64{100: 0.5, 200: 0.3, 5000: 0.2}},
		"cut":        {load.Distribution{Shape: load.Evenly, Low: 1, High: 4, Most: 2}, map[float64]float64{1: 0.25, 2: 0.75}},
		"cut wholly": {load.Distribution{Shape: load.Exponential, Mean: 1e6, Most: 1}, map[float64]float64{}},
	} {
		s := sizesOf(t, c.d, 11)
		counts := map[float64]float64{}
		for i := range uint64(n) {
			counts[s.Draw(i)]++
		}
		if name == "cut wholly" {
			if counts[1] < n*0.99 {
				t.Errorf("%s: %.0f of %d at the bound", name, counts[1], n)
			}
			continue
		}
		if len(counts) != len(c.want) {
			t.Errorf("%s: drew %v", name, counts)
		}
		for x, share := range c.want {
			if math.Abs(counts[x]-share*n) > 4*math.Sqrt(n*share*(1-share)) {
				t.Errorf("%s: %v was drawn %.0f times of %d, want a share of %.3f", name, x, counts[x], n, share)
			}
		}
	}
}

// A request's size is drawn by its number: neighbours do not go together, nor
// does one seed's with another's, and any order gives the same.
func TestDrawsAreApart(t *testing.T) {
	const n = 20000
	d := load.Distribution{Shape: load.Evenly, Low: 0, High: 1 << 20}
	one, other := sizesOf(t, d, 1), sizesOf(t, d, 2)
	lag, cross, mean := 0.0, 0.0, float64(1<<19)
	scale := float64(1<<20) * float64(1<<20) / 12
	for i := range uint64(n) {
		x := one.Draw(i) - mean
		lag += x * (one.Draw(i+1) - mean) / scale / n
		cross += x * (other.Draw(i) - mean) / scale / n
	}
	if limit := 4 / math.Sqrt(n); math.Abs(lag) > limit || math.Abs(cross) > limit {
		t.Errorf("correlation with the next %.4f, with another seed's %.4f, want below %.4f", lag, cross, limit)
	}
	if n := testing.AllocsPerRun(1000, func() { one.Draw(5) }); n != 0 {
		t.Errorf("%v allocations per draw", n)
	}
}

// The figures are part of what a seed means.
func TestDrawsAreStable(t *testing.T) {
	got := ""
	for _, d := range []load.Distribution{
		{Shape: load.Evenly, Low: 1, High: 1000}, {Shape: load.Exponential, Mean: 1000},
		{Shape: load.LogNormal, Median: 1000, Sigma: 1}, {Shape: load.Listed, Values: []float64{1, 2, 3}},
	} {
		s := sizesOf(t, d, 42)
		for i := range uint64(3) {
			got += fmt.Sprintf("%.3f ", s.Draw(i))
		}
	}
	const want = "330.000 74.000 404.000 1110.819 2605.080 907.938 642.829 235.189 782.961 1.000 1.000 2.000 "
	if got != want {
		t.Errorf("draws of seed 42:\n got %s\nwant %s", got, want)
	}
}

func TestDistributionBounds(t *testing.T) {
	for _, c := range []struct {
		d                 load.Distribution
		greatest, average float64
	}{
		{load.Distribution{Shape: load.Fixed, Mean: 5}, 5, 5},
		{load.Distribution{Shape: load.Evenly, Low: 2, High: 6}, 6, 4},
		{load.Distribution{Shape: load.Exponential, Mean: 3}, 100, 3},
		{load.Distribution{Shape: load.Exponential, Mean: 3, Most: 20}, 20, 3},
		{load.Distribution{Shape: load.LogNormal, Median: 2, Sigma: 2}, 100, 2 * math.Exp(2)},
		{load.Distribution{Shape: load.Listed, Values: []float64{4, 8}, Weights: []float64{3, 1}}, 8, 5},
		{load.Distribution{Shape: load.Listed, Values: []float64{4, 8}}, 8, 6},
	} {
		if got := c.d.Greatest(100); got != c.greatest {
			t.Errorf("%+v: the greatest is %v, want %v", c.d, got, c.greatest)
		}
		if got := c.d.Average(); math.Abs(got-c.average) > 1e-9 {
			t.Errorf("%+v: the average is %v, want %v", c.d, got, c.average)
		}
	}
}

func TestParseDistribution(t *testing.T) {
	for text, want := range map[string]load.Distribution{
		"1000":                    {Shape: load.Fixed, Mean: 1000},
		"16KiB":                   {Shape: load.Fixed, Mean: 16384},
		"uniform 100..2KiB":       {Shape: load.Evenly, Low: 100, High: 2048},
		"exponential 4KiB":        {Shape: load.Exponential, Mean: 4096},
		"exponential 10 up to 99": {Shape: load.Exponential, Mean: 10, Most: 99},
		"lognormal 1KiB 1.5":      {Shape: load.LogNormal, Median: 1024, Sigma: 1.5},
		"list 100, 1KiB x 3":      {Shape: load.Listed, Values: []float64{100, 1024}, Weights: []float64{1, 3}},
		"list 1 x 0.5 up to 1MiB": {Shape: load.Listed, Values: []float64{1}, Weights: []float64{0.5}, Most: 1 << 20},
	} {
		got, err := load.ParseSize(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	for text, want := range map[string]load.Distribution{
		"10ms":                    {Shape: load.Fixed, Mean: 1e7},
		"exponential 1s up to 1m": {Shape: load.Exponential, Mean: 1e9, Most: 6e10},
		"uniform 0s..20ms":        {Shape: load.Evenly, High: 2e7},
	} {
		got, err := load.ParseThink(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	for text, want := range map[string]string{
		"":                       "known: fixed, uniform",
		"pareto 5":               "known: fixed, uniform",
		"-5":                     `"-5" is not a size`,
		"5 6":                    `"5 6"`,
		"uniform 5":              "from..to",
		"uniform 9..5":           "from 9 to 5",
		"lognormal 5":            "median and sigma",
		"lognormal 5 x":          "sigma",
		"lognormal 5 11":         "sigma",
		"exponential":            "is not a size",
		"exponential 5 up to":    "is not a size",
		"exponential 99MiB":      "not 0 to",
		"list":                   "is not a size",
		"list 5 x -1":            "weight",
		"list 5 x 0":             "weight 0",
		"exponential 5 up to 0":  "up to 0",
		"exponential 5 up to 1G": "is not a size",
	} {
		if _, err := load.ParseSize(text); err == nil || !containsText(err, want) {
			t.Errorf("%q: error %v, want %q in it", text, err, want)
		}
	}
	for text, want := range map[string]string{"10": "is not a time", "2h": "not 0 to", "-1s": "is not a time"} {
		if _, err := load.ParseThink(text); err == nil || !containsText(err, want) {
			t.Errorf("%q: error %v, want %q in it", text, err, want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, text := range []string{"5", "uniform 1..2KiB", "exponential 5 up to 9", "lognormal 5 2", "list 1, 2 x 3, 4MiB x 0.1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := load.ParseSize(text)
		if err != nil {
			return
		}
		s := sizesOf(t, d, 1)
		for i := range uint64(50) {
			if x := s.Draw(i); !(x >= 0 && x <= load.MaxBody && x <= d.Greatest(load.MaxBody)) {
				t.Fatalf("%q draws %v", text, x)
			}
		}
	})
}

func TestThinking(t *testing.T) {
	l := load.Load{Closed: true, Duration: time.Second, Seed: 5}
	if s, err := l.Thinking(); s != nil || err != nil {
		t.Errorf("no pause: %v, %v", s, err)
	}
	l.Think = &load.Distribution{Shape: load.Exponential, Mean: 1e6}
	s, err := l.Thinking()
	if err != nil {
		t.Fatal(err)
	}
	const n = 20000
	drawn := make([]float64, n)
	for i := range drawn {
		drawn[i] = s.Draw(uint64(i))
	}
	if got := ks(drawn, func(x float64) float64 { return 1 - math.Exp(-x/1e6) }); got > 1.95 {
		t.Errorf("Kolmogorov–Smirnov statistic %.2f", got)
	}
}
