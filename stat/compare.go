package stat

import (
	"errors"
	"fmt"
	"math"
)

// MinBlocks is the least number of blocks for a verdict other than Undecided.
const MinBlocks = 10

// ErrMargin says that a margin is negative or not finite.
var ErrMargin = errors.New("margin not a number from 0 up")

// Pair is one comparison of a family: the values of a baseline and a treatment,
// block by block, and the margin fixed in the plan.
type Pair struct {
	Name   string    // names the comparison and its endpoint in results and errors
	A, B   []float64 // baseline and treatment; A[b] and B[b] are of block b
	Margin float64   // δ, in the unit of the values
	NoNull bool      // the A/A gate of this endpoint failed: NoDifference becomes Undecided
}

// Options of Compare. There is no default level: it stands in the plan.
type Options struct {
	Level     float64 // that all intervals of the family hold together
	Seed      uint64  // of the random sign flips
	Screening bool    // verdicts are Undecided, as below MinBlocks they always are
	NoNull    bool    // as Pair.NoNull, for all pairs
}

// WarningCode names a kind of warning.
type WarningCode string

const (
	// WarnScreening: too few blocks for a verdict.
	WarnScreening WarningCode = "screening"
	// WarnNoiseFloor: the A/A gate failed and the verdict would have been NoDifference.
	WarnNoiseFloor WarningCode = "noise-floor"
	// WarnNoSpread: all differences are equal, so that their error is unknown.
	WarnNoSpread WarningCode = "no-spread"
	// WarnNoRatio: a value is not above 0, or the logarithms do not vary.
	WarnNoRatio WarningCode = "no-ratio"
	// WarnSkewed: the differences are far from normal; HodgesLehmann is given.
	WarnSkewed WarningCode = "skewed"
	// WarnOutOfReach: no reasonable number of blocks would decide.
	WarnOutOfReach WarningCode = "out-of-reach"
)

// Warning is something the reader of a result should see with it.
type Warning struct {
	Code WarningCode
	Text string
}

// Comparison is the answer on one Pair. The verdict is Judge's on Difference,
// unless a warning says why it is Undecided instead.
type Comparison struct {
	Name                string
	Blocks              int
	Margin              float64
	Baseline, Treatment float64      // means over blocks
	Difference          Interval     // treatment − baseline, simultaneous over the family
	Ratio               *Interval    // treatment ÷ baseline, simultaneous over the ratios; nil with WarnNoRatio
	Multiplicity        Multiplicity // of the differences
	RatioMultiplicity   Multiplicity // of the ratios; zero without one
	Verdict             Verdict
	Direction           Direction
	SD                  float64   // of the block differences
	MinimumDetectable   float64   // for this comparison alone, at the level
	Skew, MaxAbsZ       float64   // of the block differences
	HodgesLehmann       *Interval // for this comparison alone; nil unless WarnSkewed
	BlocksNeeded        int       // further blocks that would decide, if the estimate and the spread stay; 0 if decided or WarnOutOfReach
	Warnings            []Warning
}

// Compare gives intervals and verdicts for a family of comparisons over the same
// blocks. Ratios are intervals of the mean difference of logarithms, so of the
// ratio of geometric means, and are a family of their own. The result has the
// order of the pairs. Its errors are those of Simultaneous, and ErrMargin.
func Compare(pairs []Pair, o Options) ([]Comparison, error) {
	differences := make([][]float64, len(pairs))
	for k, p := range pairs {
		d, err := p.differences()
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", p.Name, err)
		}
		differences[k] = d
	}
	intervals, mult, err := Simultaneous(differences, o.Level, o.Seed)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	comparisons := make([]Comparison, len(pairs))
	for k, p := range pairs {
		comparisons[k] = describe(p, differences[k], intervals[k], mult)
	}
	if err := addRatios(comparisons, pairs, o); err != nil {
		return nil, err
	}
	for k, p := range pairs {
		comparisons[k].judge(o.Screening, o.NoNull || p.NoNull)
	}
	return comparisons, nil
}

// Differences is b − a block by block; ErrShape if the lengths differ. A
// difference that is the same everywhere but for rounding comes out the same.
func Differences(a, b []float64) ([]float64, error) {
	if len(a) != len(b) {
		return nil, fmt.Errorf("%d and %d blocks: %w", len(a), len(b), ErrShape)
	}
	d := make([]float64, len(a))
	var size float64
	for i := range a {
		d[i] = b[i] - a[i]
		size = max(size, math.Abs(a[i]), math.Abs(b[i]))
	}
	evenOut(d, size)
	return d, nil
}

// evenOut makes values the same that differ by no more than the rounding of
// numbers of that size.
func evenOut(d []float64, size float64) {
	if !(spread(d) <= sameWithin*size) { // also of NaN
		return
	}
	for i := range d {
		d[i] = d[0]
	}
}

func (p Pair) differences() ([]float64, error) {
	if err := checkMargin(p.Margin); err != nil {
		return nil, err
	}
	return Differences(p.A, p.B)
}

func checkMargin(margin float64) error {
	if margin >= 0 && !math.IsInf(margin, 1) {
		return nil
	}
	return fmt.Errorf("margin %g: %w", margin, ErrMargin)
}

func describe(p Pair, d []float64, i Interval, mult Multiplicity) Comparison {
	c := Comparison{
		Name: p.Name, Blocks: len(d), Margin: p.Margin,
		Baseline: mean(p.A), Treatment: mean(p.B),
		Difference: i, Multiplicity: mult,
	}
	c.Skew, c.MaxAbsZ = Shape(d)
	m, err := momentsOf(d)
	if err == nil {
		c.SD = m.sd
	}
	c.MinimumDetectable = MinimumDetectable(c.SD, len(d), mult.Level)
	if !IsSkewed(c.Skew, c.MaxAbsZ) {
		return c
	}
	if hl, err := HodgesLehmann(d, mult.Level); err == nil {
		c.HodgesLehmann = &hl
		c.warn(WarnSkewed, "block differences are far from normal (skew %.1f, farthest %.1f sd): Hodges–Lehmann beside them", c.Skew, c.MaxAbsZ)
	}
	return c
}

func mean(values []float64) float64 {
	var sum float64
	for _, x := range values {
		sum += x / float64(len(values)) // divided first: the sum may overflow
	}
	return sum
}

// addRatios makes the family of the ratios, of those pairs that have one.
func addRatios(comparisons []Comparison, pairs []Pair, o Options) error {
	var which []int
	var logs [][]float64
	for k, p := range pairs {
		d, why := logDifferences(p)
		if why != "" {
			comparisons[k].warn(WarnNoRatio, "no ratio: %s", why)
			continue
		}
		which, logs = append(which, k), append(logs, d)
	}
	if len(logs) == 0 {
		return nil
	}
	intervals, mult, err := Simultaneous(logs, o.Level, o.Seed)
	if err != nil {
		return fmt.Errorf("compare ratios: %w", err)
	}
	for j, k := range which {
		i := intervals[j]
		ratio := Interval{Estimate: math.Exp(i.Estimate), Low: math.Exp(i.Low), High: math.Exp(i.High)}
		if math.IsInf(ratio.High, 1) {
			comparisons[k].warn(WarnNoRatio, "no ratio: its upper end is beyond all numbers")
			continue
		}
		comparisons[k].Ratio = &ratio
		comparisons[k].RatioMultiplicity = mult
	}
	return nil
}

func logDifferences(p Pair) (d []float64, why string) {
	d = make([]float64, len(p.A))
	for i := range p.A {
		if !(p.A[i] > 0 && p.B[i] > 0) {
			return nil, fmt.Sprintf("in block %d baseline %.6g and treatment %.6g are not both above 0", i+1, p.A[i], p.B[i])
		}
		d[i] = math.Log(p.B[i]) - math.Log(p.A[i])
	}
	if spread(d) <= sameWithin {
		return nil, "it is the same in all blocks"
	}
	return d, ""
}

func (c *Comparison) warn(code WarningCode, format string, args ...any) {
	c.Warnings = append(c.Warnings, Warning{Code: code, Text: fmt.Sprintf(format, args...)})
}

// judge sets the verdict, what may not be said, and the blocks still needed.
func (c *Comparison) judge(screening, noNull bool) {
	c.Verdict, c.Direction = Judge(c.Difference, c.Margin)
	short := c.Blocks < MinBlocks
	switch {
	case c.SD == 0:
		c.Verdict = Undecided
		c.warn(WarnNoSpread, "all %d block differences are %.6g: their error is unknown", c.Blocks, c.Difference.Estimate)
		return
	case screening || short:
		c.Verdict = Undecided
		c.warn(WarnScreening, "screening: %d blocks, a verdict needs a full run of at least %d", c.Blocks, MinBlocks)
	case noNull && c.Verdict == NoDifference:
		c.Verdict = Undecided
		c.warn(WarnNoiseFloor, "noise floor too high for this margin")
		return
	}
	if c.Verdict != Undecided || screening && !short {
		return // decided, or it is not blocks that are missing
	}
	needed := blocksToDecide(c.Difference, c.Margin, c.Blocks)
	if needed == 0 {
		c.warn(WarnOutOfReach, "the estimate lies too near the margin for any reasonable number of blocks to decide")
		return
	}
	c.BlocksNeeded = max(1, max(needed, MinBlocks)-c.Blocks)
}

// blocksToDecide is how many blocks in all would take the interval off the
// margin, its half-width falling with the root of their number; 0: too many.
func blocksToDecide(i Interval, margin float64, blocks int) int {
	room := math.Abs(math.Abs(i.Estimate) - margin)
	ratio := i.Half() / room
	return wholeBlocks(float64(blocks) * ratio * ratio)
}
