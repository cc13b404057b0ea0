package stat_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/stat"
)

// family draws m correlated series over n blocks: they share a baseline.
func family(r *rand.Rand, n, m int) [][]float64 {
	ds := make([][]float64, m)
	for j := range ds {
		ds[j] = make([]float64, n)
	}
	for b := range n {
		baseline := r.NormFloat64()
		for j := range ds {
			ds[j][b] = r.NormFloat64() - baseline
		}
	}
	return ds
}

func TestSimultaneousMethod(t *testing.T) {
	tests := []struct {
		name      string
		n, m      int
		level     float64
		method    stat.Method
		flips     int
		tolerance float64
	}{
		{"one comparison", 12, 1, 0.95, stat.MethodT, 0, 0},
		{"nine blocks", 9, 4, 0.95, stat.MethodBonferroni, 0, 0},
		{"two blocks", 2, 4, 0.95, stat.MethodBonferroni, 0, 0},
		{"ten blocks", 10, 4, 0.95, stat.MethodMaxT, 1 << 10, 0},
		{"fourteen blocks", 14, 4, 0.95, stat.MethodMaxT, 1 << 14, 0},
		{"fifteen blocks", 15, 4, 0.95, stat.MethodMaxT, 20_000, 0},
		{"more blocks than bits in a word", 70, 3, 0.95, stat.MethodMaxT, 20_000, 0},
		{"a level that flips do not reach", 12, 4, 0.999, stat.MethodBonferroni, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ds := family(rand.New(rand.NewPCG(1, uint64(tt.n))), tt.n, tt.m)
			intervals, mult, err := stat.Simultaneous(ds, tt.level, 5)
			if err != nil {
				t.Fatal(err)
			}
			if mult.Method != tt.method || mult.Flips != tt.flips || mult.Comparisons != tt.m || mult.Blocks != tt.n || mult.Level != tt.level {
				t.Errorf("got %+v", mult)
			}
			for j, i := range intervals {
				single, err := stat.PairedT(ds[j], tt.level)
				if err != nil {
					t.Fatal(err)
				}
				bonferroni, err := stat.PairedT(ds[j], 1-(1-tt.level)/float64(tt.m))
				if err != nil {
					t.Fatal(err)
				}
				near(t, "estimate", i.Estimate, single.Estimate, 1e-12)
				switch tt.method {
				case stat.MethodT:
					near(t, "half", i.Half(), single.Half(), 1e-12)
				case stat.MethodBonferroni:
					near(t, "half", i.Half(), bonferroni.Half(), 1e-12)
				case stat.MethodMaxT:
					if i.Half() <= single.Half() || i.Half() >= 1.05*bonferroni.Half() {
						t.Errorf("half-width %g, single %g, Bonferroni %g", i.Half(), single.Half(), bonferroni.Half())
					}
				}
			}
		})
	}
}

func TestSimultaneousIsAFunctionOfItsSeed(t *testing.T) {
	ds := family(rand.New(rand.NewPCG(3, 3)), 20, 4)
	first, mult, err := stat.Simultaneous(ds, 0.95, 42)
	if err != nil {
		t.Fatal(err)
	}
	again, multAgain, err := stat.Simultaneous(ds, 0.95, 42)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again) + cmp.Diff(mult, multAgain); diff != "" {
		t.Errorf("same seed, other answer: %s", diff)
	}
	_, other, err := stat.Simultaneous(ds, 0.95, 43)
	if err != nil {
		t.Fatal(err)
	}
	if other.Critical == mult.Critical {
		t.Error("another seed drew the same flips")
	}
	near(t, "critical value between seeds", other.Critical/mult.Critical, 1, 0.02)
}

// Random flips and all flips agree: a fifteenth block at the mean adds nothing
// to the centred sums, so the flips of 15 blocks are those of 14.
func TestSimultaneousRandomFlipsAgreeWithAll(t *testing.T) {
	ds := family(rand.New(rand.NewPCG(4, 4)), 14, 5)
	_, all, err := stat.Simultaneous(ds, 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	for j := range ds {
		ds[j] = append(ds[j], mean(ds[j]))
	}
	_, drawn, err := stat.Simultaneous(ds, 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	// As a share of the sum of squares, times n, the critical value is the same.
	scale := func(m stat.Multiplicity) float64 {
		n, t2 := float64(m.Blocks), m.Critical*m.Critical
		return t2 / (n - 1 + t2) * n
	}
	near(t, "critical share", scale(drawn)/scale(all), 1, 0.02)
}

func mean(d []float64) float64 {
	var sum float64
	for _, x := range d {
		sum += x
	}
	return sum / float64(len(d))
}

// The signs of all blocks are drawn, also of those beyond a word's 64 bits: here
// only the last sixteen blocks of eighty are off the mean.
func TestSimultaneousDrawsTheSignsOfLateBlocks(t *testing.T) {
	late := family(rand.New(rand.NewPCG(10, 10)), 16, 5)
	ds := make([][]float64, len(late))
	for j, d := range late {
		for range 64 {
			ds[j] = append(ds[j], mean(d))
		}
		ds[j] = append(ds[j], d...)
	}
	_, mult, err := stat.Simultaneous(ds, 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, single, err := stat.Simultaneous(ds[:1], 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	if mult.Critical < 1.1*single.Critical {
		t.Errorf("critical value %g, of a single comparison %g", mult.Critical, single.Critical)
	}
}

// Series that tell the same need no correction: the floor holds.
func TestSimultaneousOfTheSameSeries(t *testing.T) {
	d := family(rand.New(rand.NewPCG(5, 5)), 14, 1)[0]
	scaled := make([]float64, len(d))
	for i, x := range d {
		scaled[i] = -3 * x
	}
	_, mult, err := stat.Simultaneous([][]float64{d, scaled}, 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	single, err := stat.PairedT(d, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	_, one, err := stat.Simultaneous([][]float64{d}, 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	if mult.Critical < one.Critical || mult.Critical > 1.1*one.Critical {
		t.Errorf("critical value %g, of a single comparison %g (half-width %g)", mult.Critical, one.Critical, single.Half())
	}
}

func TestSimultaneousConstantSeries(t *testing.T) {
	ds := family(rand.New(rand.NewPCG(6, 6)), 12, 2)
	without, want, err := stat.Simultaneous(ds, 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	constant := make([]float64, 12)
	for i := range constant {
		constant[i] = 4
	}
	got, mult, err := stat.Simultaneous([][]float64{ds[0], constant, ds[1]}, 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	wanted := []stat.Interval{without[0], {Estimate: 4, Low: 4, High: 4}, without[1]}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{1}, mult.Constant); diff != "" || mult.Critical != want.Critical || mult.Comparisons != 3 {
		t.Errorf("%+v %s", mult, diff)
	}
}

// Flips tell nothing of differences that are all of one size.
func TestSimultaneousOneSize(t *testing.T) {
	ds := make([][]float64, 300)
	r := rand.New(rand.NewPCG(7, 7))
	for j := range ds {
		ds[j] = make([]float64, 12)
		for b, at := range r.Perm(12) {
			ds[j][b] = float64(at%2*2 - 1)
		}
	}
	got, mult, err := stat.Simultaneous(ds, 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	if mult.Method != stat.MethodBonferroni || mult.Flips != 0 || math.IsInf(got[0].High, 0) {
		t.Errorf("%+v, %+v", mult, got[0])
	}
}

func TestSimultaneousShape(t *testing.T) {
	if _, _, err := stat.Simultaneous(nil, 0.95, 1); !errors.Is(err, stat.ErrShape) {
		t.Errorf("no series: %v", err)
	}
	ds := [][]float64{{1, 2, 3}, {1, 2}}
	if _, _, err := stat.Simultaneous(ds, 0.95, 1); !errors.Is(err, stat.ErrShape) {
		t.Errorf("unequal lengths: %v", err)
	}
}

func BenchmarkSimultaneous(b *testing.B) {
	for _, n := range []int{12, 14, 30} {
		ds := family(rand.New(rand.NewPCG(8, 8)), n, 10)
		b.Run(map[int]string{12: "all 12", 14: "all 14", 30: "drawn 30"}[n], func(b *testing.B) {
			for b.Loop() {
				if _, _, err := stat.Simultaneous(ds, 0.95, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
