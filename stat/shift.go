package stat

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// negligible is the weight of the order statistics that HarrellDavis leaves out
// at either end.
const negligible = 1e-15

// HarrellDavis is the quantile q as a weighted average of all order statistics
// of values sorted in ascending order (Harrell and Davis, "A new distribution-free
// quantile estimator", Biometrika 69, 1982): the i-th of n has the weight
// I(i/n) − I((i−1)/n), I being the regularised incomplete beta function with
// (n+1)q and (n+1)(1−q). It varies less than Quantile where samples are thin. It
// is NaN if there are no values or q is outside (0, 1).
func HarrellDavis(sorted []float64, q float64) float64 {
	n := len(sorted)
	if n == 0 || !(q > 0 && q < 1) {
		return math.NaN()
	}
	size := float64(n)
	a, b := (size+1)*q, (size+1)*(1-q)
	below := func(i int) float64 { return mathext.RegIncBeta(a, b, float64(i)/size) }
	middle := min(int(size*q), n-1)
	start, end := below(middle), 0.0
	var sum, weights float64
	add := func(i int, w float64) {
		weights += w
		sum += w * sorted[i]
	}
	for i, high := middle, start; i < n; i, high = i+1, end {
		end = below(i + 1)
		add(i, end-high)
		if 1-end < negligible {
			break
		}
	}
	for i, high := middle-1, start; i >= 0; i-- {
		low := below(i)
		add(i, high-low)
		if low < negligible {
			break
		}
		high = low
	}
	return min(max(sum/weights, sorted[0]), sorted[n-1])
}

// Spectrum is the quantiles of one arm in one block.
type Spectrum struct {
	Samples int
	Values  []float64 // by HarrellDavis, one for each quantile asked for
}

// NewSpectrum gives the quantiles of samples sorted in ascending order.
func NewSpectrum(sorted, quantiles []float64) Spectrum {
	s := Spectrum{Samples: len(sorted), Values: make([]float64, len(quantiles))}
	for i, q := range quantiles {
		s.Values[i] = HarrellDavis(sorted, q)
	}
	return s
}

// Shift is a shift function: how far each quantile of the treatment lies from
// the same quantile of the baseline (Doksum, "Empirical probability plots and
// statistical inference for nonlinear models in the two-sample case", The Annals
// of Statistics 2, 1974).
type Shift struct {
	Quantiles    []float64  // those that the samples carry
	Band         []Interval // of each, simultaneous over all of them
	Multiplicity Multiplicity
	Missing      []Missing
}

// Missing is a quantile that is not given.
type Missing struct {
	Quantile float64
	Why      string
}

// ShiftFunction takes the quantiles of baseline and treatment, block by block.
// The band is Simultaneous over the quantiles, whose differences in a block go
// together. A quantile is given where it is Supported in every block of both.
// If none is, the band is empty. Errors are those of Simultaneous.
func ShiftFunction(quantiles []float64, baseline, treatment []Spectrum, o Options) (Shift, error) {
	if err := checkSpectra(quantiles, baseline, treatment); err != nil {
		return Shift{}, fmt.Errorf("shift function: %w", err)
	}
	var s Shift
	var ds [][]float64
	least := fewestSamples(baseline, treatment)
	for i, q := range quantiles {
		if ok, why := Supported(least, q); !ok {
			s.Missing = append(s.Missing, Missing{Quantile: q, Why: why})
			continue
		}
		d, err := Differences(at(baseline, i), at(treatment, i))
		if err != nil {
			return Shift{}, fmt.Errorf("shift function: %w", err)
		}
		s.Quantiles, ds = append(s.Quantiles, q), append(ds, d)
	}
	if len(ds) == 0 {
		return s, nil
	}
	var err error
	if s.Band, s.Multiplicity, err = Simultaneous(ds, o.Level, o.Seed); err != nil {
		return Shift{}, fmt.Errorf("shift function: %w", err)
	}
	return s, nil
}

func checkSpectra(quantiles []float64, baseline, treatment []Spectrum) error {
	if len(quantiles) == 0 || len(baseline) != len(treatment) {
		return fmt.Errorf("%d quantiles, %d and %d blocks: %w", len(quantiles), len(baseline), len(treatment), ErrShape)
	}
	if len(baseline) < 2 {
		return fmt.Errorf("%d of at least 2: %w", len(baseline), ErrTooFew)
	}
	for b := range baseline {
		for _, s := range []Spectrum{baseline[b], treatment[b]} {
			if len(s.Values) != len(quantiles) {
				return fmt.Errorf("block %d has %d quantiles of %d: %w", b+1, len(s.Values), len(quantiles), ErrShape)
			}
		}
	}
	return nil
}

func fewestSamples(baseline, treatment []Spectrum) int {
	least := math.MaxInt
	for b := range baseline {
		least = min(least, baseline[b].Samples, treatment[b].Samples)
	}
	return least
}

// at is quantile i in each block.
func at(spectra []Spectrum, i int) []float64 {
	values := make([]float64, len(spectra))
	for b, s := range spectra {
		values[b] = s.Values[i]
	}
	return values
}
