package stat_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/taremesh/tare/stat"
)

// recording holds the raw samples of two identical arms: [block][sample], in µs.
type recording struct{ a, b [][]float64 }

// record simulates the latencies of two arms on the machine: each start has its
// own level, and requests around it have a long tail.
func record(seed uint64, blocks, samples int) recording {
	m := newMachine(seed)
	var r recording
	for range blocks {
		levels := m.block(protocol{}.order(m.random, 2))
		r.a = append(r.a, latencies(m.random, levels[0], samples))
		r.b = append(r.b, latencies(m.random, levels[1], samples))
	}
	return r
}

func latencies(r *rand.Rand, level float64, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = level * math.Exp(0.2*r.NormFloat64())
	}
	return values
}

// plant adds shifts to the raw samples of arm b in random blocks and returns
// the mean shift of the process that drew them. It draws from a seed of its own,
// and the analysis is given nothing but the samples.
func plant(seed uint64, r recording) (truth float64) {
	random := rand.New(rand.NewPCG(seed, 0x706c))
	size, share := 40*random.Float64()-10, 0.5+0.5*random.Float64()
	for _, samples := range r.b {
		if random.Float64() >= share {
			continue
		}
		shift := size + random.NormFloat64()
		for i := range samples {
			samples[i] += shift
		}
	}
	return size * share
}

// analyse is the pipeline of a report: exact p50 per arm and block, then Compare.
func analyse(t *testing.T, r recording) stat.Interval {
	t.Helper()
	var p stat.Pair
	for block := range r.a {
		p.A = append(p.A, p50(t, r.a[block]))
		p.B = append(p.B, p50(t, r.b[block]))
	}
	c, err := stat.Compare([]stat.Pair{p}, stat.Options{Level: 0.95})
	if err != nil {
		t.Fatal(err)
	}
	return c[0].Difference
}

func p50(t *testing.T, samples []float64) float64 {
	t.Helper()
	if ok, why := stat.Supported(len(samples), 0.5); !ok {
		t.Fatal(why)
	}
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	return stat.Quantile(sorted, 0.5)
}

// requestsAsReplicates is the analysis that the package exists to avoid: all
// requests of an arm together, as if independent.
func requestsAsReplicates(t *testing.T, r recording) stat.Interval {
	t.Helper()
	var estimate, variance float64
	for _, arm := range []struct {
		sign   float64
		blocks [][]float64
	}{{1, r.b}, {-1, r.a}} {
		all := slices.Concat(arm.blocks...)
		i, err := stat.PairedT(all, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		estimate += arm.sign * p50(t, all)
		variance += i.Half() * i.Half() * math.Pi / 2 // of a median
	}
	half := math.Sqrt(variance)
	return stat.Interval{Estimate: estimate, Low: estimate - half, High: estimate + half}
}

func TestPlantedShiftsAreCovered(t *testing.T) {
	const draws, blocks, samples = 400, 14, 300
	covered, naive := 0, 0
	for draw := range uint64(draws) {
		r := record(draw, blocks, samples)
		truth := plant(draw+1_000_000, r)
		if analyse(t, r).Contains(truth) {
			covered++
		}
		if requestsAsReplicates(t, r).Contains(truth) {
			naive++
		}
	}
	b, err := stat.Count(covered, draws, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("covered %d of %d planted shifts (%.1f to %.1f %%); requests as replicates: %d", covered, draws, 100*b.Low, 100*b.High, naive)
	if !b.Holds(0.95) {
		t.Errorf("covered %d of %d, an interval that excludes 95 %%: %+v", covered, draws, b)
	}
	if naive > draws*3/4 {
		t.Errorf("requests as replicates covered %d of %d: the simulation cannot tell a wrong analysis", naive, draws)
	}
}

// A shift that is the same in every block shows as itself.
func TestPlantedConstantShift(t *testing.T) {
	r := record(7, 14, 300)
	before := analyse(t, r)
	for _, samples := range r.b {
		for i := range samples {
			samples[i] += 12.5
		}
	}
	after := analyse(t, r)
	near(t, "estimate", after.Estimate-before.Estimate, 12.5, 1e-9)
	near(t, "half-width", after.Half(), before.Half(), 1e-9)
}
