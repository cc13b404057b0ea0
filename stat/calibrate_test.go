package stat_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/taremesh/tare/stat"
)

// TestCalibrateReachesTheMeans: that is what the weights are for.
func TestCalibrateReachesTheMeans(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	columns := [][]float64{make([]float64, 300), make([]float64, 300)}
	for i := range 300 {
		columns[0][i] = r.ExpFloat64()
		columns[1][i] = 1e4 + 50*r.NormFloat64() + columns[0][i]
	}
	means := []float64{1.1, 1e4 - 2}
	w := stat.Calibrate(columns, means)
	for c := range columns {
		if got := dot(w, columns[c]) / 300; math.Abs(got-means[c]) > 1e-9*means[c] {
			t.Errorf("column %d has the weighted mean %v, want %v", c, got, means[c])
		}
	}
	if got := sum(w); math.Abs(got-300) > 1e-9 {
		t.Errorf("the weights' mean is %v, want 1", got/300)
	}
	for _, x := range w {
		if x < 0 {
			t.Errorf("a weight is %v", x)
		}
	}
}

// TestCalibrateFixture is a ratio of two strata by hand: of a population half
// in each, three members of four were drawn from the first. Linear weights on a
// column of zeros and ones are those of post-stratification.
func TestCalibrateFixture(t *testing.T) {
	got := stat.Calibrate([][]float64{{0, 0, 0, 1}}, []float64{0.5})
	for i, want := range []float64{2. / 3, 2. / 3, 2. / 3, 2} {
		if math.Abs(got[i]-want) > 1e-12 {
			t.Errorf("weight %d is %v, want %v", i, got[i], want)
		}
	}
}

func TestCalibrateWithoutAnswer(t *testing.T) {
	same := []float64{3, 3, 3}
	for name, c := range map[string]struct {
		columns [][]float64
		means   []float64
	}{
		"a column that does not vary":    {[][]float64{same}, []float64{4}},
		"two columns that vary together": {[][]float64{{1, 2, 3}, {2, 4, 6}}, []float64{2.5, 5}},
		"no members":                     {[][]float64{{}}, []float64{1}},
		"a population far from it":       {[][]float64{{1, 2, 3}}, []float64{9}},
		"one that varies by rounding":    {[][]float64{{1, 1 + 1e-15, 1 - 1e-15}}, []float64{1 + 1e-14}},
	} {
		for _, w := range stat.Calibrate(c.columns, c.means) {
			if w != 1 {
				t.Errorf("%s: weight %v, want 1", name, w)
			}
		}
	}
	if w := stat.Calibrate(nil, nil); w != nil {
		t.Errorf("no column: %v", w)
	}
	for i, w := range stat.Calibrate([][]float64{{0, 0, 0, 0, 0, 0, 0, 0, 0, 9}}, []float64{-.5}) {
		if w < 0 || i == 9 && w != 0 {
			t.Errorf("weight %d beyond the population's mean is %v, want none below 0, the last 0", i, w)
		}
	}
}

func TestWeightedQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	xs := make([]float64, 451)
	for i := range xs {
		xs[i] = r.ExpFloat64()
	}
	slices.Sort(xs)
	for _, q := range []float64{0, .01, .5, .9, .999, 1} {
		if got, want := stat.WeightedQuantile(xs, slices.Repeat([]float64{1}, len(xs)), q), stat.Quantile(xs, q); got != want {
			t.Errorf("equal weights: quantile %v is %v, want %v", q, got, want)
		}
	}
	for _, c := range []struct {
		xs, ws  []float64
		q, want float64
	}{
		{[]float64{1, 2, 3}, []float64{1, 1, 1}, .5, 2},
		{[]float64{1, 2, 3}, []float64{0, 1, 1}, .5, 2.25}, // steps of ½ and 1: the middle is at ¾
		{[]float64{5}, []float64{2}, .9, 5},
		{[]float64{1, 2, 4}, []float64{0, 0, 1}, .5, 3},
	} {
		if got := stat.WeightedQuantile(c.xs, c.ws, c.q); got != c.want {
			t.Errorf("%v weighted %v: quantile %v is %v, want %v", c.xs, c.ws, c.q, got, c.want)
		}
	}
	for _, got := range []float64{
		stat.WeightedQuantile(nil, nil, .5), stat.WeightedQuantile([]float64{1, 2}, []float64{0, 0}, .5),
		stat.WeightedQuantile([]float64{1}, []float64{0}, .5), stat.WeightedQuantile([]float64{1}, []float64{1}, 2),
		stat.WeightedQuantile([]float64{1}, nil, .5),
	} {
		if !math.IsNaN(got) {
			t.Errorf("got %v, want NaN", got)
		}
	}
}

// TestCalibratedMedian: of responses that crowding explains in part, the
// calibrated median is as right and varies less.
func TestCalibratedMedian(t *testing.T) {
	const runs, n, arms = 400, 450, 9
	r := rand.New(rand.NewPCG(5, 6))
	var plain, calibrated []float64
	for range runs {
		var xs, crowd []float64
		total := 0.0
		for i := range n * arms {
			c := r.ExpFloat64()
			total += c
			if i < n { // the arm's own: drawn at random, as all are
				xs = append(xs, 100+40*c+20*r.NormFloat64())
				crowd = append(crowd, c)
			}
		}
		w := stat.Calibrate([][]float64{crowd}, []float64{total / (n * arms)})
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return int(math.Copysign(1, xs[a]-xs[b])) })
		sx, sw := make([]float64, n), make([]float64, n)
		for k, i := range order {
			sx[k], sw[k] = xs[i], w[i]
		}
		plain = append(plain, stat.Quantile(sx, .5))
		calibrated = append(calibrated, stat.WeightedQuantile(sx, sw, .5))
	}
	biasErr := deviation(calibrated) / math.Sqrt(runs)
	if d := average(calibrated) - average(plain); math.Abs(d) > 5*biasErr {
		t.Errorf("calibrated, the median is %v off (one standard error %v)", d, biasErr)
	}
	// Most of the variance of a median far from the crowding's own remains: the
	// share explained, about .5, less what the other arms' own crowding varies.
	if ratio := deviation(calibrated) / deviation(plain); ratio > .9 || ratio < .5 {
		t.Errorf("calibrated, the median varies by %.2f of the plain one", ratio)
	}
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func sum(a []float64) float64 { return dot(a, slices.Repeat([]float64{1}, len(a))) }

func average(a []float64) float64 { return sum(a) / float64(len(a)) }

func deviation(a []float64) float64 {
	m, s := average(a), 0.0
	for _, x := range a {
		s += (x - m) * (x - m)
	}
	return math.Sqrt(s / float64(len(a)-1))
}
