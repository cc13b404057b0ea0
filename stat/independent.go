package stat

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

const (
	// MethodWelch is Welch's t for two series that were not run together.
	MethodWelch Method = "welch-t"
	// MethodBonferroniWelch is Welch's t at level 1 − α/m for m comparisons.
	MethodBonferroniWelch Method = "bonferroni-welch-t"
)

// Independent compares series that were NOT run together: A and B of a Pair are
// of blocks of their own, as many as there are of each. Intervals are Welch's
// ("The generalization of 'Student's' problem when several different population
// variances are involved", Biometrika 34, 1947), made simultaneous by Bonferroni:
// nothing pairs the blocks of two runs, so nothing can be learnt of how the
// comparisons go together but by assuming equal spreads.
//
// Whatever changed between the two runs besides what is asked (the host's mood,
// its temperature, another kernel) is in the difference of plain values and is
// NOT in its interval: give the difference from a baseline within each run, by
// Differences, where that can be had. Ratios are of geometric means, as in
// Compare.
//
// In the result Blocks is the smaller number of blocks, SD that of the
// difference of one block of either, and BlocksNeeded is of the smaller run, the
// other growing alike. Errors are ErrTooFew, ErrNotFinite, ErrLevel, ErrMargin
// and, without pairs, ErrShape.
func Independent(pairs []Pair, o Options) ([]Comparison, error) {
	if err := checkLevel(o.Level); err != nil {
		return nil, err
	}
	if len(pairs) == 0 {
		return nil, fmt.Errorf("no comparisons: %w", ErrShape)
	}
	comparisons := make([]Comparison, len(pairs))
	var which []int
	for k, p := range pairs {
		if err := checkMargin(p.Margin); err != nil {
			return nil, fmt.Errorf("compare %s: %w", p.Name, err)
		}
		w, err := welchOf(p.A, p.B)
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", p.Name, err)
		}
		comparisons[k] = w.describe(p, o.Level, len(pairs))
		if allAbove0(p.A) && allAbove0(p.B) {
			which = append(which, k)
		} else {
			comparisons[k].warn(WarnNoRatio, "no ratio: not all values are above 0")
		}
	}
	for _, k := range which {
		if err := comparisons[k].addWelchRatio(pairs[k], o.Level, len(which)); err != nil {
			return nil, err
		}
	}
	for k, p := range pairs {
		comparisons[k].judge(o.Screening, o.NoNull || p.NoNull)
	}
	return comparisons, nil
}

// welch is the difference of two means.
type welch struct {
	a, b    moments
	freedom float64 // Welch and Satterthwaite's
}

func welchOf(a, b []float64) (welch, error) {
	x, err := momentsOf(a)
	if err != nil {
		return welch{}, fmt.Errorf("baseline: %w", err)
	}
	y, err := momentsOf(b)
	if err != nil {
		return welch{}, fmt.Errorf("treatment: %w", err)
	}
	w := welch{a: x, b: y}
	largest := max(x.sd, y.sd)
	if largest == 0 {
		return w, nil
	}
	// In units of the larger sd, whose square may overflow.
	u, v := x.sd/largest, y.sd/largest
	u, v = u*u/float64(x.n), v*v/float64(y.n)
	w.freedom = (u + v) * (u + v) / (u*u/float64(x.n-1) + v*v/float64(y.n-1))
	return w, nil
}

func (w welch) se() float64 {
	return math.Hypot(w.a.sd/math.Sqrt(float64(w.a.n)), w.b.sd/math.Sqrt(float64(w.b.n)))
}

func (w welch) quantile(p float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: w.freedom}.Quantile(p)
}

// interval is one of m that hold together.
func (w welch) interval(level float64, m int) (Interval, Multiplicity) {
	d := w.b.mean - w.a.mean
	mult := Multiplicity{Method: MethodWelch, Level: level, Comparisons: m, Blocks: min(w.a.n, w.b.n)}
	if w.freedom == 0 {
		mult.Method = MethodNone
		return Interval{Estimate: d, Low: d, High: d}, mult
	}
	if m > 1 {
		mult.Method = MethodBonferroniWelch
	}
	mult.Critical = w.quantile(1 - (1-level)/2/float64(m))
	half := mult.Critical * w.se()
	return Interval{Estimate: d, Low: d - half, High: d + half}, mult
}

func (w welch) describe(p Pair, level float64, m int) Comparison {
	i, mult := w.interval(level, m)
	c := Comparison{
		Name: p.Name, Blocks: mult.Blocks, Margin: p.Margin,
		Baseline: w.a.mean, Treatment: w.b.mean, Difference: i, Multiplicity: mult,
		SD: math.Hypot(w.a.sd, w.b.sd),
	}
	if w.freedom > 0 {
		c.MinimumDetectable = (w.quantile(1-(1-level)/2) + w.quantile(power)) * w.se()
	}
	c.Skew, c.MaxAbsZ = Shape(p.A)
	if skew, z := Shape(p.B); math.Abs(skew) > math.Abs(c.Skew) {
		c.Skew, c.MaxAbsZ = skew, max(c.MaxAbsZ, z)
	} else {
		c.MaxAbsZ = max(c.MaxAbsZ, z)
	}
	if IsSkewed(c.Skew, c.MaxAbsZ) {
		c.warn(WarnSkewed, "the values of a run are far from normal (skew %.1f, farthest %.1f sd)", c.Skew, c.MaxAbsZ)
	}
	return c
}

func (c *Comparison) addWelchRatio(p Pair, level float64, m int) error {
	w, err := welchOf(logs(p.A), logs(p.B))
	if err != nil {
		return fmt.Errorf("compare ratio of %s: %w", p.Name, err)
	}
	i, mult := w.interval(level, m)
	ratio := Interval{Estimate: math.Exp(i.Estimate), Low: math.Exp(i.Low), High: math.Exp(i.High)}
	if w.freedom == 0 || math.IsInf(ratio.High, 1) {
		c.warn(WarnNoRatio, "no ratio: its error is unknown or beyond all numbers")
		return nil
	}
	c.Ratio, c.RatioMultiplicity = &ratio, mult
	return nil
}

func logs(values []float64) []float64 {
	l := make([]float64, len(values))
	for i, x := range values {
		l[i] = math.Log(x)
	}
	return l
}

func allAbove0(values []float64) bool {
	for _, x := range values {
		if !(x > 0) {
			return false
		}
	}
	return true
}
