package stat

import (
	"errors"
	"fmt"
	"math"
)

// ErrUnbalanced says that the levels of two factors do not meet equally often,
// so that the effect of one holds a part of the other's.
var ErrUnbalanced = errors.New("factors not balanced")

// Combination is one treatment of a study over factors.
type Combination struct {
	Levels []int     // of each factor, 0 being its first
	Values []float64 // of block b
}

// Effect is a difference of two averages over combinations, block by block: A
// and B go into a Pair.
type Effect struct {
	Factors []int // one: a main effect; two: their interaction
	Levels  []int // of each of Factors, held against its first
	A, B    []float64
}

// Effects gives the main effects and the two-factor interactions of a factorial
// in which factor k has levels[k] levels.
//
// A main effect is the average at one level minus that at the first, over all
// combinations of the other factors: with two levels the usual contrast high −
// low. An interaction, here with any number of levels, is HALF of the
// difference of differences, ½[(y₁₁ − y₀₁) − (y₁₀ − y₀₀)], 1 standing for the
// level and 0 for the first: half of what the effect of either factor changes by
// when the other one is changed. That is the convention of Box, Hunter and
// Hunter, "Statistics for Experimenters", 2nd ed., §5.
//
// Main effects come first, in the order of factors and levels, then
// interactions. The combinations may be a fraction, of which each effect then
// stands for its aliases too, as long as any two factors' levels meet in
// proportion; else the error is ErrUnbalanced. Others are ErrShape and
// ErrNotFinite.
func Effects(levels []int, combinations []Combination) ([]Effect, error) {
	if err := checkCombinations(levels, combinations); err != nil {
		return nil, fmt.Errorf("effects: %w", err)
	}
	for a := range levels {
		for b := range a {
			if err := balanced(levels, combinations, b, a); err != nil {
				return nil, fmt.Errorf("effects: %w", err)
			}
		}
	}
	var effects []Effect
	for a, n := range levels {
		for level := 1; level < n; level++ {
			effects = append(effects, mainEffect(combinations, a, level))
		}
	}
	for a := range levels {
		for b := a + 1; b < len(levels); b++ {
			effects = append(effects, interactions(levels, combinations, a, b)...)
		}
	}
	return effects, nil
}

func mainEffect(combinations []Combination, factor, level int) Effect {
	at := func(level int) []float64 {
		return average(combinations, func(c Combination) bool { return c.Levels[factor] == level })
	}
	return Effect{Factors: []int{factor}, Levels: []int{level}, A: at(0), B: at(level)}
}

func interactions(levels []int, combinations []Combination, a, b int) []Effect {
	var effects []Effect
	for i := 1; i < levels[a]; i++ {
		for j := 1; j < levels[b]; j++ {
			at := func(i, j int) []float64 {
				return average(combinations, func(c Combination) bool { return c.Levels[a] == i && c.Levels[b] == j })
			}
			effects = append(effects, Effect{
				Factors: []int{a, b}, Levels: []int{i, j},
				A: midway(at(i, 0), at(0, j)), B: midway(at(0, 0), at(i, j)),
			})
		}
	}
	return effects
}

// average is the mean, block by block, of the combinations that are in.
func average(combinations []Combination, in func(Combination) bool) []float64 {
	sum := make([]float64, len(combinations[0].Values))
	count := 0.0
	for _, c := range combinations {
		if !in(c) {
			continue
		}
		count++
		for b, x := range c.Values {
			sum[b] += x
		}
	}
	for b := range sum {
		sum[b] /= count
	}
	return sum
}

func midway(x, y []float64) []float64 {
	m := make([]float64, len(x))
	for b := range x {
		m[b] = x[b]/2 + y[b]/2
	}
	return m
}

func checkCombinations(levels []int, combinations []Combination) error {
	if len(combinations) == 0 || len(levels) == 0 {
		return fmt.Errorf("%d combinations of %d factors: %w", len(combinations), len(levels), ErrShape)
	}
	for k, n := range levels {
		if n < 2 {
			return fmt.Errorf("factor %d has %d levels of at least 2: %w", k+1, n, ErrShape)
		}
	}
	blocks := len(combinations[0].Values)
	for i, c := range combinations {
		if len(c.Levels) != len(levels) || len(c.Values) != blocks {
			return fmt.Errorf("combination %d has %d factors of %d and %d blocks of %d: %w", i+1, len(c.Levels), len(levels), len(c.Values), blocks, ErrShape)
		}
		for k, level := range c.Levels {
			if level < 0 || level >= levels[k] {
				return fmt.Errorf("combination %d: factor %d has no level %d: %w", i+1, k+1, level, ErrShape)
			}
		}
		if err := checkFinite(c.Values); err != nil {
			return fmt.Errorf("combination %d: %w", i+1, err)
		}
	}
	return checkLevelsMet(levels, combinations)
}

// checkLevelsMet refuses a level that no combination has.
func checkLevelsMet(levels []int, combinations []Combination) error {
	for k, n := range levels {
		met := make([]bool, n)
		for _, c := range combinations {
			met[c.Levels[k]] = true
		}
		for level, ok := range met {
			if !ok {
				return fmt.Errorf("no combination has factor %d at level %d: %w", k+1, level, ErrUnbalanced)
			}
		}
	}
	return nil
}

// balanced refuses two factors whose levels do not meet in proportion.
func balanced(levels []int, combinations []Combination, a, b int) error {
	meet := make([]int, levels[a]*levels[b])
	ofA, ofB := make([]int, levels[a]), make([]int, levels[b])
	for _, c := range combinations {
		i, j := c.Levels[a], c.Levels[b]
		meet[i*levels[b]+j]++
		ofA[i]++
		ofB[j]++
	}
	for i := range ofA {
		for j := range ofB {
			if meet[i*levels[b]+j]*len(combinations) != ofA[i]*ofB[j] {
				return fmt.Errorf("level %d of factor %d meets level %d of factor %d in %d of %d combinations: %w",
					i, a+1, j, b+1, meet[i*levels[b]+j], len(combinations), ErrUnbalanced)
			}
		}
	}
	return nil
}

func checkFinite(values []float64) error {
	for b, x := range values {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("block %d is %g: %w", b+1, x, ErrNotFinite)
		}
	}
	return nil
}
