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

// poissonOf is the judgement on so many arrivals of gaps with mean 1.
func poissonOf(t *testing.T, n int, gap func(i int) float64) stat.Poisson {
	t.Helper()
	test, at := new(stat.PoissonTest), 0.0
	for i := range n {
		at += gap(i)
		test.Add(at)
	}
	p, err := test.Result()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Of Poisson processes each p is below a level as often as the level says.
func TestPoissonLevels(t *testing.T) {
	const runs = 2000
	for _, n := range []int{400, 5000} {
		distance, dispersion, lags, faults := 0, 0, 0, 0
		for seed := range uint64(runs) {
			random := rand.New(rand.NewPCG(seed, uint64(n)))
			p := poissonOf(t, n, func(int) float64 { return random.ExpFloat64() })
			if p.P < 0.05 {
				distance++
			}
			if p.DispersionP < 0.05 {
				dispersion++
			}
			if math.Abs(p.Lag)*math.Sqrt(float64(n)) > 1.96 {
				lags++
			}
			faults += len(p.Faults)
		}
		// 100 are expected; the standard deviation is 9.7.
		for name, count := range map[string]int{"distance": distance, "dispersion": dispersion, "lag": lags} {
			if count < 62 || count > 138 {
				t.Errorf("n = %d: the %s is below 5 %% in %d of %d", n, name, count, runs)
			}
		}
		if faults > 20 { // 6 are expected at most
			t.Errorf("n = %d: %d faults in %d Poisson processes", n, faults, runs)
		}
	}
}

// What is not a Poisson process is found out, by the question that asks for it.
func TestPoissonFindsOthers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	previous := 1.0
	for name, c := range map[string]struct {
		gap  func(i int) float64
		want string
	}{
		"uniform":   {func(int) float64 { return 1 }, "not exponential"},
		"regular":   {func(int) float64 { return (random.ExpFloat64() + random.ExpFloat64()) / 2 }, "counts vary 0."},
		"pairs":     {func(i int) float64 { return float64(2*(i%2)) * random.ExpFloat64() }, "not exponential"},
		"clumped":   {func(i int) float64 { return []float64{0.5, 1.5}[i/200%2] * random.ExpFloat64() }, "counts vary"},
		"too quick": {func(int) float64 { return 0.9 * random.ExpFloat64() }, "not exponential"},
		"dependent": {func(int) float64 {
			// Exponential each, and a half of them the gap before again.
			if random.Float64() < 0.5 {
				previous = random.ExpFloat64()
			}
			return previous
		}, "goes with the one before"},
	} {
		p := poissonOf(t, 20000, c.gap)
		if !strings.Contains(strings.Join(p.Faults, "; "), c.want) {
			t.Errorf("%s: %+v, want %q", name, p, c.want)
		}
	}
	// A deviation that is sure and small is no fault.
	late := 0.0
	p := poissonOf(t, 1<<20, func(int) float64 {
		before := late
		late = 0.02 * random.Float64()
		return max(0, random.ExpFloat64()+late-before)
	})
	if len(p.Faults) != 0 || p.P > 0.05 {
		t.Errorf("lateness of a fiftieth of a gap: %+v", p)
	}
}

// The distance is that of all gaps, but for the width of a bin.
func TestPoissonDistanceIsKolmogorovs(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 3))
		const n = 3000
		places := make([]float64, n)
		at, test := 0.0, new(stat.PoissonTest)
		test.Add(at)
		for i := range places {
			gap := random.ExpFloat64() * (1 + 0.1*float64(seed))
			before := at
			at += gap
			test.Add(at)
			places[i] = -math.Expm1(-(at - before))
		}
		slices.Sort(places)
		want := 0.0
		for i, u := range places {
			want = max(want, math.Abs(u-float64(i)/n), math.Abs(u-float64(i+1)/n))
		}
		p, err := test.Result()
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(p.Distance-want) > 1.0/(1<<14)+1.0/n {
			t.Errorf("distance %.6f, of all gaps %.6f", p.Distance, want)
		}
	}
}

// Kolmogorov's distribution, as in every table: 1.2238, 1.3581 and 1.6276 are
// passed in 10, 5 and 1 of 100.
func TestPoissonAgainstTheTable(t *testing.T) {
	for _, c := range []struct{ x, want float64 }{{1.2238, 0.10}, {1.3581, 0.05}, {1.6276, 0.01}} {
		const n = 1 << 20
		// Gaps whose places are spread evenly but for a share that is missing.
		d := c.x / (math.Sqrt(n) + 0.12 + 0.11/math.Sqrt(n))
		p := poissonOf(t, n+1, func(i int) float64 {
			u := (float64(i) + 0.5) / n * (1 - d)
			return -math.Log1p(-u)
		})
		if math.Abs(p.P-c.want) > 0.004 {
			t.Errorf("a distance of %.5f (of %.5f): p = %.4f, want %.2f", p.Distance, d, p.P, c.want)
		}
	}
}

func TestPoissonRefuses(t *testing.T) {
	test := new(stat.PoissonTest)
	for i := range 20 {
		if _, err := test.Result(); !errors.Is(err, stat.ErrTooFew) {
			t.Errorf("%d arrivals: error %v", i, err)
		}
		test.Add(float64(i))
	}
	if n := testing.AllocsPerRun(100, func() { test.Add(30) }); n != 0 {
		t.Errorf("%v allocations per arrival", n)
	}
}

func FuzzPoisson(f *testing.F) {
	f.Add(1.0, 0.5, uint8(100))
	f.Add(0.0, 1e16, uint8(30))
	f.Add(1e-300, -5.0, uint8(200))
	f.Fuzz(func(t *testing.T, a, b float64, n uint8) {
		test, at := new(stat.PoissonTest), 0.0
		for i := range int(n) {
			at += math.Abs([]float64{a, b}[i%2])
			if !(at < 1e18) {
				return
			}
			test.Add(at)
		}
		p, err := test.Result()
		if err == nil && !(p.P >= 0 && p.P <= 1 && p.Distance >= 0 && p.Distance <= 1 && p.DispersionP >= 0 && p.DispersionP <= 1) {
			t.Errorf("%+v", p)
		}
	})
}
