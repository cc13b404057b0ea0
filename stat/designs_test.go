package stat_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/stat"
)

// designs are values from R; testdata/designs.R makes them.
type designs struct {
	HarrellDavis []struct {
		Name    string
		Sorted  []float64
		Q, Want float64
	}
	Line []struct {
		X                      []float64
		Values                 [][]float64
		Slope, Intercept, Bend []float64
	}
	Welch []struct {
		Name                string
		A, B                []float64
		Level               float64
		Comparisons         int
		Low, High           float64
		RatioLow, RatioHigh float64
	}
	Drift []struct {
		Values                     []float64
		Level, Estimate, Low, High float64
	}
	History []struct {
		Name   string
		Series []float64
		Level  float64
		At     []int
	}
	MSER []struct {
		Series  []float64
		At      int
		Settled bool
	}
	Knee []struct {
		Rates           []float64
		Pass            [][]float64
		Blocks          []float64
		Logistic, Width float64
	}
}

func readDesigns(t *testing.T) designs {
	t.Helper()
	text, err := os.ReadFile("testdata/designs.json")
	if err != nil {
		t.Fatal(err)
	}
	var d designs
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestHarrellDavisAgainstR(t *testing.T) {
	f := readDesigns(t).HarrellDavis
	enough(t, "Harrell–Davis", len(f), 25)
	for _, c := range f {
		near(t, c.Name, stat.HarrellDavis(c.Sorted, c.Q), c.Want, 1e-9)
	}
}

func TestSlopeAgainstR(t *testing.T) {
	f := readDesigns(t).Line
	enough(t, "line", len(f), 4)
	for _, c := range f {
		l, err := stat.Slope(c.X, c.Values)
		if err != nil {
			t.Fatal(err)
		}
		for b := range c.Slope {
			near(t, "slope", l.Slope[b], c.Slope[b], 1e-8)
			near(t, "intercept", l.Intercept[b], c.Intercept[b], 1e-7)
			near(t, "bend", l.Bend[b], c.Bend[b], 1e-6)
		}
	}
}

// Norris, NIST Statistical Reference Datasets, linear regression: calibration of
// an ozone monitor, with certified values.
func TestSlopeAgainstNorris(t *testing.T) {
	x := []float64{
		0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6, 775.5, 666.9, 338.0, 447.5, 11.6,
		556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8, 339.1, 887.2, 999.0, 779.0, 11.1, 118.3, 229.2, 669.1, 448.9, 0.5,
	}
	y := []float64{
		0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1, 778.1, 668.8, 339.3, 448.9, 10.8,
		557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6, 339.3, 888.0, 998.5, 778.9, 10.2, 117.6, 228.9, 668.4, 449.2, 0.2,
	}
	values := make([][]float64, len(y))
	for i := range y {
		values[i] = []float64{y[i]}
	}
	l, err := stat.Slope(x, values)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "slope", l.Slope[0], 1.00211681802045, 1e-12)
	near(t, "intercept", l.Intercept[0], -0.262323073774029, 1e-11)
}

func TestIndependentAgainstR(t *testing.T) {
	f := readDesigns(t).Welch
	enough(t, "welch", len(f), 12)
	for _, c := range f {
		pairs := make([]stat.Pair, c.Comparisons)
		for k := range pairs {
			pairs[k] = stat.Pair{Name: c.Name, A: c.A, B: c.B, Margin: 1}
		}
		got, err := stat.Independent(pairs, stat.Options{Level: c.Level})
		if err != nil {
			t.Fatal(err)
		}
		d := got[0].Difference
		near(t, c.Name+" estimate", d.Estimate, mean(c.B)-mean(c.A), 1e-12)
		near(t, c.Name+" low", d.Low, c.Low, 1e-8)
		near(t, c.Name+" high", d.High, c.High, 1e-8)
		if (got[0].Ratio != nil) != (c.RatioLow > 0) {
			t.Fatalf("%s: ratio %+v, R has %g", c.Name, got[0].Ratio, c.RatioLow)
		}
		if got[0].Ratio != nil {
			near(t, c.Name+" ratio low", got[0].Ratio.Low, c.RatioLow, 1e-8)
			near(t, c.Name+" ratio high", got[0].Ratio.High, c.RatioHigh, 1e-8)
		}
	}
}

func TestDriftAgainstR(t *testing.T) {
	f := readDesigns(t).Drift
	enough(t, "drift", len(f), 6)
	for _, c := range f {
		got, err := stat.Drift(c.Values, c.Level)
		if err != nil {
			t.Fatal(err)
		}
		nearInterval(t, "drift", got, stat.Interval{Estimate: c.Estimate, Low: c.Low, High: c.High}, 1e-9)
	}
}

// Among the histories is R's Nile: annual flow, 1871 to 1970, whose level fell
// from 1899 on (Cobb, "The problem of the Nile", Biometrika 65, 1978).
func TestChangePointsAgainstR(t *testing.T) {
	f := readDesigns(t).History
	enough(t, "history", len(f), 34)
	for _, c := range f {
		points, err := stat.ChangePoints(c.Series, c.Level)
		if err != nil {
			t.Fatal(err)
		}
		at := []int{}
		for _, p := range points {
			at = append(at, p.At)
		}
		if diff := cmp.Diff(c.At, at); diff != "" {
			t.Errorf("%s: %s", c.Name, diff)
		}
	}
	if f[0].Name != "nile" || len(f[0].At) != 1 || 1871+f[0].At[0] != 1899 {
		t.Errorf("the Nile changed at %v", f[0].At)
	}
}

func TestMSER5AgainstR(t *testing.T) {
	f := readDesigns(t).MSER
	enough(t, "MSER-5", len(f), 3)
	for i, c := range f {
		got, err := stat.MSER5(c.Series)
		if err != nil || got.At != c.At || got.Settled != c.Settled {
			t.Errorf("%d: %+v, %v; want %d %t", i, got, err, c.At, c.Settled)
		}
	}
}

func TestKneeAgainstR(t *testing.T) {
	f := readDesigns(t).Knee
	enough(t, "knee", len(f), 3)
	for _, c := range f {
		blocks := make([][]stat.Probe, len(c.Pass))
		for b, pass := range c.Pass {
			for i, p := range pass {
				blocks[b] = append(blocks[b], stat.Probe{Rate: c.Rates[i], Pass: p == 1})
			}
		}
		got, err := stat.FindKnee(blocks, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for b := range blocks {
			near(t, "block", got.Blocks[b], c.Blocks[b], 1e-9)
			sum += math.Log(c.Blocks[b])
		}
		near(t, "knee", got.Rate.Estimate, math.Exp(sum/float64(len(blocks))), 1e-9)
		near(t, "logistic", got.Logistic/c.Logistic, 1, 1e-5)
		near(t, "width", got.Width/c.Width, 1, 1e-5)
	}
}

// The ray tracer's and SDET's published throughputs: "Guerrilla Capacity
// Planning", §5; σ and κ of SPEC SDM91 as printed there (0.0277, 0.000104), and
// to more digits by R's nls.
func TestUSLAgainstPublishedFit(t *testing.T) {
	loads := []float64{1, 18, 36, 72, 108, 144, 216}
	throughputs := []float64{64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2}
	u, err := stat.FitUSL(loads, throughputs)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "λ", u.Lambda, 89.99519020, 1e-6)
	near(t, "σ", u.Sigma, 0.02772844998, 1e-6)
	near(t, "κ", u.Kappa/0.0001043654866, 1, 1e-5)
	near(t, "error", u.Error, 82.84582, 1e-6)
	near(t, "peak", u.Peak(), 96.52, 1e-3)
}
