package stat

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/optimize"
)

// ErrNoFit says that no curve of the kind fits.
var ErrNoFit = errors.New("no fit")

// USL is the Universal Scalability Law (Gunther, "Guerrilla Capacity Planning",
// 2007): X(N) = λN/(1 + σ(N−1) + κN(N−1)). It is for display: it has no
// intervals and no verdict is built on it.
type USL struct {
	Lambda float64 // λ: throughput of one, in the unit of the throughputs
	Sigma  float64 // σ: contention, share
	Kappa  float64 // κ: crosstalk
	Error  float64 // standard error of the residuals, in the unit of the throughputs
}

// At is the throughput at a load of n.
func (u USL) At(n float64) float64 {
	return u.Lambda * n / (1 + u.Sigma*(n-1) + u.Kappa*n*(n-1))
}

// Peak is the load at which throughput is greatest, +Inf without crosstalk.
func (u USL) Peak() float64 {
	if u.Kappa <= 0 {
		return math.Inf(1)
	}
	return math.Sqrt(max(0, 1-u.Sigma) / u.Kappa)
}

// FitUSL fits the law by least squares of the throughputs, with σ and κ not
// below 0. Errors are ErrTooFew below 4 points (three would fit exactly),
// ErrShape where loads are not above 0 or not three of them differ,
// ErrNotFinite, and ErrNoFit.
func FitUSL(loads, throughputs []float64) (USL, error) {
	if err := checkUSL(loads, throughputs); err != nil {
		return USL{}, fmt.Errorf("fit USL: %w", err)
	}
	most := 0.0
	for _, x := range throughputs {
		most = max(most, x)
	}
	// Squared parameters stay above 0; throughputs in units of the greatest.
	of := func(p []float64) USL {
		return USL{Lambda: most * p[0] * p[0], Sigma: p[1] * p[1], Kappa: p[2] * p[2]}
	}
	squares := func(p []float64) float64 {
		var sum float64
		for i, n := range loads {
			r := (throughputs[i] - of(p).At(n)) / most
			sum += r * r
		}
		return sum
	}
	p, err := leastSquares(squares, startUSL(loads, throughputs, most))
	if err != nil {
		return USL{}, fmt.Errorf("fit USL: %w", err)
	}
	u := of(p)
	u.Error = most * math.Sqrt(squares(p)/float64(len(loads)-3))
	return u, nil
}

// startUSL takes λ from the lowest load, and a little of the rest.
func startUSL(loads, throughputs []float64, most float64) []float64 {
	lowest := 0
	for i, n := range loads {
		if n < loads[lowest] {
			lowest = i
		}
	}
	perLoad := max(throughputs[lowest], most/1e3) / loads[lowest]
	return []float64{math.Sqrt(perLoad / most), math.Sqrt(0.05), math.Sqrt(1e-4)}
}

// leastSquares restarts the simplex until it improves no more: one run may stop
// on a slope.
func leastSquares(squares func([]float64) float64, start []float64) ([]float64, error) {
	best := math.Inf(1)
	for range 50 {
		r, err := optimize.Minimize(optimize.Problem{Func: squares}, start,
			&optimize.Settings{FuncEvaluations: 20_000, Converger: &optimize.FunctionConverge{Absolute: 1e-16, Relative: 1e-14, Iterations: 200}},
			&optimize.NelderMead{})
		if r == nil || math.IsNaN(r.F) {
			return nil, fmt.Errorf("%w: %v", ErrNoFit, err)
		}
		start = r.X
		if r.F >= best*(1-1e-12) {
			return start, nil
		}
		best = r.F
	}
	return start, nil
}

func checkUSL(loads, throughputs []float64) error {
	if len(loads) != len(throughputs) {
		return fmt.Errorf("%d loads and %d throughputs: %w", len(loads), len(throughputs), ErrShape)
	}
	if len(loads) < 4 {
		return fmt.Errorf("%d points of at least 4: %w", len(loads), ErrTooFew)
	}
	different := map[float64]bool{}
	for i, n := range loads {
		if err := checkFinite([]float64{n, throughputs[i]}); err != nil {
			return fmt.Errorf("point %d: %w", i+1, err)
		}
		if n <= 0 || throughputs[i] < 0 {
			return fmt.Errorf("load %g with throughput %g: %w", n, throughputs[i], ErrShape)
		}
		different[n] = true
	}
	if len(different) < 3 {
		return fmt.Errorf("%d different loads of at least 3: %w", len(different), ErrShape)
	}
	for _, x := range throughputs {
		if x > 0 {
			return nil
		}
	}
	return fmt.Errorf("no throughput above 0: %w", ErrNoFit)
}
