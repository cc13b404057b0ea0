package stat_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/taremesh/tare/stat"
)

// The standard error of a normal sample's median is √(π/2n) standard deviations.
func TestMedianError(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	const n = 2000
	var sum float64
	for range 200 {
		xs := make([]float64, n)
		for i := range xs {
			xs[i] = 10 * r.NormFloat64()
		}
		slices.Sort(xs)
		sum += stat.MedianError(xs) / 200
	}
	want := 10 * math.Sqrt(math.Pi/(2*n))
	if math.Abs(sum-want) > 0.05*want {
		t.Errorf("mean standard error %.4f, want %.4f", sum, want)
	}
	if e := stat.MedianError([]float64{1, 2, 3}); !math.IsInf(e, 1) {
		t.Errorf("of 3 values: %v", e)
	}
}

// Medians that differ by chance void nothing; a real difference does.
func TestVoidForgivesChance(t *testing.T) {
	rule := stat.DefaultVoidRule()
	s := stat.Strain{Lateness: []float64{20, 22, 21}, Margin: 4, LatenessError: 0.5}
	if why := rule.Reason(s); why != "" {
		t.Errorf("void: %s", why)
	}
	s.LatenessError = 0.1
	if why := rule.Reason(s); why == "" {
		t.Error("2 apart, with errors of 0.1 and a limit of 1, is no reason")
	}
}
