package stat

import (
	"fmt"
	"math"
	"slices"
)

// leastSegment is how many values must stand on either side of a change: with 2,
// two outliers side by side in a hundred values of heavy tails pass for one.
const leastSegment = 3

// ChangePoint is a place where the level of a series changed.
type ChangePoint struct {
	At            int      // index of the first value after it
	Before, After float64  // means between the neighbouring changes
	Difference    Interval // After − Before; it excludes 0, at the corrected level
}

// ChangePoints says where the level of a series (a figure over the blocks of a
// run, or over the results of a history) changed. Places are found by E-divisive
// (Matteson and James, "A nonparametric approach for multiple change point
// analysis of multivariate data", Journal of the American Statistical
// Association 109, 2014; exponent 1), and each is held to Student's t instead of
// random permutations, so that the same series always gives the same answer, as
// Fleming et al. do ("Hunter: using change point detection to hunt for
// performance regressions", ICPE 2023).
//
// A series of independent values without a change gives none with at least the
// probability level, Bonferroni's share for each place being taken
// (testdata/coverage.md). Values that wander on their own do change, by this
// measure. The place having been chosen for its difference, Difference is somewhat
// larger than the truth.
//
// Errors are ErrNotFinite and ErrLevel; a series too short or without spread has
// no change points, and a change shows when three values stand after it.
func ChangePoints(series []float64, level float64) ([]ChangePoint, error) {
	if err := checkLevel(level); err != nil {
		return nil, err
	}
	if err := checkFinite(series); err != nil {
		return nil, fmt.Errorf("change points: %w", err)
	}
	places := len(series) - 2*leastSegment + 1
	if places < 1 {
		return nil, nil
	}
	if _, err := momentsOf(series); err != nil {
		return nil, fmt.Errorf("change points: %w", err)
	}
	c := changes{series: series, level: 1 - (1-level)/float64(places)}
	c.divide(0, len(series))
	c.prune()
	return c.points(), nil
}

// changes collects the places found so far, ascending.
type changes struct {
	series []float64
	level  float64 // of one place
	at     []int
}

// divide looks for a change in [start, end) and then on either side of it.
func (c *changes) divide(start, end int) {
	split, until := divisive(c.series[start:end])
	if split == 0 {
		return
	}
	split, until = split+start, until+start
	if c.differ(start, split, until).Contains(0) {
		return
	}
	c.divide(start, split)
	c.at = append(c.at, split)
	c.divide(split, end)
}

// prune drops, the weakest first, what does not hold between its neighbours.
func (c *changes) prune() {
	for len(c.at) > 0 {
		weakest, least := 0, math.Inf(1)
		for i := range c.at {
			start, end := c.around(i)
			d := c.differ(start, c.at[i], end)
			if strength := math.Abs(d.Estimate) / d.Half(); strength < least {
				weakest, least = i, strength
			}
		}
		if least > 1 {
			return
		}
		c.at = slices.Delete(c.at, weakest, weakest+1)
	}
}

// around are the ends of the two segments that meet in change i.
func (c *changes) around(i int) (start, end int) {
	start, end = 0, len(c.series)
	if i > 0 {
		start = c.at[i-1]
	}
	if i+1 < len(c.at) {
		end = c.at[i+1]
	}
	return start, end
}

func (c *changes) points() []ChangePoint {
	var points []ChangePoint
	for i, at := range c.at {
		start, end := c.around(i)
		points = append(points, ChangePoint{
			At: at, Before: mean(c.series[start:at]), After: mean(c.series[at:end]),
			Difference: c.differ(start, at, end),
		})
	}
	return points
}

// differ is Student's interval, with pooled variance, of the mean of
// [split, end) minus that of [start, split).
func (c *changes) differ(start, split, end int) Interval {
	before, after := c.series[start:split], c.series[split:end]
	d := mean(after) - mean(before)
	m, n := float64(len(before)), float64(len(after))
	var squares float64
	for _, side := range [][]float64{before, after} {
		for _, r := range residualsOf(side) {
			squares += r * r
		}
	}
	half := tQuantile(1-(1-c.level)/2, end-start-2) * math.Sqrt(squares/(m+n-2)*(1/m+1/n))
	return Interval{Estimate: d, Low: d - half, High: d + half}
}

// divisive gives the split and the end after it that make the energy distance
// between z[:split] and z[split:until], scaled by mn/(m+n), greatest; 0, 0 if
// there is none above 0. Q of the paper's equations 6 and 7, in n² steps.
func divisive(z []float64) (split, until int) {
	n := len(z)
	before := make([]float64, n)  // Σ|zᵢ − z_k| over i < split
	earlier := make([]float64, n) // Σ|zᵢ − z_k| over i < k
	for k := range z {
		for i := range k {
			earlier[k] += math.Abs(z[i] - z[k])
		}
	}
	var within, greatest float64 // Σ|zᵢ − z_j| over i < j < split
	for s := 1; s <= n-leastSegment; s++ {
		within += earlier[s-1]
		for k := s; k < n; k++ {
			before[k] += math.Abs(z[s-1] - z[k])
		}
		if s < leastSegment {
			continue
		}
		var between, after float64
		for k := s; k < n; k++ {
			between += before[k]
			after += earlier[k] - before[k]
			if k+1-s < leastSegment {
				continue
			}
			if q := energy(float64(s), float64(k+1-s), between, within, after); q > greatest {
				greatest, split, until = q, s, k+1
			}
		}
	}
	return split, until
}

// energy is the scaled distance of m and n values, given the sums of the
// distances between the two sets and within each.
func energy(m, n, between, withinM, withinN float64) float64 {
	e := 2*between/(m*n) - withinM/(m*(m-1)/2) - withinN/(n*(n-1)/2)
	return m * n / (m + n) * e
}
