package stat_test

import (
	"math"
	"testing"

	"github.com/taremesh/tare/stat"
)

// numbers are an interval's.
func numbers(i stat.Interval) bool {
	for _, x := range []float64{i.Estimate, i.Low, i.High} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// Whatever the series, what looks at one answers in numbers or refuses.
func FuzzSeries(f *testing.F) {
	f.Add([]byte("abcabcabcxyzxyzxyzxyz"), 1.0, 0.0)
	f.Add([]byte("aaaaaaaabbbbbbbbb"), 1e-300, 5.0)
	f.Add([]byte("a\x00b\xffc\x80dddd"), 1e306, -1e306)
	f.Add([]byte("aaazzzaaazzzaaa"), 0.0, 1.0)
	f.Fuzz(func(t *testing.T, text []byte, scale, offset float64) {
		series, x := make([]float64, len(text)%200), make([]float64, len(text)%200)
		for i := range series {
			series[i], x[i] = float64(text[i])*scale+offset, float64(text[len(text)-1-i])
		}
		points, err := stat.ChangePoints(series, 0.95)
		for _, p := range points {
			if err != nil || !numbers(p.Difference) || p.Difference.Contains(0) || p.At < 1 || p.At >= len(series) {
				t.Errorf("change point: %+v, %v", p, err)
			}
		}
		if i, err := stat.Drift(series, 0.95); err == nil && !numbers(i) {
			t.Errorf("drift: %+v", i)
		}
		if c, err := stat.MSER5(series); err == nil && (c.At < 0 || c.At >= len(series)) {
			t.Errorf("MSER-5: %+v", c)
		}
		values := make([][]float64, len(series))
		for i := range values {
			values[i] = []float64{series[i], x[i], series[len(series)-1-i]}
		}
		if l, err := stat.Slope(x, values); err == nil {
			for b := range l.Slope {
				if !numbers(stat.Interval{Estimate: l.Slope[b], Low: l.Intercept[b]}) || l.Bend != nil && !numbers(stat.Interval{Estimate: l.Bend[b]}) {
					t.Errorf("line: %+v", l)
				}
			}
		}
		if len(series) > 12 {
			return // a fit takes its time
		}
		if u, err := stat.FitUSL(x, series); err == nil && (!numbers(stat.Interval{Estimate: u.Lambda, Low: u.Sigma, High: u.Kappa}) || math.IsNaN(u.Error)) {
			t.Errorf("USL: %+v", u)
		}
	})
}
