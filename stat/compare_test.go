package stat_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/stat"
)

// pairOf is a baseline of 250 and a treatment that adds the effect, with a
// spread of about 1 in the block differences that sums to nothing.
func pairOf(name string, blocks int, effect, margin float64) stat.Pair {
	p := stat.Pair{Name: name, Margin: margin}
	for b := range blocks {
		a := 250 + 20*math.Sin(float64(b))
		wobble := []float64{-1, 1, 0.5, -0.5}[b%4]
		p.A, p.B = append(p.A, a), append(p.B, a+effect+wobble)
	}
	return p
}

func codes(c stat.Comparison) []stat.WarningCode {
	var codes []stat.WarningCode
	for _, w := range c.Warnings {
		codes = append(codes, w.Code)
	}
	return codes
}

func compareOne(t *testing.T, p stat.Pair, o stat.Options) stat.Comparison {
	t.Helper()
	got, err := stat.Compare([]stat.Pair{p}, o)
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}

func TestCompareVerdicts(t *testing.T) {
	level := stat.Options{Level: 0.95}
	tests := []struct {
		name      string
		pair      stat.Pair
		options   stat.Options
		verdict   stat.Verdict
		direction stat.Direction
		warnings  []stat.WarningCode
	}{
		{"material", pairOf("x", 12, 30, 5), level, stat.Material, stat.Worse, nil},
		{"material, better", pairOf("x", 12, -30, 5), level, stat.Material, stat.Better, nil},
		{"immaterial", pairOf("x", 12, 2, 5), level, stat.Immaterial, stat.Worse, nil},
		{"none", pairOf("x", 12, 0, 5), level, stat.NoDifference, "", nil},
		{"undecided", pairOf("x", 12, 4.8, 5), level, stat.Undecided, stat.Worse, nil},
		{"undecided, no side", pairOf("x", 12, 0.1, 0.2), level, stat.Undecided, "", nil},
		{"nine blocks", pairOf("x", 9, 30, 5), level, stat.Undecided, stat.Worse, []stat.WarningCode{stat.WarnScreening}},
		{"ten blocks", pairOf("x", 10, 30, 5), level, stat.Material, stat.Worse, nil},
		{"two blocks", pairOf("x", 2, 30, 5), level, stat.Undecided, stat.Worse, []stat.WarningCode{stat.WarnScreening}},
		{"called screening", pairOf("x", 12, 30, 5), stat.Options{Level: 0.95, Screening: true}, stat.Undecided, stat.Worse, []stat.WarningCode{stat.WarnScreening}},
		{"gate failed, none", pairOf("x", 12, 0, 5), stat.Options{Level: 0.95, NoNull: true}, stat.Undecided, "", []stat.WarningCode{stat.WarnNoiseFloor}},
		{"gate failed, material", pairOf("x", 12, 30, 5), stat.Options{Level: 0.95, NoNull: true}, stat.Material, stat.Worse, nil},
		{"gate failed, immaterial", pairOf("x", 12, 2, 5), stat.Options{Level: 0.95, NoNull: true}, stat.Immaterial, stat.Worse, nil},
		{"gate failed, undecided", pairOf("x", 12, 4.8, 5), stat.Options{Level: 0.95, NoNull: true}, stat.Undecided, stat.Worse, nil},
		{"on the margin", pairOf("x", 12, 5, 5), level, stat.Undecided, stat.Worse, []stat.WarningCode{stat.WarnOutOfReach}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := compareOne(t, tt.pair, tt.options)
			if got.Verdict != tt.verdict || got.Direction != tt.direction {
				t.Errorf("got %q %q on %+v, want %q %q", got.Verdict, got.Direction, got.Difference, tt.verdict, tt.direction)
			}
			if diff := cmp.Diff(tt.warnings, codes(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
	failed, sound := pairOf("failed", 12, 0, 5), pairOf("sound", 12, 0, 5)
	failed.NoNull = true
	both, err := stat.Compare([]stat.Pair{failed, sound}, level)
	if err != nil || both[0].Verdict != stat.Undecided || both[1].Verdict != stat.NoDifference {
		t.Errorf("gate failed for the first alone: %+v, %v", both, err)
	}
	floor := compareOne(t, pairOf("x", 12, 0, 5), stat.Options{Level: 0.95, NoNull: true})
	if want := "noise floor too high for this margin"; floor.Warnings[0].Text != want {
		t.Errorf("got %q, want %q", floor.Warnings[0].Text, want)
	}
}

func TestCompareFigures(t *testing.T) {
	p := pairOf("p50 native", 12, 30, 5)
	got := compareOne(t, p, stat.Options{Level: 0.96})
	var d, logs []float64
	for b := range p.A {
		d = append(d, p.B[b]-p.A[b])
		logs = append(logs, math.Log(p.B[b]/p.A[b]))
	}
	want, err := stat.PairedT(d, 0.96)
	if err != nil {
		t.Fatal(err)
	}
	nearInterval(t, "difference", got.Difference, want, 1e-12)
	ratio, err := stat.PairedT(logs, 0.96)
	if err != nil {
		t.Fatal(err)
	}
	nearInterval(t, "ratio", *got.Ratio, stat.Interval{Estimate: math.Exp(ratio.Estimate), Low: math.Exp(ratio.Low), High: math.Exp(ratio.High)}, 1e-12)
	near(t, "treatment − baseline", got.Treatment-got.Baseline, got.Difference.Estimate, 1e-12)
	near(t, "baseline", got.Baseline, mean(p.A), 1e-12)
	near(t, "minimum detectable", got.MinimumDetectable, stat.MinimumDetectable(got.SD, 12, 0.96), 1e-12)
	if got.Name != p.Name || got.Blocks != 12 || got.Margin != 5 || got.HodgesLehmann != nil || got.BlocksNeeded != 0 {
		t.Errorf("%+v", got)
	}
	if got.Multiplicity.Method != stat.MethodT || got.RatioMultiplicity.Method != stat.MethodT {
		t.Errorf("%+v, %+v", got.Multiplicity, got.RatioMultiplicity)
	}
}

// The differences are one family, the ratios another, each of those that have one.
func TestCompareFamilies(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	var pairs []stat.Pair
	var ds, logs [][]float64
	for k := range 4 {
		p := stat.Pair{Name: fmt.Sprint(k), Margin: 5}
		var d, l []float64
		for range 13 {
			a := 100 * math.Exp(0.05*r.NormFloat64())
			b := a * math.Exp(0.02+0.01*r.NormFloat64())
			if k == 2 {
				a, b = a-100, b-100 // on both sides of 0
			}
			p.A, p.B = append(p.A, a), append(p.B, b)
			d, l = append(d, b-a), append(l, math.Log(b)-math.Log(a))
		}
		pairs, ds = append(pairs, p), append(ds, d)
		if k != 2 {
			logs = append(logs, l)
		}
	}
	got, err := stat.Compare(pairs, stat.Options{Level: 0.95, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	differences, mult, err := stat.Simultaneous(ds, 0.95, 3)
	if err != nil {
		t.Fatal(err)
	}
	ratios, ratioMult, err := stat.Simultaneous(logs, 0.95, 3)
	if err != nil {
		t.Fatal(err)
	}
	for k, c := range got {
		nearInterval(t, c.Name, c.Difference, differences[k], 1e-12)
		if diff := cmp.Diff(mult, c.Multiplicity); diff != "" {
			t.Errorf("%d: %s", k, diff)
		}
		if k == 2 {
			if c.Ratio != nil || !slices.Contains(codes(c), stat.WarnNoRatio) || c.RatioMultiplicity.Comparisons != 0 {
				t.Errorf("a ratio of values on both sides of 0: %+v", c)
			}
			continue
		}
		j := min(k, 2)
		near(t, "ratio low", c.Ratio.Low, math.Exp(ratios[j].Low), 1e-12)
		near(t, "ratio high", c.Ratio.High, math.Exp(ratios[j].High), 1e-12)
		if diff := cmp.Diff(ratioMult, c.RatioMultiplicity); diff != "" {
			t.Errorf("%d: %s", k, diff)
		}
	}
}

func TestCompareSkewed(t *testing.T) {
	p := pairOf("x", 12, 3, 5)
	p.B[7] += 40
	got := compareOne(t, p, stat.Options{Level: 0.95})
	if got.HodgesLehmann == nil || !slices.Contains(codes(got), stat.WarnSkewed) {
		t.Fatalf("%+v", got)
	}
	d, err := stat.Differences(p.A, p.B)
	if err != nil {
		t.Fatal(err)
	}
	want, err := stat.HodgesLehmann(d, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	nearInterval(t, "Hodges–Lehmann", *got.HodgesLehmann, want, 0)
	if got.HodgesLehmann.High > 6 || got.Difference.High < 6 {
		t.Errorf("the outlier is in %+v and not in %+v", *got.HodgesLehmann, got.Difference)
	}
}

func TestCompareNoSpread(t *testing.T) {
	var p stat.Pair
	for _, effect := range []float64{30, 0.001} { // the second is small beside its rounding
		p = pairOf("x", 12, 0, 5)
		for b := range p.A {
			p.A[b] = 1000 / float64(b+1)
			p.B[b] = p.A[b] + effect // not the same after rounding, and yet the same
		}
		got := compareOne(t, p, stat.Options{Level: 0.95})
		if got.Verdict != stat.Undecided || got.SD != 0 || !slices.Contains(codes(got), stat.WarnNoSpread) {
			t.Errorf("effect %g: %+v", effect, got)
		}
		near(t, "low", got.Difference.Low, effect, 1e-12)
		near(t, "high", got.Difference.High, effect, 1e-12)
	}
	same := stat.Pair{Name: "same", A: p.A, B: p.A, Margin: 5}
	if got := compareOne(t, same, stat.Options{Level: 0.95}); got.Verdict != stat.Undecided || got.Ratio != nil {
		t.Errorf("an arm against itself: %+v", got)
	}
}

// The blocks that are said to be needed do decide, and two thirds of them do
// not, when estimate and spread stay.
func TestCompareBlocksNeeded(t *testing.T) {
	for _, effect := range []float64{4.8, 5.2, -4.8, -5.2, 4.9} {
		first := compareOne(t, pairOf("x", 12, effect, 5), stat.Options{Level: 0.95})
		if first.Verdict != stat.Undecided || first.BlocksNeeded < 1 {
			t.Fatalf("effect %g: %+v", effect, first)
		}
		blocks := (12+first.BlocksNeeded+3)/4*4 + 4
		if then := compareOne(t, pairOf("x", blocks, effect, 5), stat.Options{Level: 0.95}); then.Verdict == stat.Undecided {
			t.Errorf("effect %g: still undecided after %d blocks: %+v", effect, blocks, then.Difference)
		}
		fewer := (12 + first.BlocksNeeded) * 2 / 3 / 4 * 4
		if then := compareOne(t, pairOf("x", fewer, effect, 5), stat.Options{Level: 0.95}); then.Verdict != stat.Undecided {
			t.Errorf("effect %g: decided after %d blocks already", effect, fewer)
		}
	}
	if got := compareOne(t, pairOf("x", 4, 100, 5), stat.Options{Level: 0.95}); got.BlocksNeeded != stat.MinBlocks-4 {
		t.Errorf("screening: %d further blocks, want %d", got.BlocksNeeded, stat.MinBlocks-4)
	}
	if got := compareOne(t, pairOf("x", 12, 4.8, 5), stat.Options{Level: 0.95, Screening: true}); got.BlocksNeeded != 0 {
		t.Errorf("called screening: %d further blocks, want none", got.BlocksNeeded)
	}
}

func TestCompareRefusals(t *testing.T) {
	good := pairOf("good", 12, 1, 5)
	with := func(change func(*stat.Pair)) []stat.Pair {
		p := pairOf("bad", 12, 1, 5)
		change(&p)
		return []stat.Pair{good, p}
	}
	tests := []struct {
		name  string
		pairs []stat.Pair
		level float64
		want  error
	}{
		{"none", nil, 0.95, stat.ErrShape},
		{"no level", []stat.Pair{good}, 0, stat.ErrLevel},
		{"unpaired", with(func(p *stat.Pair) { p.B = p.B[1:] }), 0.95, stat.ErrShape},
		{"other blocks", with(func(p *stat.Pair) { p.A, p.B = p.A[1:], p.B[1:] }), 0.95, stat.ErrShape},
		{"one block", []stat.Pair{pairOf("x", 1, 1, 5)}, 0.95, stat.ErrTooFew},
		{"no blocks", []stat.Pair{pairOf("x", 0, 1, 5)}, 0.95, stat.ErrTooFew},
		{"NaN", with(func(p *stat.Pair) { p.B[3] = math.NaN() }), 0.95, stat.ErrNotFinite},
		{"infinite in both", with(func(p *stat.Pair) { p.A[3], p.B[3] = math.Inf(1), math.Inf(1) }), 0.95, stat.ErrNotFinite},
		{"negative margin", with(func(p *stat.Pair) { p.Margin = -1 }), 0.95, stat.ErrMargin},
		{"NaN margin", with(func(p *stat.Pair) { p.Margin = math.NaN() }), 0.95, stat.ErrMargin},
		{"infinite margin", with(func(p *stat.Pair) { p.Margin = math.Inf(1) }), 0.95, stat.ErrMargin},
	}
	for _, tt := range tests {
		if got, err := stat.Compare(tt.pairs, stat.Options{Level: tt.level}); !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

// finite collects every number of a comparison.
func finite(c stat.Comparison) bool {
	numbers := []float64{c.Baseline, c.Treatment, c.Difference.Estimate, c.Difference.Low, c.Difference.High, c.SD, c.MinimumDetectable, c.Skew, c.MaxAbsZ}
	if c.Ratio != nil {
		numbers = append(numbers, c.Ratio.Estimate, c.Ratio.Low, c.Ratio.High)
	}
	if c.HodgesLehmann != nil {
		numbers = append(numbers, c.HodgesLehmann.Estimate, c.HodgesLehmann.Low, c.HodgesLehmann.High)
	}
	return !slices.ContainsFunc(numbers, func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) })
}

// Whatever is given, Compare answers in numbers or refuses.
func FuzzCompare(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, 4.0, 1.0, uint8(12))
	f.Add(0.0, 0.0, 0.0, 0.0, 0.0, uint8(2))
	f.Add(1e300, -1e300, 1e-300, 5.0, 2.0, uint8(15))
	f.Add(math.Inf(1), math.NaN(), 1.0, 1.0, 1.0, uint8(3))
	f.Fuzz(func(t *testing.T, a, b, c, d, margin float64, blocks uint8) {
		var p, q stat.Pair
		values := []float64{a, b, c, d, a + b, c - d, a * 1.5}
		for i := range int(blocks % 20) {
			p.A, p.B = append(p.A, values[i%7]), append(p.B, values[i*3%5])
			q.A, q.B = append(q.A, values[i*2%7]), append(q.B, values[(i+1)%4])
		}
		p.Margin, q.Margin = margin, margin
		got, err := stat.Compare([]stat.Pair{p, q}, stat.Options{Level: 0.95})
		if err != nil {
			return
		}
		for _, c := range got {
			if !finite(c) {
				t.Errorf("not all numbers: %+v", c)
			}
			if c.Verdict.Words() == "" {
				t.Errorf("no verdict: %+v", c)
			}
		}
	})
}
