package stat

import "fmt"

// Contrast is a difference that stands ready, block by block: a slope, an
// effect of the order, a difference of differences. What has a baseline and a
// treatment is a Pair, and so are the effects of factors.
type Contrast struct {
	Name   string    // names the contrast and its endpoint in results and errors
	D      []float64 // of block b
	Margin float64   // δ, in the unit of the values
	NoNull bool      // as Pair.NoNull
}

// CompareContrasts is Compare for contrasts: the same intervals, verdicts and
// warnings. There are no ratios, and no baseline to give.
func CompareContrasts(family []Contrast, o Options) ([]Comparison, error) {
	for _, c := range family {
		if err := checkMargin(c.Margin); err != nil {
			return nil, fmt.Errorf("compare %s: %w", c.Name, err)
		}
	}
	comparisons, err := describeAll(family, o)
	if err != nil {
		return nil, err
	}
	judgeAll(comparisons, family, o)
	return comparisons, nil
}

// describeAll gives all but the verdicts.
func describeAll(family []Contrast, o Options) ([]Comparison, error) {
	ds := make([][]float64, len(family))
	for k, c := range family {
		ds[k] = c.D
	}
	intervals, mult, err := Simultaneous(ds, o.Level, o.Seed)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	comparisons := make([]Comparison, len(family))
	for k, c := range family {
		comparisons[k] = describe(c, intervals[k], mult)
	}
	return comparisons, nil
}

func judgeAll(comparisons []Comparison, family []Contrast, o Options) {
	for k, c := range family {
		comparisons[k].judge(o.Screening, o.NoNull || c.NoNull)
	}
}
