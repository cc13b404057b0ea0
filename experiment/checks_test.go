package experiment_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/stat"
)

// What an order or a drift does is found, and warned of; what is not there is not.
func TestChecksFindWhatIsPlanted(t *testing.T) {
	for _, c := range []struct {
		name string
		adds func([]int, int, int, int) float64
		want string // in the one warning
	}{
		{"nothing", crossing, ""},
		{"order", func(l []int, i, b, place int) float64 { return crossing(l, i, b, place) + 2*float64(place) }, "the order of starting mattered"},
		{"drift of all", func(l []int, i, b, place int) float64 { return crossing(l, i, b, place) + 3*float64(b) }, "the machine drifted: p50"},
		{"jump of all", func(l []int, i, b, place int) float64 { return crossing(l, i, b, place) + 30*float64(b/6) }, "the machine drifted: p50"},
		{"hump of all", func(l []int, i, b, place int) float64 { return crossing(l, i, b, place) + 60*float64((b+3)/6%2) }, "the machine drifted: p50 of all treatments went from"},
		{"drift of an effect", func(l []int, i, b, place int) float64 {
			return crossing(l, i, b, place) + 1.5*float64(b*l[0])
		}, "the effect of connections at p50 is not one figure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, an := planted{study: crossedStudy, seed: 6, adds: c.adds, start: 1, mood: 1}.analyse(t)
			var warned []string
			for _, w := range an.Warnings {
				if strings.Contains(w, "order of starting") || strings.Contains(w, "drifted") || strings.Contains(w, "not one figure") || strings.Contains(w, "MSER-5") {
					warned = append(warned, w)
				}
			}
			if (len(warned) > 0) != (c.want != "") || !strings.Contains(strings.Join(warned, "\n"), c.want) {
				t.Errorf("warned %q, want %q", warned, c.want)
			}
			if len(an.Checks.Order) != 2 || len(an.Checks.Drift) != 2+12 {
				t.Errorf("%d and %d checks", len(an.Checks.Order), len(an.Checks.Drift))
			}
		})
	}
}

// Of 200 studies in which no factor does anything, so many find something as
// their level says: the effects of both endpoints hold together, and so do the
// checks of order and drift.
func TestFamiliesKeepTheirLevel(t *testing.T) {
	const studies = 200
	text := strings.Replace(crossedStudy, ", access-log: [off, on]", "", 1)
	nothing := func([]int, int, int, int) float64 { return 0 }
	found, material, order, drift := 0, 0, 0, 0
	for seed := range uint64(studies) {
		p := planAt(t, text, seed)
		an, err := experiment.Analyse(p, planted{study: text, seed: seed, adds: nothing, start: 1.5, mood: 4}.blocks(p))
		if err != nil {
			t.Fatal(err)
		}
		any := func(is func(experiment.Effect) bool) int {
			if slices.ContainsFunc(an.Effects, is) {
				return 1
			}
			return 0
		}
		found += any(func(x experiment.Effect) bool { return !x.Difference.Contains(0) })
		material += any(func(x experiment.Effect) bool { return x.Verdict == stat.Material })
		if slices.ContainsFunc(an.Checks.Order, func(o experiment.OrderCheck) bool { return !o.PerPlace.Contains(0) }) {
			order++
		}
		if slices.ContainsFunc(an.Checks.Drift, func(d experiment.DriftCheck) bool {
			return d.PerBlock != nil && !d.PerBlock.Contains(0) || len(d.Changes) > 0
		}) {
			drift++
		}
	}
	t.Logf("of %d studies %d found an effect, %d a material one, %d an order, %d a drift", studies, found, material, order, drift)
	for what, n := range map[string]int{"effects": found, "order": order, "drift": drift} {
		c, err := stat.Count(n, studies, 0.999)
		if err != nil {
			t.Fatal(err)
		}
		if c.Low > 0.05 {
			t.Errorf("%s: something in %d of %d studies of nothing, the level is 5 %%", what, n, studies)
		}
	}
	if material > 0 {
		t.Errorf("%d studies found something material", material)
	}
}

// Of 300 studies with a planted 6 µs, an interval against a baseline that stood
// twice covers it as often as its level says, and is narrower than one against
// a baseline that stood once: by √(3/4) where starts differ alone.
func TestTwinsKeepTheirLevel(t *testing.T) {
	const studies = 300
	halves := map[string]float64{}
	twice := strings.Replace(weighed, "blocks: 12", "blocks: 12, control_every: -1", 1)
	for name, text := range map[string]string{"twice": twice, "once": strings.Replace(twice, "  - {name: a-aa, control: aa, baseline: a}\n", "", 1)} {
		covered := 0
		for seed := range uint64(studies) {
			p := planAt(t, text, seed)
			adds := func(_ []int, i, _, _ int) float64 {
				if p.Study.Treatments[i].Name == "b" {
					return 6
				}
				return 0
			}
			an, err := experiment.Analyse(p, planted{study: text, seed: seed, adds: adds, start: 3, mood: 20}.blocks(p))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range an.Comparisons {
				if c.Endpoint != experiment.P50 {
					continue
				}
				halves[name] += c.Difference.Half() / studies
				if c.Difference.Contains(6) {
					covered++
				}
			}
		}
		c, err := stat.Count(covered, studies, 0.999)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d of %d covered, half-width %.2f µs", name, covered, studies, halves[name])
		if c.High < 0.95 {
			t.Errorf("%s: %d of %d intervals cover what was planted, the level is 95 %%", name, covered, studies)
		}
	}
	if ratio := halves["twice"] / halves["once"]; ratio > 0.92 || ratio < 0.80 {
		t.Errorf("half-widths against a baseline that stood twice are %.2f of those against one that stood once, want about 0.87", ratio)
	}
}

// A phase whose first requests are slower than the rest was not warm.
func TestColdStartIsWarnedOf(t *testing.T) {
	nothing := func([]int, int, int, int) float64 { return 0 }
	for _, cold := range []float64{0, 200} {
		_, an := planted{study: crossedStudy, seed: 2, adds: nothing, start: 1, requests: 400, cold: cold}.analyse(t)
		if len(an.Checks.Warmup) != 9 {
			t.Fatalf("%d treatments checked", len(an.Checks.Warmup))
		}
		for _, w := range an.Checks.Warmup {
			if w.Fired != (cold > 0) || w.Fired && (w.Requests < 15 || w.Requests > 25) {
				t.Errorf("cold by %g µs: %+v, the first 20 of 400 are", cold, w)
			}
		}
		warned := slices.ContainsFunc(an.Warnings, func(w string) bool { return strings.Contains(w, "may not have been warm") })
		if warned != (cold > 0) {
			t.Errorf("cold by %g µs: %q", cold, an.Warnings)
		}
	}
}
