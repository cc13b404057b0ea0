package stat_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/taremesh/tare/stat"
)

// fixtures are values from R; testdata/fixtures.R makes them.
type fixtures struct {
	Quantile []struct {
		Name    string
		Sorted  []float64
		Q, Want float64
	}
	Paired, Rank []struct {
		Name                       string
		D                          []float64
		Level, Estimate, Low, High float64
	}
	Binomial []struct {
		Rejected, Of     int
		Level, Low, High float64
	}
	Shape []struct {
		Name    string
		D       []float64
		Skew, Z float64
	}
	Detectable []struct {
		N               int
		SD, Level, Want float64
	}
	T     []struct{ DF, P, Want float64 }
	Flips []struct {
		D               [][]float64
		Level, Critical float64
		Low, High       []float64
	}
	Ratio []struct {
		Name                       string
		Over, Under                []float64
		Level, Estimate, Low, High float64
		Bounded                    bool
	}
}

func readFixtures(t *testing.T) fixtures {
	t.Helper()
	text, err := os.ReadFile("testdata/fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	var f fixtures
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// near compares to a relative tolerance.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*max(1, math.Abs(want))) {
		t.Errorf("%s: got %.15g, want %.15g", what, got, want)
	}
}

func nearInterval(t *testing.T, what string, got, want stat.Interval, tolerance float64) {
	t.Helper()
	near(t, what+" estimate", got.Estimate, want.Estimate, tolerance)
	near(t, what+" low", got.Low, want.Low, tolerance)
	near(t, what+" high", got.High, want.High, tolerance)
}

func enough(t *testing.T, what string, n, least int) {
	t.Helper()
	if n < least {
		t.Fatalf("%s: %d fixtures, want at least %d", what, n, least)
	}
}

func TestQuantileAgainstR(t *testing.T) {
	f := readFixtures(t).Quantile
	enough(t, "quantile", len(f), 40)
	for _, c := range f {
		near(t, c.Name, stat.Quantile(c.Sorted, c.Q), c.Want, 1e-12)
	}
}

func TestPairedTAgainstR(t *testing.T) {
	f := readFixtures(t).Paired
	enough(t, "paired", len(f), 20)
	for _, c := range f {
		got, err := stat.PairedT(c.D, c.Level)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		nearInterval(t, c.Name, got, stat.Interval{Estimate: c.Estimate, Low: c.Low, High: c.High}, 1e-9)
	}
}

func TestHodgesLehmannAgainstR(t *testing.T) {
	f := readFixtures(t).Rank
	enough(t, "rank", len(f), 15)
	for _, c := range f {
		got, err := stat.HodgesLehmann(c.D, c.Level)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		nearInterval(t, c.Name, got, stat.Interval{Estimate: c.Estimate, Low: c.Low, High: c.High}, 1e-12)
	}
}

func TestCountAgainstR(t *testing.T) {
	f := readFixtures(t).Binomial
	enough(t, "binomial", len(f), 16)
	for _, c := range f {
		got, err := stat.Count(c.Rejected, c.Of, c.Level)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "low", got.Low, c.Low, 1e-9)
		near(t, "high", got.High, c.High, 1e-9)
	}
}

func TestShapeAgainstR(t *testing.T) {
	f := readFixtures(t).Shape
	enough(t, "shape", len(f), 6)
	for _, c := range f {
		skew, z := stat.Shape(c.D)
		near(t, c.Name+" skew", skew, c.Skew, 1e-10)
		near(t, c.Name+" z", z, c.Z, 1e-10)
	}
}

// The formula with central t quantiles is within 2 % of R's exact power.
func TestMinimumDetectableAgainstR(t *testing.T) {
	f := readFixtures(t).Detectable
	enough(t, "detectable", len(f), 4)
	for _, c := range f {
		near(t, "minimum detectable", stat.MinimumDetectable(c.SD, c.N, c.Level)/c.Want, 1, 0.02)
	}
}

// The quantiles of Student's t show in the half-width of a sample of known sd.
func TestTQuantileAgainstR(t *testing.T) {
	f := readFixtures(t).T
	enough(t, "t", len(f), 40)
	for _, c := range f {
		d := make([]float64, int(c.DF)+1)
		d[0], d[1] = 1, -1 // mean 0, sum of squares 2
		got, err := stat.PairedT(d, 2*c.P-1)
		if err != nil {
			t.Fatal(err)
		}
		se := math.Sqrt(2 / c.DF / float64(len(d)))
		near(t, "t quantile", got.Half()/se, c.Want, 1e-8)
	}
}

func TestFlipsAgainstR(t *testing.T) {
	f := readFixtures(t).Flips
	enough(t, "flips", len(f), 2)
	for _, c := range f {
		got, mult, err := stat.Simultaneous(c.D, c.Level, 1)
		if err != nil {
			t.Fatal(err)
		}
		if mult.Method != stat.MethodMaxT || mult.Flips != 1<<12 {
			t.Errorf("got %s with %d flips, want %s with %d", mult.Method, mult.Flips, stat.MethodMaxT, 1<<12)
		}
		near(t, "critical", mult.Critical, c.Critical, 1e-9)
		for j, i := range got {
			near(t, "low", i.Low, c.Low[j], 1e-9)
			near(t, "high", i.High, c.High[j], 1e-9)
		}
	}
}

// Values that stand in print, independent of the R that made the fixtures.
func TestAgainstPublishedValues(t *testing.T) {
	// Student (1908), "The probable error of a mean", Biometrika 6; the interval
	// is that of R's example(sleep): t.test(extra ~ group, paired = TRUE).
	sleep := []float64{-1.2, -2.4, -1.3, -1.3, 0, -1.0, -1.8, -0.8, -4.6, -1.4}
	got, err := stat.PairedT(sleep, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	nearInterval(t, "sleep", got, stat.Interval{Estimate: -1.58, Low: -2.4598858, High: -0.7001142}, 1e-7)

	// Hollander and Wolfe, depression scale, examples 3.1 to 3.5: estimate 0.46,
	// and (0.010, 0.786) at 96.1 %, the least attainable level above 95 %.
	depression := []float64{0.952, -0.147, 1.022, 0.430, 0.620, 0.590, 0.490, -0.080, 0.010}
	hl, err := stat.HodgesLehmann(depression, 0.96)
	if err != nil {
		t.Fatal(err)
	}
	nearInterval(t, "depression", hl, stat.Interval{Estimate: 0.46, Low: 0.010, High: 0.786}, 1e-12)

	// None of ten: the upper limit is 1 − 0.025^(1/10).
	none, err := stat.Count(0, 10, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "none of ten, high", none.High, 1-math.Pow(0.025, 0.1), 1e-12)
	near(t, "none of ten, low", none.Low, 0, 0)
}
