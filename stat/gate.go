package stat

import (
	"fmt"

	"gonum.org/v1/gonum/mathext"
)

// AA is what the A/A gate found: the interval of the difference between two
// copies of the baseline, and whether it lies within the margin.
type AA struct {
	Interval
	Margin float64
	Inside bool // if not: "noise floor too high for this margin"
}

// Gate holds the block differences of two identical arms against the margin.
// Its errors are those of PairedT, and ErrMargin.
func Gate(d []float64, margin, level float64) (AA, error) {
	if err := checkMargin(margin); err != nil {
		return AA{}, err
	}
	i, err := PairedT(d, level)
	if err != nil {
		return AA{}, fmt.Errorf("A/A gate: %w", err)
	}
	return AA{Interval: i, Margin: margin, Inside: i.Inside(margin)}, nil
}

// Binomial is a count with the exact (Clopper–Pearson) interval of its rate.
type Binomial struct {
	Rejected, Of int
	Low, High    float64
}

// Holds reports whether the rate lies in the interval.
func (b Binomial) Holds(rate float64) bool { return b.Low <= rate && rate <= b.High }

// Count gives the exact interval of a binomial rate (Clopper and Pearson, "The
// use of confidence or fiducial limits illustrated in the case of the binomial",
// Biometrika 26, 1934). Counts of several studies are added before they are given.
func Count(rejected, of int, level float64) (Binomial, error) {
	if err := checkLevel(level); err != nil {
		return Binomial{}, err
	}
	if of < 1 || rejected < 0 || rejected > of {
		return Binomial{}, fmt.Errorf("%d rejected of %d: %w", rejected, of, ErrShape)
	}
	tail := (1 - level) / 2
	k, n := float64(rejected), float64(of)
	b := Binomial{Rejected: rejected, Of: of, High: 1}
	if rejected > 0 {
		b.Low = mathext.InvRegIncBeta(k, n-k+1, tail)
	}
	if rejected < of {
		// By symmetry from the lower tail: near 1 the inverse goes wrong.
		b.High = 1 - mathext.InvRegIncBeta(n-k, k+1, tail)
	}
	return b, nil
}

// Rejections pairs identical arms, 0 with 1, 2 with 3 and so on, so that no
// observation enters two comparisons, and counts the pairs whose interval
// (PairedT at the level) excludes 0. The rate should be 1 − level; the interval
// of the count is at the same level. arms[a][b] is arm a in block b.
func Rejections(arms [][]float64, level float64) (Binomial, error) {
	if len(arms) == 0 || len(arms)%2 != 0 {
		return Binomial{}, fmt.Errorf("%d arms do not pair: %w", len(arms), ErrShape)
	}
	rejected := 0
	for a := 0; a < len(arms); a += 2 {
		d, err := Differences(arms[a], arms[a+1])
		if err != nil {
			return Binomial{}, fmt.Errorf("pair of arms %d and %d: %w", a+1, a+2, err)
		}
		i, err := PairedT(d, level)
		if err != nil {
			return Binomial{}, fmt.Errorf("pair of arms %d and %d: %w", a+1, a+2, err)
		}
		if !i.Contains(0) {
			rejected++
		}
	}
	return Count(rejected, len(arms)/2, level)
}
