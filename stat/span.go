package stat

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// QuantileSpan gives the two levels below and above q between whose sample
// quantiles the true one lies, at the confidence level, without any assumption
// on the values' shape: of n independent values the number below the true
// quantile is binomial, so the levels are q ± z·√(q(1−q)/n), kept within
// [0, 1] (David and Nagaraja, "Order Statistics", 2003, §7.1, by the normal
// approximation, which n(1−q) ≥ 100 bears).
//
// Values of one run are seldom independent: a stall delays neighbours alike.
// Inflation, as Overdispersion gives it, is by how much the variance of such
// counts is greater than a binomial's; below 1 it counts as 1.
//
// It fails with ErrTooFew where n does not support q or 1−q, and ErrLevel.
func QuantileSpan(n int, q, level, inflation float64) (low, high float64, err error) {
	if err := checkLevel(level); err != nil {
		return 0, 0, err
	}
	if ok, why := Supported(n, max(q, 1-q)); !ok {
		return 0, 0, fmt.Errorf("%s: %w", why, ErrTooFew)
	}
	if math.IsNaN(inflation) || math.IsInf(inflation, 0) {
		return 0, 0, fmt.Errorf("inflation %g: %w", inflation, ErrNotFinite)
	}
	z := distuv.UnitNormal.Quantile(1 - (1-level)/2)
	half := z * math.Sqrt(q*(1-q)*max(inflation, 1)/float64(n))
	return max(q-half, 0), min(q+half, 1), nil
}

// leastBatches is how few batches say nothing of a variance.
const leastBatches = 8

// Overdispersion is by how much the counts of some event vary more from batch
// to batch of consecutive trials than those of independent trials would:
// Pearson's χ² over its degrees of freedom. It is 1 for independent trials but
// for noise. Of fewer than 8 batches with trials, and of events that never or
// always come, it is NaN: nothing is known.
func Overdispersion(events, trials []int) float64 {
	if len(events) != len(trials) {
		return math.NaN()
	}
	sum, all, batches := 0, 0, 0
	for i, n := range trials {
		sum, all = sum+events[i], all+n
		if n > 0 {
			batches++
		}
	}
	if batches < leastBatches || sum <= 0 || sum >= all {
		return math.NaN()
	}
	p, chi := float64(sum)/float64(all), 0.0
	for i, n := range trials {
		if n > 0 {
			d := float64(events[i]) - float64(n)*p
			chi += d * d / (float64(n) * p * (1 - p))
		}
	}
	return chi / float64(batches-1)
}
