package stat

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	gonum "gonum.org/v1/gonum/stat"
)

// Calibrate returns weights, with mean 1, for the members of a random sample of
// a population of which more is known: with them the sample's mean of each
// column is the population's. columns[c][i] is member i's value of column c, and
// means[c] the population's mean of it. A figure computed with the weights
// varies as what is left of it once a linear function of the columns is taken
// off, and is as little biased as one without (its bias is of the order 1/n).
//
// These are the linear weights of the generalised regression estimator: Deville
// and Särndal, "Calibration Estimators in Survey Sampling", Journal of the
// American Statistical Association 87 (1992), case 1. One that would be below 0,
// of a member far out, is 0. All are 1 where the sample cannot stand for the
// population: with no members, columns that do not vary or vary together, or
// weights so uneven that half of the sample would be lost by Kish's effective
// size, (Σw)²/Σw².
func Calibrate(columns [][]float64, means []float64) []float64 {
	if len(columns) == 0 {
		return nil
	}
	weights := slices.Repeat([]float64{1}, len(columns[0]))
	centred := mat.NewDense(max(len(weights), 1), len(columns), nil)
	short := mat.NewVecDense(len(columns), nil)
	for c, column := range columns {
		own := mean(column)
		short.SetVec(c, means[c]-own)
		for i, x := range column {
			centred.Set(i, c, x-own)
		}
	}
	lambda, ok := multipliers(centred, short)
	if !ok {
		return weights
	}
	drawn := make([]float64, len(weights))
	total, squares := 0.0, 0.0
	for i := range drawn {
		w := max(1+mat.Dot(centred.RowView(i), lambda), 0)
		drawn[i], total, squares = w, total+w, squares+w*w
	}
	if !(total*total > squares*float64(len(weights))/2) {
		return weights
	}
	for i := range drawn {
		drawn[i] *= float64(len(weights)) / total
	}
	return drawn
}

// worstCondition is how near to dependent on one another columns may be.
const worstCondition = 1e8

// multipliers solves S λ = short, S being the covariances of the centred columns;
// false: no solution is to be relied on.
func multipliers(centred *mat.Dense, short *mat.VecDense) (*mat.VecDense, bool) {
	n, p := centred.Dims()
	s := mat.NewSymDense(p, nil)
	s.SymOuterK(1/float64(n), centred.T())
	var solver mat.Cholesky
	if !solver.Factorize(s) || !(solver.Cond() < worstCondition) {
		return nil, false
	}
	var lambda mat.VecDense
	return &lambda, solver.SolveVecTo(&lambda, short) == nil
}

// WeightedMean is the mean of values that do not count alike, NaN without any.
func WeightedMean(values, weights []float64) float64 { return gonum.Mean(values, weights) }

// WeightedQuantile is Quantile for values that do not count alike: weights[i],
// which is not negative, belongs to sorted[i]. The values stand at distances of
// half the weights of two neighbours, so that with equal weights it is Quantile.
// It is NaN if there are no values, only weights of 0, or q is outside [0, 1].
func WeightedQuantile(sorted, weights []float64, q float64) float64 {
	n := len(sorted)
	if n == 0 || n != len(weights) || !(q >= 0 && q <= 1) {
		return math.NaN()
	}
	if n == 1 && weights[0] > 0 {
		return sorted[0]
	}
	length := 0.0
	for i := 1; i < n; i++ {
		length += (weights[i-1] + weights[i]) / 2
	}
	if length == 0 {
		return math.NaN()
	}
	at := q * length
	for i := 1; i < n; i++ {
		step := (weights[i-1] + weights[i]) / 2
		if at < step {
			return interpolate(sorted[i-1], sorted[i], at/step)
		}
		at -= step
	}
	return sorted[n-1]
}
