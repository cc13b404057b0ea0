package stat_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/taremesh/tare/stat"
)

// Held against tables: t at 0.975 and 11 degrees of freedom is 2.201, at 0.9975
// (ten comparisons at 95 %) 3.497; χ² at 0.05 and 0.95 with 4 degrees 0.711 and 9.488.
func TestHalfWidthsFromTables(t *testing.T) {
	for _, c := range []struct {
		sd   float64
		n, m int
		want float64
	}{
		{1, 12, 1, 2.201 / math.Sqrt(12)}, {2, 12, 10, 2 * 3.497 / math.Sqrt(12)}, {0, 12, 1, 0}, {3, 2, 1, 3 * 12.706 / math.Sqrt2},
	} {
		if got := stat.HalfWidth(c.sd, c.n, c.m, 0.95); math.Abs(got-c.want) > 1e-3 {
			t.Errorf("sd %g over %d blocks for %d comparisons: ± %.4f, want %.4f", c.sd, c.n, c.m, got, c.want)
		}
	}
	s := stat.Spread(2, 5, 0.90)
	if math.Abs(s.Low-2*math.Sqrt(4/9.488)) > 1e-3 || math.Abs(s.High-2*math.Sqrt(4/0.711)) > 2e-3 || s.Estimate != 2 {
		t.Errorf("sd 2 of 5 values lies in %+v", s)
	}
	for _, half := range []float64{stat.HalfWidth(1, 1, 1, 0.95), stat.HalfWidth(1, 5, 0, 0.95), stat.HalfWidth(-1, 5, 1, 0.95), stat.HalfWidth(math.NaN(), 5, 1, 0.95), stat.HalfWidth(1, 5, 1, 1), stat.Spread(1, 1, 0.9).High} {
		if !math.IsInf(half, 1) {
			t.Errorf("nothing is known, and it is within %g", half)
		}
	}
}

// The number of blocks is the least that fits.
func TestBlocksForIsTheLeast(t *testing.T) {
	for _, sd := range []float64{0.3, 1, 4.7, 80} {
		for _, half := range []float64{0.05, 0.5, 1, 9} {
			for _, m := range []int{1, 8, 40} {
				n := stat.BlocksFor(sd, half, m, 0.96)
				if n == 0 {
					if w := stat.HalfWidth(sd, 1_000_000, m, 0.96); w <= half {
						t.Errorf("sd %g, ± %g for %d: none, and a million give %g", sd, half, m, w)
					}
					continue
				}
				if w := stat.HalfWidth(sd, n, m, 0.96); w > half {
					t.Errorf("sd %g, ± %g for %d: %d blocks give %g", sd, half, m, n, w)
				}
				if w := stat.HalfWidth(sd, n-1, m, 0.96); n > 2 && w <= half {
					t.Errorf("sd %g, ± %g for %d: %d blocks, and one fewer gives %g", sd, half, m, n, w)
				}
			}
		}
	}
	for _, n := range []int{stat.BlocksFor(1, 0, 1, 0.95), stat.BlocksFor(1, math.NaN(), 1, 0.95), stat.BlocksFor(math.NaN(), 1, 1, 0.95), stat.BlocksFor(1e9, 1e-3, 1, 0.95)} {
		if n != 0 {
			t.Errorf("%d blocks for what no number gives", n)
		}
	}
}

// The interval of a standard deviation covers it as often as it says.
func TestSpreadCovers(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	const studies = 4000
	in := 0
	for range studies {
		var sum, squares float64
		const n = 6
		for range n {
			x := 3 * r.NormFloat64()
			sum, squares = sum+x, squares+x*x
		}
		sd := math.Sqrt((squares - sum*sum/n) / (n - 1))
		if s := stat.Spread(sd, n, 0.90); s.Contains(3) {
			in++
		}
	}
	if share := float64(in) / studies; math.Abs(share-0.90) > 0.015 {
		t.Errorf("covered in %.3f of the studies, want 0.90", share)
	}
}

// In the same time the length of Kalibera & Jones gives the narrower interval:
// simulated blocks that differ of themselves and within.
func TestBestLengthNarrowsIntervals(t *testing.T) {
	for _, c := range []struct {
		name                              string
		overhead, within, between, length float64
	}{
		{"phases too short", 3, 40, 1, 2},
		{"phases too long", 1, 1, 4, 12},
	} {
		best := stat.BestLength(c.overhead, c.within, c.between)
		r := rand.New(rand.NewPCG(8, 2))
		width := func(length float64) float64 {
			const time, studies = 240, 600
			n := int(time / (c.overhead + length))
			var sum float64
			for range studies {
				d := make([]float64, n)
				for b := range d {
					d[b] = math.Sqrt(c.between)*r.NormFloat64() + math.Sqrt(c.within/length)*r.NormFloat64()
				}
				i, err := stat.PairedT(d, 0.95)
				if err != nil {
					t.Fatal(err)
				}
				sum += i.Half()
			}
			return sum / studies
		}
		if got, now := width(best), width(c.length); got > 0.9*now {
			t.Errorf("%s: ± %.3f with %.1f s, ± %.3f with %.1f s", c.name, got, best, now, c.length)
		}
	}
	if got := stat.BestLength(4, 9, 4); got != 3 {
		t.Errorf("√(4·9/4) is %g", got)
	}
	if !math.IsInf(stat.BestLength(1, 1, 0), 1) || !math.IsNaN(stat.BestLength(-1, 1, 1)) || !math.IsNaN(stat.BestLength(1, math.NaN(), 1)) {
		t.Error("a length of what has none")
	}
}

func TestMoreBlocks(t *testing.T) {
	for n, want := range map[int]string{1: "about 1 more block", 2: "about 2 more blocks", 1000: "about 1000 more blocks", 268797: "over 1000 more blocks"} {
		if got := stat.MoreBlocks(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
