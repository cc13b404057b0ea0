package stat_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/stat"
)

// runOf is the figures of two treatments in a run of its own: the host's mood is
// that of the day, treatment 1 costs the effect.
func runOf(seed uint64, blocks int, mood, effect float64) (baseline, treatment []float64) {
	m := newMachine(seed)
	m.at = mood
	for range blocks {
		figures := m.block(protocol{}.order(m.random, 2))
		baseline, treatment = append(baseline, figures[0]), append(treatment, figures[1]+effect)
	}
	return baseline, treatment
}

func differences(t *testing.T, a, b []float64) []float64 {
	t.Helper()
	d, err := stat.Differences(a, b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func independentOne(t *testing.T, p stat.Pair, o stat.Options) stat.Comparison {
	t.Helper()
	got, err := stat.Independent([]stat.Pair{p}, o)
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}

// Student's sleep data as two groups: t.test(extra ~ group), printed in R's own
// documentation as −3.3654832 to 0.2054832 with 17.776 degrees of freedom.
func TestIndependentAgainstPublishedSleep(t *testing.T) {
	one := []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}
	two := []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}
	got := independentOne(t, stat.Pair{A: two, B: one, Margin: 1}, stat.Options{Level: 0.95})
	nearInterval(t, "sleep", got.Difference, stat.Interval{Estimate: -1.58, Low: -3.3654832, High: 0.2054832}, 1e-7)
	if got.Multiplicity.Method != stat.MethodWelch || got.Ratio != nil || !slices.Contains(codes(got), stat.WarnNoRatio) {
		t.Errorf("%+v", got)
	}
}

func TestIndependentVerdicts(t *testing.T) {
	before, _ := runOf(1, 12, 0, 0)
	slower, _ := runOf(2, 30, 30, 0)
	same, _ := runOf(3, 40, 0, 0)
	few := before[:9]
	level := stat.Options{Level: 0.95}
	tests := []struct {
		name     string
		pair     stat.Pair
		options  stat.Options
		verdict  stat.Verdict
		warnings []stat.WarningCode
	}{
		{"material", stat.Pair{A: before, B: slower, Margin: 5}, level, stat.Material, nil},
		{"none", stat.Pair{A: before, B: same, Margin: 5}, level, stat.NoDifference, nil},
		{"gate failed", stat.Pair{A: before, B: same, Margin: 5, NoNull: true}, level, stat.Undecided, []stat.WarningCode{stat.WarnNoiseFloor}},
		{"nine blocks of one", stat.Pair{A: few, B: slower, Margin: 5}, level, stat.Undecided, []stat.WarningCode{stat.WarnScreening}},
		{"screening", stat.Pair{A: before, B: slower, Margin: 5}, stat.Options{Level: 0.95, Screening: true}, stat.Undecided, []stat.WarningCode{stat.WarnScreening}},
		{"no spread", stat.Pair{A: []float64{5, 5, 5}, B: []float64{7, 7, 7}, Margin: 1}, level, stat.Undecided, []stat.WarningCode{stat.WarnNoRatio, stat.WarnNoSpread}},
	}
	for _, tt := range tests {
		got := independentOne(t, tt.pair, tt.options)
		if got.Verdict != tt.verdict {
			t.Errorf("%s: %s on %+v, want %s", tt.name, got.Verdict, got.Difference, tt.verdict)
		}
		if diff := cmp.Diff(tt.warnings, codes(got)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if !finite(got) {
			t.Errorf("%s: not all numbers: %+v", tt.name, got)
		}
	}
	if got := independentOne(t, stat.Pair{A: before, B: append(slices.Clone(same), 400), Margin: 5}, level); !slices.Contains(codes(got), stat.WarnSkewed) {
		t.Errorf("an outlier in one of the runs: %+v", got)
	}
}

// The difference of differences takes out what changed between the runs, which
// the plain values hold and their interval does not know of.
func TestIndependentRunsOnOtherDays(t *testing.T) {
	const studies, effect = 400, 8.0
	plain, within := 0, 0
	for study := range uint64(studies) {
		random := rand.New(rand.NewPCG(study, 0x64))
		a1, b1 := runOf(2*study, 12, 5*random.NormFloat64(), 0)
		a2, b2 := runOf(2*study+1, 24, 5*random.NormFloat64(), effect)
		if independentOne(t, stat.Pair{A: b1, B: b2}, stat.Options{Level: 0.95}).Difference.Contains(effect) {
			plain++
		}
		p := stat.Pair{A: differences(t, a1, b1), B: differences(t, a2, b2)}
		if independentOne(t, p, stat.Options{Level: 0.95}).Difference.Contains(effect) {
			within++
		}
	}
	between(t, "difference of differences", count(t, within, studies), 0.945, 0.955)
	if b := count(t, plain, studies); b.High > 0.7 {
		t.Errorf("plain values cover %.1f %%: the simulation cannot tell them apart", percent(b))
	}
}

func TestIndependentRefusals(t *testing.T) {
	good := []float64{1, 2, 3, 5}
	tests := []struct {
		name  string
		pairs []stat.Pair
		level float64
		want  error
	}{
		{"none", nil, 0.95, stat.ErrShape},
		{"no level", []stat.Pair{{A: good, B: good}}, 0, stat.ErrLevel},
		{"one block", []stat.Pair{{A: good, B: good[:1]}}, 0.95, stat.ErrTooFew},
		{"no blocks", []stat.Pair{{B: good}}, 0.95, stat.ErrTooFew},
		{"NaN", []stat.Pair{{A: good, B: []float64{1, math.NaN()}}}, 0.95, stat.ErrNotFinite},
		{"infinite", []stat.Pair{{A: []float64{1, math.Inf(1)}, B: good}}, 0.95, stat.ErrNotFinite},
		{"margin", []stat.Pair{{A: good, B: good, Margin: math.Inf(1)}}, 0.95, stat.ErrMargin},
	}
	for _, tt := range tests {
		if got, err := stat.Independent(tt.pairs, stat.Options{Level: tt.level}); !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

// Whatever is given, Independent answers in numbers or refuses.
func FuzzIndependent(f *testing.F) {
	f.Add(1.0, 2.0, 3.0, 4.0, 1.0, uint8(3), uint8(12))
	f.Add(1e300, -1e300, 1e-300, 5.0, 2.0, uint8(15), uint8(2))
	f.Add(0.0, 0.0, 0.0, 1e-320, 0.0, uint8(4), uint8(4))
	f.Fuzz(func(t *testing.T, a, b, c, d, margin float64, before, after uint8) {
		values := []float64{a, b, c, d, a + b, c - d, a * 1.5}
		var p stat.Pair
		for i := range int(before % 20) {
			p.A = append(p.A, values[i%7])
		}
		for i := range int(after % 20) {
			p.B = append(p.B, values[i*3%5])
		}
		p.Margin = margin
		got, err := stat.Independent([]stat.Pair{p, p}, stat.Options{Level: 0.95})
		if err != nil {
			return
		}
		if !finite(got[0]) {
			t.Errorf("not all numbers: %+v", got[0])
		}
	})
}
