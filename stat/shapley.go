package stat

import (
	"fmt"
	"math/bits"
)

// MostShared is the greatest number of factors that Shapley takes.
const MostShared = 6

// Shapley shares out among k factors of two levels what all of them together
// add, exactly, from all 2ᵏ combinations: the share of a factor is what it adds,
// averaged over all orders in which the factors can be added one after the other
// (Shapley, "A value for n-person games", Contributions to the Theory of Games
// II, 1953). In every block the shares sum to all − none.
//
// Each share is a difference of two weighted averages, A without the factor and
// B with it. Errors are ErrShape and ErrNotFinite.
func Shapley(combinations []Combination) ([]Effect, error) {
	values, k, err := byMask(combinations)
	if err != nil {
		return nil, fmt.Errorf("shapley: %w", err)
	}
	blocks := len(values[0])
	shares := make([]Effect, k)
	for factor := range shares {
		e := Effect{Factors: []int{factor}, Levels: []int{1}, A: make([]float64, blocks), B: make([]float64, blocks)}
		for mask := range values {
			if mask&(1<<factor) != 0 {
				continue
			}
			w := shapleyWeight(bits.OnesCount(uint(mask)), k)
			for b := range blocks {
				e.A[b] += w * values[mask][b]
				e.B[b] += w * values[mask|1<<factor][b]
			}
		}
		shares[factor] = e
	}
	return shares, nil
}

// shapleyWeight is the share of the orders of k factors in which a given set of
// so many stands before a given other factor: s!(k−s−1)!/k!.
func shapleyWeight(s, k int) float64 {
	w := 1 / float64(k)
	for i := 1; i <= s; i++ { // 1/C(k−1, s)
		w *= float64(i) / float64(k-i)
	}
	return w
}

// byMask orders the values by the set of factors at their second level.
func byMask(combinations []Combination) (values [][]float64, k int, err error) {
	if len(combinations) == 0 {
		return nil, 0, fmt.Errorf("no combinations: %w", ErrShape)
	}
	k = len(combinations[0].Levels)
	if k < 1 || k > MostShared || len(combinations) != 1<<k {
		return nil, 0, fmt.Errorf("%d combinations of %d factors, want all 2^k of 1 to %d: %w", len(combinations), k, MostShared, ErrShape)
	}
	levels := make([]int, k)
	for i := range levels {
		levels[i] = 2
	}
	if err := checkCombinations(levels, combinations); err != nil {
		return nil, 0, err
	}
	values = make([][]float64, 1<<k)
	for i, c := range combinations {
		mask := 0
		for factor, level := range c.Levels {
			mask |= level << factor
		}
		if values[mask] != nil {
			return nil, 0, fmt.Errorf("combination %d stands twice: %w", i+1, ErrShape)
		}
		values[mask] = c.Values
	}
	return values, k, nil
}
