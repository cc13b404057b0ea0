package atlas_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/study"
)

func power(form study.Form, plane string, shown ...string) atlas.Power {
	p := atlas.Power{Form: form, Plane: plane, Vectors: map[atlas.Vector][]atlas.Answer{}}
	for _, a := range atlas.Abilities(atlas.State) {
		v := atlas.Refused
		if slices.Contains(shown, a.Name) {
			v = atlas.Shown
		}
		p.Vectors[atlas.State] = append(p.Vectors[atlas.State], atlas.Answer{What: a.Name, Verdict: v})
	}
	return p
}

// Forms are ordered by what they can do, and by nothing else: two of which each
// can do something that the other cannot stand side by side.
func TestInclusion(t *testing.T) {
	ps := []atlas.Power{
		power("lua", "envoy", "per-worker"),
		power("wasm", "envoy", "per-worker", "across-workers"),
		power("external", "envoy", "per-worker", "across-workers", "across-proxies"),
		power("native", "envoy", "per-worker", "across-workers"),
		power("dynmod", "envoy", "across-proxies"),
		power("library", ""),
	}
	o := atlas.Inclusion(ps, atlas.State)
	var groups []string
	for _, g := range o.Groups {
		groups = append(groups, fmt.Sprint(g))
	}
	if got := strings.Join(groups, " "); got != "[0] [1 3] [2] [4] [5]" {
		t.Fatalf("groups %s", got)
	}
	if !slices.Equal(o.Front, []int{2}) || !slices.Equal(o.Ranks, []int{1, 2, 3, 1, 0}) {
		t.Errorf("front %v, ranks %v", o.Front, o.Ranks)
	}
	edges := map[string]bool{}
	for _, e := range o.Edges {
		edges[fmt.Sprint(e.Above, e.Below)] = true
	}
	for _, want := range []string{"2 1", "1 0", "0 4", "2 3", "3 4"} {
		if !edges[want] {
			t.Errorf("no edge %s in %v", want, o.Edges)
		}
	}
	if len(o.Edges) != 5 {
		t.Errorf("edges %v: one goes past another group", o.Edges)
	}
	if s := ps[1].Score(atlas.Weights{atlas.State: 3}); s != 2 {
		t.Errorf("score %v, want 2 of 3 abilities times 3", s)
	}
	// What nobody tried is nowhere.
	if o := atlas.Inclusion(atlas.Powers(nil, []string{"envoy"}), atlas.Reach); len(o.Groups) != 0 {
		t.Errorf("untried forms are ordered: %v", o.Groups)
	}
}

func TestParse(t *testing.T) {
	w, err := atlas.ParseWeights("reach=1, state=0.5")
	if err != nil || w[atlas.Reach] != 1 || w[atlas.State] != 0.5 || len(w) != 2 {
		t.Errorf("%v, %v", w, err)
	}
	for _, bad := range []string{"speed=1", "reach", "reach=-1", "reach=x", "reach=NaN"} {
		if _, err := atlas.ParseWeights(bad); err == nil {
			t.Errorf("weights %q were taken", bad)
		}
	}
	o, err := atlas.ParseOnly("cors, wasm", []string{"cors", "jwt"})
	if err != nil || !slices.Equal(o.Functions, []string{"cors"}) || !slices.Equal(o.Forms, []study.Form{"wasm"}) {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := atlas.ParseOnly("corn", []string{"cors"}); err == nil || !strings.Contains(err.Error(), `"corn" is neither a function (cors) nor a form (library`) {
		t.Error(err)
	}
}

// built is everything there is, in batches.
func built(t *testing.T, only string) ([]atlas.Batch, []atlas.Entry, *catalog.Bench) {
	t.Helper()
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	planes := b.DataPlanes.Names()
	entries := atlas.Catalogue(b.Functions.All(), b.Placements.All(), planes)
	o, err := atlas.ParseOnly(only, b.Functions.Names())
	if err != nil {
		t.Fatal(err)
	}
	cells, _ := atlas.Cells(b.Functions.All(), entries, planes, o)
	noops := map[string][]study.Form{}
	for _, e := range entries {
		for _, p := range e.Places {
			for _, plane := range p.Planes {
				if e.Name == "noop" {
					noops[plane] = append(noops[plane], p.Form)
				}
			}
		}
	}
	return atlas.Batches(cells, noops, atlas.Screen{}), entries, b
}

// Every batch can be planned and looked up, has an A/A copy, the no-op of its
// form where there is one, and each cell once; and its plan is the same every
// time, so that a run is found again by its digest.
func TestBatches(t *testing.T) {
	batches, _, bench := built(t, "")
	again, _, _ := built(t, "")
	seen := map[string]bool{}
	for i, b := range batches {
		plan, err := study.MakePlan(*b.Study, study.Options{})
		if err != nil {
			t.Fatal(err)
		}
		same, err := study.MakePlan(*again[i].Study, study.Options{})
		if err != nil || same.Digest != plan.Digest {
			t.Errorf("%s is planned in two ways: %v", b.Study.Name, err)
		}
		if _, err := experiment.NewApparatus(plan, bench.Catalog); err != nil {
			t.Error(err)
		}
		copies := 0
		for k, x := range plan.Study.Treatments {
			if x.Control == study.AA {
				copies++
			}
			if x.Form == "" || x.Control != "" {
				continue
			}
			if x.Form != study.FormLibrary && x.Form != study.FormExternal && len(x.Against) == 0 {
				t.Logf("%s: %s has no no-op beside it", b.Study.Name, x.Name)
			}
			if base := plan.Study.Index(x.Baseline); len(plan.Study.Carried(base)) != 0 {
				t.Errorf("%s: the baseline of %s carries a function", b.Study.Name, plan.Study.Treatments[k].Name)
			}
		}
		if copies != 1 {
			t.Errorf("%s has %d A/A copies", b.Study.Name, copies)
		}
		if len(b.Cells) > atlas.DefaultAbreast || len(b.Cells) != len(b.Treatments) {
			t.Errorf("%s has %d cells and %d treatments", b.Study.Name, len(b.Cells), len(b.Treatments))
		}
		for _, c := range b.Cells {
			if c.Form != b.Cells[0].Form || c.Plane != b.Cells[0].Plane || seen[c.String()] {
				t.Errorf("%s: %s", b.Study.Name, c)
			}
			seen[c.String()] = true
		}
	}
	if len(seen) < 20 {
		t.Errorf("%d cells", len(seen))
	}
	less := batches[0].Without([]int{0}, nil)
	if less == nil || len(less.Cells) != len(batches[0].Cells)-1 || less.Cells[0].String() != batches[0].Cells[1].String() {
		t.Errorf("without the first: %+v", less)
	}
	all := make([]int, len(batches[0].Cells))
	for i := range all {
		all[i] = i
	}
	if batches[0].Without(all, nil) != nil {
		t.Error("nothing is left, and a batch is")
	}
}

// Where memory is short fewer cells stand at a time, in more batches, each with
// its controls; no cell is lost, and no batch needs more than half.
func TestShortMemory(t *testing.T) {
	for _, c := range []struct {
		memory uint64
		want   int
	}{{0, 6}, {512 << 20, 1}, {1 << 30, 1}, {2 << 30, 2}, {3 << 30, 4}, {4 << 30, 6}, {64 << 30, 6}} {
		if n := atlas.AbreastIn(c.memory); n != c.want {
			t.Errorf("%d MB: %d abreast, want %d", c.memory>>20, n, c.want)
		}
	}
	_, entries, bench := built(t, "")
	cells, _ := atlas.Cells(bench.Functions.All(), entries, []string{"envoy"}, atlas.Only{})
	noops := map[string][]study.Form{"envoy": study.Forms()}
	last := 0
	for _, abreast := range []int{6, 2, 1} {
		batches, there := atlas.Batches(cells, noops, atlas.Screen{Abreast: abreast}), 0
		for _, b := range batches {
			there += len(b.Cells)
			if len(b.Cells) > abreast || b.Cells[0].Form == study.FormWasmGo && len(b.Cells) > 1 {
				t.Errorf("%d abreast: %s has %d cells", abreast, b.Study.Name, len(b.Cells))
			}
			alike, nothing := 0, 0
			for _, x := range b.Study.Treatments {
				switch x.Control {
				case study.AA:
					alike++
				case study.Noop:
					nothing++
				}
			}
			if alike != 1 || b.Cells[0].Plane != "" && nothing == 0 || len(b.Study.Treatments) > 2*len(b.Cells)+4 {
				t.Errorf("%d abreast: %s has %d A/A copies and %d no-ops among %d treatments", abreast, b.Study.Name, alike, nothing, len(b.Study.Treatments))
			}
		}
		if there != len(cells) || len(batches) <= last {
			t.Errorf("%d abreast: %d cells of %d in %d batches, before %d", abreast, there, len(cells), len(batches), last)
		}
		last = len(batches)
	}
}

func pointer[T any](x T) *T { return &x }

// example is a small report of a batch.
func example() *report.Report {
	compared := func(name, base, endpoint string, estimate float64) report.Comparison {
		return report.Comparison{Treatment: name, Baseline: base, Endpoint: endpoint, Interval: report.Interval{Estimate: estimate, Low: estimate - 2, High: estimate + 2}}
	}
	return &report.Report{ID: "one", Study: "atlas-envoy-wasm-1", Blocks: 5, Screening: true,
		Treatments: []report.Treatment{
			{Name: "router", PrivateMB: pointer(10.0)},
			{Name: "router-3", Baseline: pointer("router"), Set: map[string]string{"replicas": "3"}, PrivateMB: pointer(20.0)},
			{Name: "router-noop", Baseline: pointer("router"), Control: pointer("noop"), Form: pointer("wasm")},
			{Name: "ratelimit", Baseline: pointer("router"), Form: pointer("wasm"), Site: pointer("server"), DataPlane: pointer("envoy"), Requests: 7, PrivateMB: pointer(11.5), JudgeFound: pointer("too few")},
			{Name: "balance-hash", Baseline: pointer("router-3"), Form: pointer("wasm"), DataPlane: pointer("envoy")},
		},
		Comparisons: []report.Comparison{
			compared("ratelimit", "router", "cpu", 9), compared("ratelimit", "router", "p50", 8), compared("ratelimit", "router-noop", "cpu", 5),
			compared("router-noop", "router", "cpu", 4), compared("balance-hash", "router-3", "cpu", -3), compared("balance-hash", "router", "cpu", 6),
		}}
}

func TestSpeeds(t *testing.T) {
	none := func(string) bool { return false }
	all := atlas.Speeds(example(), none)
	if len(all) != 2 {
		t.Fatalf("%+v", all)
	}
	limit, path := all[0], all[1]
	if limit.String() != "ratelimit as wasm on envoy" || limit.CPU.Estimate != 9 || limit.P50.Estimate != 8 || limit.NoopCPU.Estimate != 4 || limit.NoopP50 != nil ||
		*limit.PrivateMB != 1.5 || limit.Judge != "too few" || !limit.Screening || limit.Requests != 7 || limit.OneCPU != nil || limit.Result != "one" {
		t.Errorf("%+v", limit)
	}
	if path.CPU.Estimate != -3 || path.OneCPU == nil || path.OneCPU.Estimate != 6 {
		t.Errorf("%+v", path)
	}
	routed := atlas.Speeds(example(), func(name string) bool { return name == "balance-hash" })[1]
	if routed.CPU.Estimate != 6 || routed.OneCPU != nil {
		t.Errorf("a function that routes: %+v", routed)
	}
	if !atlas.IsBatch("atlas-envoy-wasm-1") || atlas.IsBatch("talk") {
		t.Error("what a batch is")
	}
}

// made is an atlas of the example.
func made(t *testing.T) *atlas.Atlas {
	t.Helper()
	_, entries, bench := built(t, "ratelimit")
	tries, err := atlas.Tries()
	if err != nil {
		t.Fatal(err)
	}
	tries = append(tries, atlas.Witnessed(bench.Functions.All(), entries)...)
	a := &atlas.Atlas{Made: time.Unix(0, 0), Powers: atlas.Powers(tries, []string{"embedded", "envoy"}), Functions: entries}
	a.Add(example())
	a.Add(example()) // an older one of the same cells changes nothing
	a.Finish(atlas.Weights{atlas.Reach: 1})
	return a
}

// The three printers print the same atlas.
func TestPrinters(t *testing.T) {
	a := made(t)
	if len(a.Speeds) != 2 || len(a.Batches) != 1 || len(a.Scores) != len(a.Powers) {
		t.Fatalf("%d speeds, %d batches, %d scores", len(a.Speeds), len(a.Batches), len(a.Scores))
	}
	var text, page, object bytes.Buffer
	for _, err := range []error{a.Text(&text), a.HTML(&page), a.JSON(&object)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"ratelimit", "+9.0", "(+7.0 to +11.0)", "screening", "its judge found: too few", "against one service", "no form can do more than", "SCORE"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q", want)
		}
	}
	for _, want := range []string{"SCREENING", "Where should I put this function?", "route-path", "its judge found: too few", "<svg viewBox", "across-proxies", "default-src 'none'"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page.String(), "<script") || strings.Contains(page.String(), "ZgotmplZ") {
		t.Error("the page has a script, or something that the template refused")
	}
	var back struct {
		Tare   string
		Speeds []struct{ Function, Form, Plane string }
		Powers []atlas.Power
	}
	if err := json.Unmarshal(object.Bytes(), &back); err != nil || back.Tare != atlas.Format || back.Speeds[1].Function != "ratelimit" || back.Speeds[1].Plane != "envoy" || len(back.Powers) != 15 {
		t.Errorf("%s %+v, %d powers, %v", back.Tare, back.Speeds, len(back.Powers), err)
	}
}

func TestAdvice(t *testing.T) {
	a := made(t)
	x, err := a.Advise("ratelimit")
	if err != nil || len(x.Places) != 1 || len(x.Rules) != 5 || !strings.HasPrefix(x.Rules[0].Then, "wasm on envoy: +9.0 µs of CPU") || x.Rules[1].Then != "wasm on envoy" {
		t.Errorf("%+v, %v", x, err)
	}
	if x, err := a.Advise("rbac"); err != nil || len(x.Rules) != 1 || !strings.Contains(x.Rules[0].Then, "none of its forms has been weighed") {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err := a.Advise("perpetuum"); err == nil || !strings.Contains(err.Error(), `unknown function "perpetuum" (known: `) {
		t.Error(err)
	}
	var b bytes.Buffer
	if err := x.Text(&b); err != nil || !strings.Contains(b.String(), "if only speed counts:") {
		t.Errorf("%s, %v", b.String(), err)
	}
}

// Each function that is a witness has the form, and the test that it names.
func TestWitnesses(t *testing.T) {
	_, entries, bench := built(t, "")
	all := atlas.Witnessed(bench.Functions.All(), entries)
	for _, x := range all {
		if !slices.ContainsFunc(atlas.Abilities(x.Vector), func(a atlas.Ability) bool { return a.Name == x.What }) || x.Verdict != atlas.Shown {
			t.Errorf("%+v is of no ability", x)
		}
		if name, ok := strings.CutPrefix(x.Test, "functiontest.TestTrials/"); ok {
			if f, err := bench.Functions.Get(name); err != nil || len(f.Trials) == 0 {
				t.Errorf("%+v: the function has no trials: %v", x, err)
			}
		}
	}
	if len(all) < 30 {
		t.Errorf("%d witnesses", len(all))
	}
	ds, err := atlas.Decided(bench.Functions.All())
	if err != nil || len(ds) == 0 {
		t.Fatal(ds, err)
	}
	for _, d := range ds {
		if d.Of != 24 || d.Distinct < 0 || d.Distinct > d.Of {
			t.Errorf("%+v", d)
		}
	}
}
