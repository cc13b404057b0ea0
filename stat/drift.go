package stat

import (
	"fmt"
	"math"
)

// Order is what being started later in a block adds per place: positions[t][b]
// is the place (0, 1, …) of treatment t in the order of starting in block b and
// values[t][b] its value. In each block it is the least-squares slope, over the
// places, of the values less their treatment's mean over all other blocks (over
// all, it would hold a part of the block's own effect); what a block has as a
// whole cancels. PairedT gives its interval.
//
// Errors are ErrTooFew below 2 blocks, ErrShape (also where a block has all
// treatments in one place) and ErrNotFinite.
func Order(positions [][]int, values [][]float64) ([]float64, error) {
	if len(positions) < 2 || len(positions) != len(values) {
		return nil, fmt.Errorf("order: %d and %d treatments of at least 2: %w", len(positions), len(values), ErrShape)
	}
	blocks := len(values[0])
	if blocks < 2 {
		return nil, fmt.Errorf("order: %d blocks of at least 2: %w", blocks, ErrTooFew)
	}
	residuals := make([][]float64, len(values))
	for t, v := range values {
		if len(v) != blocks || len(positions[t]) != blocks {
			return nil, fmt.Errorf("order: treatment %d has %d values and %d places, the first %d: %w", t+1, len(v), len(positions[t]), blocks, ErrShape)
		}
		if err := checkFinite(v); err != nil {
			return nil, fmt.Errorf("order: treatment %d: %w", t+1, err)
		}
		residuals[t] = residualsOf(v)
	}
	// A value less the mean of the others is this much more than less that of all.
	others := float64(blocks) / float64(blocks-1)
	slopes := make([]float64, blocks)
	x, y := make([]float64, len(values)), make([]float64, len(values))
	for b := range slopes {
		for t := range values {
			x[t], y[t] = float64(positions[t][b]), residuals[t][b]
		}
		if spread(x) == 0 {
			return nil, fmt.Errorf("order: in block %d all treatments have place %g: %w", b+1, x[0], ErrShape)
		}
		u, _, scale := standard(x)
		slopes[b] = along(u, y) / scale * others
	}
	return slopes, nil
}

// residualsOf is what values have more than their mean.
func residualsOf(values []float64) []float64 {
	m := mean(values)
	r := make([]float64, len(values))
	for i, x := range values {
		r[i] = x - m
	}
	return r
}

// Drift is how much values rise from block to block: the least-squares slope
// over the blocks in the order of the run, with its t interval (n−2 degrees of
// freedom). Blocks being afresh, their errors are taken as independent; a host
// whose mood wanders gives narrower intervals than it should, and so an alarm,
// which is what the check is for. Errors are ErrTooFew below 3 blocks,
// ErrNotFinite, ErrLevel, and ErrNoSpread where values lie on a line.
func Drift(values []float64, level float64) (Interval, error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, err
	}
	n := len(values)
	if n < 3 {
		return Interval{}, fmt.Errorf("drift over %d blocks of at least 3: %w", n, ErrTooFew)
	}
	if err := checkFinite(values); err != nil {
		return Interval{}, fmt.Errorf("drift: %w", err)
	}
	x := make([]float64, n)
	for b := range x {
		x[b] = float64(b) - float64(n-1)/2
	}
	slope, centre := along(x, values), mean(values)
	var squares, xx float64
	for b, v := range values {
		rest := v - centre - slope*x[b]
		squares += rest * rest
		xx += x[b] * x[b]
	}
	sd := math.Sqrt(squares / float64(n-2))
	if math.IsInf(sd, 0) || math.IsNaN(sd) {
		return Interval{}, fmt.Errorf("drift: sd %g: %w", sd, ErrNotFinite)
	}
	if sd <= sameWithin*max(math.Abs(centre), spread(values)) {
		return Interval{}, fmt.Errorf("drift: %d blocks on a line: %w", n, ErrNoSpread)
	}
	half := tQuantile(1-(1-level)/2, n-2) * sd / math.Sqrt(xx)
	return Interval{Estimate: slope, Low: slope - half, High: slope + half}, nil
}

const (
	mserBatch   = 5  // values that are averaged into one
	mserBatches = 10 // at least
)

// Truncation is where a series settles.
type Truncation struct {
	At      int  // values at the beginning that are not settled
	Settled bool // if not, the least was found in the second half, and At says nothing
}

// MSER5 says how many values at the beginning of a series still belong to its
// warm-up: in batches of 5 the d that makes Σ(z−z̄)²/(n−d)², over what is left,
// least (White, "An effective truncation heuristic for bias reduction in
// simulation output", Simulation 69, 1997; White, Cobb and Spratt, WSC 2000). It
// warns and cuts nothing: on a series without any warm-up it names some small d
// by chance. Errors are ErrTooFew below 10 batches, and ErrNotFinite.
func MSER5(series []float64) (Truncation, error) {
	n := len(series) / mserBatch
	if n < mserBatches {
		return Truncation{}, fmt.Errorf("MSER-5 of %d values of at least %d: %w", len(series), mserBatches*mserBatch, ErrTooFew)
	}
	if err := checkFinite(series); err != nil {
		return Truncation{}, fmt.Errorf("MSER-5: %w", err)
	}
	// From the end towards the beginning: moments grow by one batch at a time.
	best, at := math.Inf(1), 0
	var m, squares float64
	for d := n - 1; d >= 0; d-- {
		z := mean(series[d*mserBatch : (d+1)*mserBatch])
		left := float64(n - d)
		step := z - m
		m += step / left
		squares += step * (z - m)
		if n-d < mserBatch {
			continue // a few equal batches at the end would always win
		}
		if s := squares / (left * left); s <= best {
			best, at = s, d
		}
	}
	return Truncation{At: at * mserBatch, Settled: at <= n/2}, nil
}
