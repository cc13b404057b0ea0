package stat_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/taremesh/tare/stat"
)

// server has a knee of its own at each start, and probes of it are noisy.
type server struct {
	knee, start, noise float64 // requests/s; sd of the logarithm, from start to start and from probe to probe
}

// probe probes in each block at rates of that block.
func (s server) probe(r *rand.Rand, blocks, rates int, reach float64) [][]stat.Probe {
	// The search before knows the knee to some 40 % of its reach.
	centre := 1000 * math.Exp(0.4*reach*(2*r.Float64()-1))
	probes := make([][]stat.Probe, blocks)
	for b := range probes {
		knee := s.knee * math.Exp(s.start*r.NormFloat64())
		for _, rate := range stat.ProbeRates(centre*math.Exp(-reach), centre*math.Exp(reach), rates, r.Float64()) {
			probes[b] = append(probes[b], stat.Probe{Rate: rate, Pass: rate < knee*math.Exp(s.noise*r.NormFloat64())})
		}
	}
	return probes
}

// kneeCase is a simulated way to find a knee.
type kneeCase struct {
	server
	blocks, rates int
	reach         float64
	reps          int
}

func (c kneeCase) cover(t *testing.T) stat.Binomial {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(c.blocks), math.Float64bits(c.start+c.noise)))
	hits := 0
	for range c.reps {
		k, err := stat.FindKnee(c.probe(r, c.blocks, c.rates, c.reach), 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if k.Rate.Contains(c.knee) {
			hits++
		}
	}
	return count(t, hits, c.reps)
}

func TestKneeCoverage(t *testing.T) {
	for _, c := range []kneeCase{
		{server{1000, 0.03, 0.02}, 10, 6, 0.2, 1000},
		{server{1000, 0.02, 0.1}, 10, 8, 0.4, 1000},
		{server{1000, 0, 0.02}, 20, 6, 0.2, 500},
	} {
		between(t, "knee", c.cover(t), 0.94, 0.965)
	}
}

// Two servers over the same blocks: the ratio of their knees by Compare.
func TestKneesCompared(t *testing.T) {
	const studies = 500
	r := rand.New(rand.NewPCG(3, 7))
	hits := 0
	for range studies {
		a, err := stat.FindKnee(server{1000, 0.03, 0.02}.probe(r, 12, 6, 0.2), 0.95)
		if err != nil {
			t.Fatal(err)
		}
		b, err := stat.FindKnee(server{900, 0.03, 0.02}.probe(r, 12, 6, 0.3), 0.95)
		if err != nil {
			t.Fatal(err)
		}
		c := compareOne(t, stat.Pair{Name: "knee", A: a.Blocks, B: b.Blocks, Margin: 20}, stat.Options{Level: 0.95})
		if c.Ratio.Contains(0.9) {
			hits++
		}
	}
	between(t, "ratio of knees", count(t, hits, studies), 0.94, 0.96)
}

// With the same rates in every block the knee is known to the gap between two.
func TestKneeOfTheSameRates(t *testing.T) {
	var blocks [][]stat.Probe
	for range 10 {
		blocks = append(blocks, []stat.Probe{{1250, false}, {800, true}, {1000, true}})
	}
	k, err := stat.FindKnee(blocks, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "knee", k.Rate.Estimate, math.Sqrt(1000*1250), 1e-12)
	if k.Rate.Low != 1000 || k.Rate.High != 1250 || k.Probes != 30 || k.Passed != 20 || len(k.Warnings) != 0 {
		t.Errorf("%+v", k)
	}
	for b := range blocks {
		blocks[b] = append(blocks[b], stat.Probe{Rate: 1000, Pass: false}) // one of two
	}
	if k, err = stat.FindKnee(blocks, 0.95); err != nil || k.Rate.Low != 800 || k.Rate.High != 1250 {
		t.Errorf("at a rate: %+v, %v", k.Rate, err)
	}
}

func TestKneeWarnsUnbracketed(t *testing.T) {
	blocks := [][]stat.Probe{
		{{800, true}, {1000, true}, {1200, false}},
		{{800, true}, {1000, true}, {1200, true}},
		{{800, false}, {1000, false}, {1200, false}},
	}
	k, err := stat.FindKnee(blocks, 0.95)
	if err != nil || len(k.Warnings) != 1 || k.Warnings[0].Code != stat.WarnUnbracketed {
		t.Fatalf("%+v, %v", k, err)
	}
	near(t, "all of a block passed", k.Blocks[1], 1200*math.Pow(1.5, 0.25), 1e-9)
	near(t, "all of a block failed", k.Blocks[2], 800/math.Pow(1.5, 0.25), 1e-9)
	if want := "in 2 of 3 blocks the lowest rate failed or the highest passed: probe further out"; k.Warnings[0].Text != want {
		t.Errorf("%q, want %q", k.Warnings[0].Text, want)
	}
}

// Firth's estimate where the rates part the probes cleanly, and on two rates
// where it is known in closed form: half a probe added to each count.
func TestLogisticKnee(t *testing.T) {
	clean := [][]stat.Probe{{{800, true}, {1100, false}}, {{900, true}, {1200, false}}}
	k, err := stat.FindKnee(clean, 0.95)
	if err != nil || math.Abs(k.Logistic-993) > 5 || k.Width < 1 || k.Width > 2 {
		t.Errorf("clean: %+v, %v", k, err)
	}
	var two [][]stat.Probe
	for i := range 10 {
		two = append(two, []stat.Probe{{100, i >= 2}, {200, i >= 7}})
	}
	k, err = stat.FindKnee(two, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	low, high := math.Log(2.5/8.5), math.Log(7.5/3.5)
	near(t, "at", k.Logistic, 100*math.Pow(2, -low/(high-low)), 1e-6)
	near(t, "width", k.Width, math.Pow(2, 2*math.Log(3)/(high-low)), 1e-6)
}

func TestKneeRefusals(t *testing.T) {
	good := []stat.Probe{{800, true}, {1200, false}}
	all := func(pass bool) []stat.Probe { return []stat.Probe{{800, pass}, {1200, pass}} }
	tests := []struct {
		name   string
		blocks [][]stat.Probe
		level  float64
		want   error
	}{
		{"none", nil, 0.95, stat.ErrTooFew},
		{"one block", [][]stat.Probe{good}, 0.95, stat.ErrTooFew},
		{"an empty block", [][]stat.Probe{good, nil}, 0.95, stat.ErrShape},
		{"one rate", [][]stat.Probe{good, {{800, true}, {800, false}}}, 0.95, stat.ErrShape},
		{"rate 0", [][]stat.Probe{good, {{0, true}, {800, false}}}, 0.95, stat.ErrShape},
		{"rate NaN", [][]stat.Probe{good, {{math.NaN(), true}, {800, false}}}, 0.95, stat.ErrShape},
		{"rate infinite", [][]stat.Probe{good, {{800, true}, {math.Inf(1), false}}}, 0.95, stat.ErrShape},
		{"all pass", [][]stat.Probe{all(true), all(true)}, 0.95, stat.ErrNoKnee},
		{"all fail", [][]stat.Probe{all(false), all(false)}, 0.95, stat.ErrNoKnee},
		{"the wrong way round", [][]stat.Probe{{{800, false}, {1200, true}}, {{800, false}, {1200, true}}}, 0.95, stat.ErrNoKnee},
		{"level", [][]stat.Probe{good, good}, 1, stat.ErrLevel},
	}
	for _, tt := range tests {
		if k, err := stat.FindKnee(tt.blocks, tt.level); !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", tt.name, k, err, tt.want)
		}
	}
}

func TestProbeRates(t *testing.T) {
	rates := stat.ProbeRates(100, 400, 3, 0.5)
	for i, want := range []float64{100, 200, 400} {
		near(t, "rate", rates[i], want, 1e-12)
	}
	low, high := stat.ProbeRates(100, 400, 3, 0), stat.ProbeRates(100, 400, 3, 1)
	near(t, "half a step below", low[0], 100/math.Sqrt2, 1e-12)
	near(t, "half a step above", high[2], 400*math.Sqrt2, 1e-12)
	for _, bad := range [][]float64{{0, 1, 3, 0}, {2, 1, 3, 0}, {1, 2, 1, 0}, {1, 2, 3, -1}, {1, math.Inf(1), 3, 0}, {math.NaN(), 2, 3, 0}, {1, 2, 3, math.NaN()}} {
		if got := stat.ProbeRates(bad[0], bad[1], int(bad[2]), bad[3]); got != nil {
			t.Errorf("%v: %v", bad, got)
		}
	}
}

// Whatever is probed, FindKnee answers in numbers or refuses.
func FuzzFindKnee(f *testing.F) {
	f.Add(100.0, 1.1, uint64(0b000111000111), uint8(3))
	f.Add(1e-300, 1e100, uint64(5), uint8(2))
	f.Add(21.0, 1e100, uint64(55), uint8(10))
	f.Fuzz(func(t *testing.T, low, factor float64, passes uint64, rates uint8) {
		n := int(rates%7) + 1
		blocks := make([][]stat.Probe, 4)
		for b := range blocks {
			rate := low
			for i := range n {
				blocks[b] = append(blocks[b], stat.Probe{Rate: rate, Pass: passes>>((b*n+i)%64)&1 == 1})
				rate *= factor
			}
		}
		k, err := stat.FindKnee(blocks, 0.95)
		if err != nil {
			return
		}
		for _, x := range append([]float64{k.Rate.Estimate, k.Rate.Low, k.Rate.High, k.Logistic, k.Width}, k.Blocks...) {
			if math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
				t.Errorf("not a rate: %+v", k)
			}
		}
	})
}
