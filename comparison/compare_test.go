package comparison_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/taremesh/tare/comparison"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/study"
)

// with is a quiet machine on which treatment after has an effect.
func with(e effects) machine {
	m := quiet()
	m.effect = map[string]effects{"after": e}
	return m
}

func compared(t *testing.T, old, now *comparison.Result, o comparison.Options) *comparison.Answer {
	t.Helper()
	a, err := comparison.Compare(old, now, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func rowOf(t *testing.T, a *comparison.Answer, k comparison.Kind, treatment, endpoint string) comparison.Row {
	t.Helper()
	for _, r := range a.Rows {
		if r.Kind == k && r.Treatment == treatment && r.Endpoint == endpoint {
			return r
		}
	}
	t.Fatalf("no row %s %s %s in %+v", k, treatment, endpoint, a.Rows)
	return comparison.Row{}
}

// The host became 5 % slower and the treatment 10 µs of CPU heavier: the own
// figures tell both together, the differences the second alone.
func TestCompareTellsHostFromTreatment(t *testing.T) {
	p := planOf(t, "same.yaml", 30)
	before, slower := quiet(), with(effects{cpu: 10})
	slower.shift, slower.drift, before.drift = 0.05, 0.001, 0.001
	a := compared(t, ran(t, "old", p, 0, before, study.Margins{}), ran(t, "now", p, 1, slower, study.Margins{}), comparison.Options{})

	apart := rowOf(t, a, comparison.Apart, "after", "cpu")
	if i := apart.Interval; apart.Verdict != "material" || *apart.Direction != "worse" || !apart.Primary || i.Low > 10.5 || i.High < 10.5 || i.High-i.Low > 5 {
		t.Errorf("10 µs planted: %+v, %+v", apart, i)
	}
	if host := rowOf(t, a, comparison.Own, "before", "cpu"); host.Verdict != "material" || host.Primary || host.Baseline != nil || host.Ratio == nil || math.Abs(host.Ratio.Estimate-1.05) > 0.02 {
		t.Errorf("a host 5 %% slower: %+v", host)
	}
	if same := rowOf(t, a, comparison.Apart, "after", "p50"); same.Verdict == "material" {
		t.Errorf("nothing was planted in p50: %+v", same)
	}
	if len(a.Forced) > 0 || len(a.Unmatched) > 0 {
		t.Errorf("forced %v, unmatched %v", a.Forced, a.Unmatched)
	}
	if m := rowOf(t, a, comparison.Apart, "after", "cpu").Margin; math.Abs(m-3.35) > 0.2 {
		t.Errorf("the margin is %.2f, want 1 %% of the baseline's 335 µs", m)
	}
}

// changed is the usual experiment with one thing changed.
func changed(p *study.Plan, change func(*experiment.Experiment)) experiment.Experiment {
	e := experimentOf("now", p, 1)
	e.Plan.Study.Treatments = slices.Clone(e.Plan.Study.Treatments)
	change(&e)
	return e
}

func TestCompareRefusesWhatIsNotComparable(t *testing.T) {
	p := planOf(t, "same.yaml", 12)
	old := ran(t, "old", p, 0, quiet(), study.Margins{})
	blocks := quiet().blocks(p, 5)
	params := func(text string) study.Params {
		q, err := study.JSONParams("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	for _, c := range []struct {
		name   string
		change func(*experiment.Experiment)
		breaks string // empty: comparable
		says   string
	}{
		{"nothing", func(*experiment.Experiment) {}, "", ""},
		{"workload", func(e *experiment.Experiment) { e.Plan.Study.Workload.Name = "imagehub" }, "workload", "imagehub"},
		{"parameters of the workload", func(e *experiment.Experiment) { e.Plan.Study.Workload.Params = params(`{"work":"1ms"}`) }, "workload", "1ms"},
		{"rate", func(e *experiment.Experiment) { e.Plan.Study.Load.Rate = 900 }, "load: rate", "900"},
		{"connections", func(e *experiment.Experiment) { e.Plan.Study.Load.Connections = 9 }, "load: connections", "9"},
		{"arrivals", func(e *experiment.Experiment) { e.Plan.Study.Load.Arrivals = "uniform" }, "load: arrivals", "uniform"},
		{"users", func(e *experiment.Experiment) { e.Plan.Study.Load.Users = &study.Users{Count: 5} }, "load: users", "5"},
		{"design", func(e *experiment.Experiment) { e.Plan.Study.Design.Name = study.Windows }, "design", "windows"},
		{"CPU", func(e *experiment.Experiment) { e.Environment.CPU = "another CPU" }, "host: cpu", "another CPU"},
		{"cores", func(e *experiment.Experiment) { e.Environment.Cores = 1 }, "host: cores", "1"},
		{"limit", func(e *experiment.Experiment) { e.Environment.CPULimit = 1.5 }, "host: cpu_limit_cores", "1.5"},
		{"screening", func(e *experiment.Experiment) { e.Plan.Screening = true }, "screening", "yes"},
		{"the load of a treatment", func(e *experiment.Experiment) {
			e.Plan.Study.Treatments[2].Set = study.Settings{{Factor: "connections", Level: "64"}}
		}, "connections of treatment after", "64"},

		{"kernel", func(e *experiment.Experiment) { e.Environment.Kernel = "6.9" }, "", "host: kernel: 6.1, now 6.9"},
		{"governor", func(e *experiment.Experiment) { e.Environment.Governor = "powersave" }, "", "powersave"},
		{"version", func(e *experiment.Experiment) { e.Program.Version = "v2" }, "", "version of tare: v1, now v2"},
		{"digest of tare", func(e *experiment.Experiment) { e.Program.SHA256 = "def" }, "", "def"},
		{"digest of the plan", func(e *experiment.Experiment) { e.Plan.Digest = "other" }, "", "digest of the plan"},
		{"a component", func(e *experiment.Experiment) {
			e.Components = []experiment.Component{{Role: "module", Name: "wasm", SHA256: "1f"}}
		}, "", "module wasm: none, now 1f"},
		{"work of a treatment", func(e *experiment.Experiment) { e.Plan.Study.Treatments[2].Workload = params(`{"work":"2ms"}`) }, "", "workload of treatment after"},
		{"load average", func(e *experiment.Experiment) { e.Environment.Load = [3]float64{9, 9, 9} }, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, err := comparison.Read(changed(p, c.change), experiment.Done, blocks, study.Margins{})
			if err != nil {
				t.Fatal(err)
			}
			a, err := comparison.Compare(old, now, comparison.Options{})
			if refused := errors.Is(err, comparison.ErrIncomparable); refused != (c.breaks != "") {
				t.Fatalf("got error %v", err)
			}
			if c.breaks != "" {
				if !strings.Contains(err.Error(), c.breaks) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "--force") {
					t.Errorf("got error %v, want one that says %q and %q", err, c.breaks, c.says)
				}
				if a, err = comparison.Compare(old, now, comparison.Options{Force: true}); err != nil {
					t.Fatal(err)
				}
				if len(a.Forced) == 0 || a.Forced[0].What != c.breaks || !strings.Contains(strings.Join(a.Warnings, "\n"), "FORCED") {
					t.Errorf("forced: %+v, warnings %q", a.Forced, a.Warnings)
				}
			}
			var all []string
			for _, d := range a.Differs {
				all = append(all, d.String())
			}
			if c.says == "" && len(all) > 0 || !strings.Contains(strings.Join(all, "\n"), c.says) {
				t.Errorf("what differs: %q, want %q", all, c.says)
			}
		})
	}
	if _, err := comparison.Compare(old, old, comparison.Options{Force: true}); !errors.Is(err, comparison.ErrIncomparable) || !strings.Contains(err.Error(), "pair") {
		t.Errorf("a result with itself: %v", err)
	}
}

// An endpoint that only one of two has makes another design; a quantile that
// only lacks samples in one does not, and has a reason.
func TestCompareEndpoints(t *testing.T) {
	p := planOf(t, "same.yaml", 12)
	old := ran(t, "old", p, 0, quiet(), study.Margins{})
	few := quiet()
	few.requests = 150
	now := ran(t, "now", p, 1, few, study.Margins{}) // no p50
	if _, err := comparison.Compare(old, now, comparison.Options{}); !errors.Is(err, comparison.ErrIncomparable) || !strings.Contains(err.Error(), "endpoints: p50, cpu, now cpu") {
		t.Errorf("without a p50: %v", err)
	}
	a := compared(t, old, now, comparison.Options{Force: true})
	if r := rowOf(t, a, comparison.Apart, "after", "p50"); r.Verdict != "undecided" || r.Interval != nil || r.New != nil || r.Why == "" {
		t.Errorf("a p50 that the new run lacks: %+v", r)
	}
}

func TestCompareMaps(t *testing.T) {
	p := planOf(t, "same.yaml", 12)
	s, err := study.ReadFile("../examples/gate/same.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s.Treatments[2].Name = "later"
	q := plan(t, s, 12)
	old := ran(t, "old", p, 0, quiet(), study.Margins{})
	m := quiet()
	m.effect = map[string]effects{"later": {cpu: 30}}
	now := ran(t, "now", q, 1, m, study.Margins{})
	a := compared(t, old, now, comparison.Options{})
	if want := []string{"after of old", "later of now"}; !slices.Equal(a.Unmatched, want) {
		t.Errorf("unmatched %q, want %q", a.Unmatched, want)
	}
	a = compared(t, old, now, comparison.Options{Map: map[string]string{"after": "later"}})
	if r := rowOf(t, a, comparison.Apart, "later", "cpu"); r.OldName != "after" || r.Verdict != "material" || len(a.Unmatched) > 0 {
		t.Errorf("mapped: %+v, unmatched %q", r, a.Unmatched)
	}
	for _, c := range []struct {
		names map[string]string
		says  string
	}{
		{map[string]string{"nowhere": "later"}, `"nowhere" (it has: before, after)`},
		{map[string]string{"after": "nowhere"}, `"nowhere" (it has: before, later)`},
		{map[string]string{"before-aa": "later"}, `"before-aa"`},
		{map[string]string{"after": "later", "before": "later"}, "twice"},
	} {
		if _, err := comparison.Compare(old, now, comparison.Options{Map: c.names}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("map %v: %v", c.names, err)
		}
	}
}

// Results that are short or odd are errors or undecided, and never a number
// that is none.
func TestShortAndOddResults(t *testing.T) {
	p := planOf(t, "same.yaml", 12)
	whole := ran(t, "old", p, 0, quiet(), study.Margins{})
	blocks := quiet().blocks(p, 5)
	voided := slices.Clone(blocks[:3])
	for i := range voided {
		voided[i].Void = "the service died"
	}
	for name, none := range map[string][]experiment.Block{"empty": nil, "voids only": voided} {
		if _, err := comparison.Read(experimentOf("now", p, 1), experiment.Failed, none, study.Margins{}); !errors.Is(err, comparison.ErrEmpty) || !strings.Contains(err.Error(), "now") {
			t.Errorf("%s: got error %v", name, err)
		}
	}

	one, err := comparison.Read(experimentOf("now", p, 1), experiment.Interrupted, blocks[:1], study.Margins{})
	if err != nil {
		t.Fatal(err)
	}
	a := compared(t, whole, one, comparison.Options{Force: true})
	for _, r := range a.Rows {
		if r.Verdict != "undecided" || r.Interval != nil || !strings.Contains(r.Why, "one block") || r.Old == nil || r.New == nil {
			t.Errorf("of one block: %+v", r)
		}
	}
	for _, text := range []string{"interrupted", "1 of the 12 blocks", "screening"} {
		if !strings.Contains(strings.Join(a.Warnings, "\n"), text) {
			t.Errorf("warnings %q do not say %q", a.Warnings, text)
		}
	}
	g, err := comparison.InRun(one, comparison.Selection{})
	if err != nil || g.Outcome != comparison.Unsure || len(g.Cases) != 2 || !strings.Contains(g.Cases[0].Why[0], "one block") {
		t.Errorf("the gate of one block: %+v, %v", g, err)
	}
	two, err := comparison.Read(experimentOf("now", p, 1), experiment.Done, blocks[:2], study.Margins{})
	if err != nil {
		t.Fatal(err)
	}
	if g, err := comparison.InRun(two, comparison.Selection{}); err != nil || g.Outcome != comparison.Unsure {
		t.Errorf("the gate of two blocks: %+v, %v", g, err)
	}
	for _, v := range []any{a, g} {
		if text, err := json.Marshal(v); err != nil || bytes.Contains(text, []byte("NaN")) {
			t.Errorf("JSON %s, %v", text, err)
		}
	}

	equal := func(same int) []experiment.Block { // every block the very same
		bs := slices.Clone(blocks)
		for i := range bs {
			bs[i].Phases, bs[i].Samples = blocks[same].Phases, blocks[same].Samples
		}
		return bs
	}
	still, err := comparison.Read(experimentOf("still", p, 2), experiment.Done, equal(3), study.Margins{})
	if err != nil {
		t.Fatal(err)
	}
	if g, err := comparison.InRun(still, comparison.Selection{}); err != nil || g.Outcome != comparison.Unsure {
		t.Errorf("the gate of blocks without spread: %+v, %v", g, err)
	}
	other, err := comparison.Read(experimentOf("other", p, 3), experiment.Done, equal(5), study.Margins{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range compared(t, still, other, comparison.Options{}).Rows {
		if r.Verdict != "undecided" || math.IsNaN(r.Interval.Low) {
			t.Errorf("without spread: %+v", r)
		}
	}

	knee, err := study.ReadFile("../examples/knee.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := comparison.Read(experimentOf("knee", plan(t, knee, 0), 1), experiment.Done, blocks[:2], study.Margins{}); !errors.Is(err, comparison.ErrIncomparable) {
		t.Errorf("a result of capacities: %v", err)
	}

	nan := slices.Clone(blocks)
	nan[4].Phases = slices.Clone(nan[4].Phases)
	nan[4].Phases[0].Wall = 0 // idle use of 0 s: 0 ÷ 0
	if _, err := comparison.Read(experimentOf("nan", p, 1), experiment.Done, nan, study.Margins{}); err == nil || !strings.Contains(err.Error(), "finite") {
		t.Errorf("a figure that is NaN: %v", err)
	}
}

// A result with other margins is judged anew from the same intervals.
func TestOtherMargins(t *testing.T) {
	p := planOf(t, "same.yaml", 30)
	m := with(effects{cpu: 10})
	plain, wide := ran(t, "now", p, 1, m, study.Margins{}), ran(t, "now", p, 1, m, study.Margins{CPU: study.Margin{Relative: 0.1}})
	cpu := comparison.Selection{Endpoints: []string{"cpu"}}
	a, err := comparison.InRun(plain, cpu)
	if err != nil {
		t.Fatal(err)
	}
	b, err := comparison.InRun(wide, cpu)
	if err != nil {
		t.Fatal(err)
	}
	if a.Outcome != comparison.Fail || b.Outcome != comparison.Pass || *a.Cases[0].Interval != *b.Cases[0].Interval || b.Cases[0].Margin < 9*a.Cases[0].Margin {
		t.Errorf("by the plan's margin %+v, by 10 %% %+v", a.Cases[0], b.Cases[0])
	}
	if text := strings.Join(b.Warnings, "\n"); !strings.Contains(text, "judged anew") || !strings.Contains(text, "10 %") || !strings.Contains(text, "1 %") {
		t.Errorf("warnings %q", b.Warnings)
	}
}

func TestAnswerGolden(t *testing.T) {
	p := planOf(t, "same.yaml", 12)
	slower := with(effects{cpu: 12})
	e := experimentOf("20300103-now", p, 1)
	e.Environment.Kernel, e.Program = "6.9", experiment.Program{Version: "v2", SHA256: "def"}
	e.Plan.Digest = "digest"
	now, err := comparison.Read(e, experiment.Done, slower.blocks(p, 4), study.Margins{})
	if err != nil {
		t.Fatal(err)
	}
	old := experimentOf("20300102-old", p, 0)
	old.Plan.Digest = "digest"
	was, err := comparison.Read(old, experiment.Done, quiet().blocks(p, 5), study.Margins{})
	if err != nil {
		t.Fatal(err)
	}
	a := compared(t, was, now, comparison.Options{})
	var text, markdown, asJSON bytes.Buffer
	for _, err := range []error{a.Text(&text), a.Markdown(&markdown), a.JSON(&asJSON)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	golden.Check(t, "answer.txt", text.Bytes())
	golden.Check(t, "answer.md", markdown.Bytes())
	golden.Check(t, "answer.json", asJSON.Bytes())
}

// A judge's finding forbids every verdict that rests on the treatment.
func TestInvalidFigures(t *testing.T) {
	p := planOf(t, "same.yaml", 12)
	wrong := with(effects{cpu: 50}).blocks(p, 4)
	wrong[3].Judged = []experiment.Judgement{{Treatment: 2, Wrong: "one more was allowed"}}
	now, err := comparison.Read(experimentOf("now", p, 1), experiment.Done, wrong, study.Margins{})
	if err != nil {
		t.Fatal(err)
	}
	a := compared(t, ran(t, "old", p, 0, quiet(), study.Margins{}), now, comparison.Options{})
	if r := rowOf(t, a, comparison.Apart, "after", "cpu"); r.Verdict != "undecided" || !strings.Contains(strings.Join(r.Warnings, " "), "one more was allowed") {
		t.Errorf("a treatment that did not do its work: %+v", r)
	}
	g, err := comparison.InRun(now, comparison.Selection{})
	if err != nil || g.Outcome != comparison.Unsure {
		t.Errorf("its gate: %+v, %v", g, err)
	}
	refused := with(effects{cpu: 50}).blocks(p, 4)
	for k, s := range refused[2].Samples[1] {
		if s.Target == 2 {
			refused[2].Samples[1][k].Class = load.Limited
		}
	}
	now, err = comparison.Read(experimentOf("now", p, 1), experiment.Done, refused, study.Margins{})
	if err != nil {
		t.Fatal(err)
	}
	a = compared(t, ran(t, "old", p, 0, quiet(), study.Margins{}), now, comparison.Options{})
	if r := rowOf(t, a, comparison.Own, "after", "cpu"); r.Verdict != "undecided" || !strings.Contains(strings.Join(r.Warnings, " "), "refused") {
		t.Errorf("a treatment that refused requests: %+v", r)
	}
}

// The host is compared field by field, so that a field that is added later is
// not forgotten.
func TestEveryFieldOfTheHost(t *testing.T) {
	text, err := json.Marshal(measure.Environment{CPU: "x", CoresOnline: 1, Cores: 1, CPULimit: 1, Memory: 1, Kernel: "x", OS: "x", Arch: "x", Hypervisor: "x", Governor: "x", Go: "x"})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	p := planOf(t, "same.yaml", 12)
	blocks := quiet().blocks(p, 5)
	e := experimentOf("now", p, 1)
	if err := json.Unmarshal(text, &e.Environment); err != nil {
		t.Fatal(err)
	}
	now, err := comparison.Read(e, experiment.Done, blocks, study.Margins{})
	if err != nil {
		t.Fatal(err)
	}
	a := compared(t, ran(t, "old", p, 0, quiet(), study.Margins{}), now, comparison.Options{Force: true})
	for name := range fields {
		if name == "load_average" {
			continue
		}
		if !slices.ContainsFunc(a.Differs, func(d comparison.Difference) bool { return d.What == "host: "+name }) {
			t.Errorf("field %s of the host is not compared", name)
		}
	}
}

// What forbids a verdict within a run forbids it between two: a failed A/A gate
// of either "no difference", and screening all of them.
func TestCompareForbids(t *testing.T) {
	p := planOf(t, "same.yaml", 12)
	wide := study.Margins{CPU: study.Margin{Relative: 0.5}, P50: study.Margin{Relative: 0.5}}
	read := func(id string, m machine, seed uint64, screening bool) *comparison.Result {
		t.Helper()
		e := experimentOf(id, p, 0)
		e.Plan.Screening = screening
		r, err := comparison.Read(e, experiment.Done, m.blocks(p, seed), wide)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	old, now := read("old", quiet(), 4, false), read("now", quiet(), 5, false)
	if r := rowOf(t, compared(t, old, now, comparison.Options{}), comparison.Apart, "after", "cpu"); r.Verdict != "none" {
		t.Fatalf("nothing was planted, and the margin is half: %+v", r)
	}
	for _, noisy := range []*comparison.Result{old, now} {
		for e, aa := range noisy.Analysis.Gates[0].By {
			aa.Inside = false
			noisy.Analysis.Gates[0].By[e] = aa
		}
		a := compared(t, old, now, comparison.Options{})
		if r := rowOf(t, a, comparison.Apart, "after", "cpu"); r.Verdict != "undecided" || !strings.Contains(strings.Join(r.Warnings, " "), "noise floor") {
			t.Errorf("the A/A gate of %s failed: %+v", noisy.ID, r)
		}
		if !strings.Contains(strings.Join(a.Warnings, "\n"), "noise floor too high for this margin in result "+noisy.ID) {
			t.Errorf("warnings %q", a.Warnings)
		}
		for e, aa := range noisy.Analysis.Gates[0].By {
			aa.Inside = true
			noisy.Analysis.Gates[0].By[e] = aa
		}
	}
	a := compared(t, read("old", quiet(), 4, true), read("now", with(effects{cpu: 900}), 5, true), comparison.Options{})
	for _, r := range a.Rows {
		if r.Verdict != "undecided" {
			t.Errorf("a verdict between two screenings: %+v", r)
		}
	}
}
