package stat

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// exactSignedRank is the greatest number of blocks for which the signed-rank
// distribution is counted out; beyond it is all but normal.
const exactSignedRank = 200

// HodgesLehmann gives the median of the Walsh averages (dᵢ+dⱼ)/2, i ≤ j, with
// the interval that inverts Wilcoxon's signed-rank test, for a single
// comparison: Hollander and Wolfe, "Nonparametric Statistical Methods", 2nd ed.,
// §3.2 and §3.3. The distribution is exact up to 200 blocks, then its normal
// approximation; the interval covers at least the level, assuming symmetry.
// It fails with ErrTooFew where even the whole range of the values does not
// reach the level (below 6 blocks at 0.95), and as PairedT otherwise.
func HodgesLehmann(d []float64, level float64) (Interval, error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, err
	}
	m, err := momentsOf(d)
	if err != nil {
		return Interval{}, err
	}
	if m.sd == 0 {
		return Interval{}, fmt.Errorf("%d blocks at %g: %w", len(d), m.mean, ErrNoSpread)
	}
	cut := signedRankCut(len(d), (1-level)/2)
	if cut < 0 {
		return Interval{}, fmt.Errorf("%d blocks cannot reach level %g: %w", len(d), level, ErrTooFew)
	}
	walsh := walshAverages(d)
	return Interval{
		Estimate: Quantile(walsh, 0.5),
		Low:      walsh[cut],
		High:     walsh[len(walsh)-1-cut],
	}, nil
}

func walshAverages(d []float64) []float64 {
	walsh := make([]float64, 0, len(d)*(len(d)+1)/2)
	for i, x := range d {
		for _, y := range d[:i+1] {
			walsh = append(walsh, x/2+y/2)
		}
	}
	slices.Sort(walsh)
	return walsh
}

// signedRankCut is the greatest k with P(V ≤ k) ≤ tail for the signed-rank
// statistic V of n blocks, or −1 if there is none.
func signedRankCut(n int, tail float64) int {
	if n > exactSignedRank {
		N := float64(n)
		mean, variance := N*(N+1)/4, N*(N+1)*(2*N+1)/24
		z := distuv.UnitNormal.Quantile(tail)
		return int(math.Floor(mean + z*math.Sqrt(variance) - 0.5))
	}
	var below float64
	for k, p := range signedRank(n) {
		below += p
		if below > tail {
			return k - 1
		}
	}
	return -1
}

// signedRank is the distribution of the sum of the ranks with a plus sign: each
// rank of 1 … n is in the sum with probability one half.
func signedRank(n int) []float64 {
	top := n * (n + 1) / 2
	p := make([]float64, top+1)
	p[0] = 1
	for rank := 1; rank <= n; rank++ {
		for k := rank * (rank + 1) / 2; k >= 0; k-- {
			p[k] /= 2
			if k >= rank {
				p[k] += p[k-rank] / 2
			}
		}
	}
	return p
}

// Shape describes how far d is from a normal sample: its skewness (third
// moment, adjusted for the sample size: G₁ of Joanes and Gill, "Comparing
// measures of sample skewness and kurtosis", The Statistician 47, 1998), and the
// greatest distance from the mean in standard deviations. Both are 0 where they
// are not defined: fewer than 3 values, no spread, a value that is not finite.
//
// In n values no distance exceeds (n−1)/√n: below 18 blocks none is above 4,
// and an outlier shows in the skewness alone.
func Shape(d []float64) (skew, maxAbsZ float64) {
	m, err := momentsOf(d)
	if err != nil || m.n < 3 || m.sd == 0 {
		return 0, 0
	}
	var cubes float64
	for _, x := range d {
		z := (x - m.mean) / m.sd
		cubes += z * z * z
		maxAbsZ = max(maxAbsZ, math.Abs(z))
	}
	n := float64(m.n)
	return cubes * n / ((n - 1) * (n - 2)), maxAbsZ
}

// limits beyond which the Hodges–Lehmann interval is shown beside Student's.
const (
	skewLimit = 1
	zLimit    = 4
)

// IsSkewed reports whether the shape calls for the Hodges–Lehmann interval.
func IsSkewed(skew, maxAbsZ float64) bool {
	return math.Abs(skew) > skewLimit || maxAbsZ > zLimit
}
