package stat_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/taremesh/tare/stat"
)

// law is a distribution of block differences with mean 0.
type law struct {
	name string
	draw func(*rand.Rand) float64
}

var (
	normal = law{"normal", (*rand.Rand).NormFloat64}
	heavy  = law{"t3", func(r *rand.Rand) float64 {
		a, b, c := r.NormFloat64(), r.NormFloat64(), r.NormFloat64()
		return r.NormFloat64() / math.Sqrt((a*a+b*b+c*c)/3)
	}}
)

// cell is one simulated situation: a family of comparisons whose block
// differences have true mean 0 and correlate.
type cell struct {
	law
	blocks, comparisons int
	correlation         float64
	reps                int
}

func (c cell) String() string {
	return fmt.Sprintf("%s n=%d m=%d r=%g", c.name, c.blocks, c.comparisons, c.correlation)
}

func (c cell) differences(r *rand.Rand) [][]float64 {
	ds := make([][]float64, c.comparisons)
	for j := range ds {
		ds[j] = make([]float64, c.blocks)
	}
	shared, own := math.Sqrt(c.correlation), math.Sqrt(1-c.correlation)
	for b := range c.blocks {
		common := c.draw(r)
		for j := range ds {
			ds[j][b] = shared*common + own*c.draw(r)
		}
	}
	return ds
}

// cover counts the families whose intervals all hold the truth: with the
// correction, and with a plain t for each comparison.
func (c cell) cover(t *testing.T) (corrected, plain stat.Binomial) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(c.blocks*100+c.comparisons), math.Float64bits(c.correlation)))
	var hits, plainHits int
	for rep := range uint64(c.reps) {
		ds := c.differences(r)
		intervals, _, err := stat.Simultaneous(ds, 0.95, rep)
		if err != nil {
			t.Fatal(err)
		}
		hit, plainHit := true, true
		for j, i := range intervals {
			single, err := stat.PairedT(ds[j], 0.95)
			if err != nil {
				t.Fatal(err)
			}
			hit, plainHit = hit && i.Contains(0), plainHit && single.Contains(0)
		}
		if hit {
			hits++
		}
		if plainHit {
			plainHits++
		}
	}
	return count(t, hits, c.reps), count(t, plainHits, c.reps)
}

// count is a coverage with an interval so wide that a true rate falls out of it
// once in a thousand simulations.
func count(t *testing.T, hits, reps int) stat.Binomial {
	t.Helper()
	b, err := stat.Count(hits, reps, 0.999)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func percent(b stat.Binomial) float64 { return 100 * float64(b.Rejected) / float64(b.Of) }

// between fails unless the simulated coverage is compatible with one in [low, high].
func between(t *testing.T, what string, b stat.Binomial, low, high float64) {
	t.Helper()
	t.Logf("%s: %.1f %% (%.1f to %.1f)", what, percent(b), 100*b.Low, 100*b.High)
	if b.High < low || b.Low > high {
		t.Errorf("%s: covered %.2f %% (%.2f to %.2f), want %.1f to %.1f", what, percent(b), 100*b.Low, 100*b.High, 100*low, 100*high)
	}
}

func TestSimultaneousCoverage(t *testing.T) {
	for _, c := range []cell{
		{normal, 10, 5, 0.5, 3000}, // Bonferroni: somewhat wide
		{normal, 12, 5, 0.5, 2000},
		{heavy, 12, 5, 0.5, 2000},
		{normal, 12, 10, 0.9, 1000},
		{normal, 16, 5, 0.5, 400},
	} {
		t.Run(c.String(), func(t *testing.T) {
			corrected, plain := c.cover(t)
			between(t, "simultaneous", corrected, 0.95, 0.965)
			if plain.High > 0.95 {
				t.Errorf("a plain t for each comparison covers %.1f %%: the simulation cannot tell a wrong interval", percent(plain))
			}
		})
	}
}

// stopping is a simulated study that ends by a rule or when time is spent.
type stopping struct {
	law
	rule   stat.Rule
	margin float64 // in sd of the block differences
	most   int     // blocks that the time allows
	stop   func(i stat.Interval, margin float64) bool
	reps   int
}

func (s stopping) cover(t *testing.T) stat.Binomial {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(s.most), math.Float64bits(s.margin)))
	hits := 0
	for range s.reps {
		if s.study(t, r).Contains(0) {
			hits++
		}
	}
	return count(t, hits, s.reps)
}

// study gives the interval at its end.
func (s stopping) study(t *testing.T, r *rand.Rand) stat.Interval {
	t.Helper()
	var d []float64
	for {
		d = append(d, s.draw(r))
		if len(d) < s.most && !s.rule.Look(len(d)) {
			continue
		}
		i, err := stat.PairedT(d, s.rule.Level)
		if err != nil {
			t.Fatal(err)
		}
		if len(d) == s.most || s.stop(i, s.margin) {
			return i
		}
	}
}

func onWidth(i stat.Interval, margin float64) bool {
	return stat.DefaultRule().Enough([]float64{i.Half()}, []float64{margin})
}

func onSignificance(i stat.Interval, _ float64) bool { return !i.Contains(0) }

func TestStoppingRuleCoverage(t *testing.T) {
	for _, l := range []law{normal, heavy} {
		// Half of the margin is reached at about 14, 24, and 40 blocks of sd 1.
		for _, margin := range []float64{1.2, 0.9, 0.7} {
			s := stopping{law: l, rule: stat.DefaultRule(), margin: margin, most: 60, stop: onWidth, reps: 2500}
			t.Run(fmt.Sprintf("%s margin %g", l.name, margin), func(t *testing.T) {
				between(t, "on width", s.cover(t), 0.944, 0.965)
			})
		}
	}
	wrong := stopping{law: normal, rule: stat.Rule{First: 10, Every: 2, Level: 0.95}, most: 60, stop: onSignificance, reps: 1000}
	if b := wrong.cover(t); b.High > 0.90 {
		t.Errorf("stopping on significance covers %.1f %%: the simulation cannot tell a wrong rule", percent(b))
	} else {
		t.Logf("on significance: %.1f %%", percent(b))
	}
}

func TestHodgesLehmannCoverage(t *testing.T) {
	for _, l := range []law{normal, heavy} {
		r := rand.New(rand.NewPCG(1, 2))
		const reps = 2000
		hits := 0
		for range reps {
			d := cell{law: l, blocks: 12, comparisons: 1}.differences(r)[0]
			i, err := stat.HodgesLehmann(d, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			if i.Contains(0) {
				hits++
			}
		}
		// The level attained with 12 blocks is 1 − 2·P(V ≤ 13) = 95.8 %.
		between(t, l.name, count(t, hits, reps), 0.957, 0.959)
	}
}

// Four in five studies show the minimum detectable difference.
func TestMinimumDetectableIsDetected(t *testing.T) {
	const reps, blocks = 4000, 12
	r := rand.New(rand.NewPCG(3, 4))
	effect := stat.MinimumDetectable(1, blocks, 0.95)
	shown := 0
	for range reps {
		d := make([]float64, blocks)
		for i := range d {
			d[i] = effect + r.NormFloat64()
		}
		i, err := stat.PairedT(d, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if i.Low > 0 {
			shown++
		}
	}
	between(t, "power", count(t, shown, reps), 0.79, 0.81)
}

// Families over different blocks share a level by Bonferroni (the cells of a
// pairs study): together they hold the truth as often as is claimed.
func TestSharedLevelCovers(t *testing.T) {
	const families, reps = 6, 1500
	r := rand.New(rand.NewPCG(11, 6))
	c := cell{law: normal, blocks: 11, comparisons: 2, correlation: 0.5}
	hits := 0
	for range reps {
		all := true
		for range families {
			intervals, _, err := stat.Simultaneous(c.differences(r), 1-0.05/families, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range intervals {
				all = all && i.Contains(0)
			}
		}
		if all {
			hits++
		}
	}
	n, err := stat.Count(hits, reps, 0.999)
	if err != nil || n.High < 0.95 || float64(hits)/reps < 0.94 {
		t.Errorf("the families hold together in %.1f %% of studies (%+v), %v", 100*float64(hits)/reps, n, err)
	}
	t.Logf("%.1f %%", 100*float64(hits)/reps)
}
