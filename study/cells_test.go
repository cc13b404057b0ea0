package study_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/study"
)

func mustPlan(t *testing.T, text string, o study.Options) *study.Plan {
	t.Helper()
	p, err := study.MakePlan(*parse(t, text), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// written says what a cell is made of, in one line.
func written(s *study.Study, i int) string {
	t := s.Treatments[i]
	parts := []string{t.Name, "on", t.Baseline}
	for _, word := range []string{string(t.Control), string(t.Form), string(t.Site), t.DataPlane} {
		if word != "" {
			parts = append(parts, word)
		}
	}
	for _, one := range t.Set {
		parts = append(parts, one.Factor+"="+one.Level)
	}
	if len(t.Against) > 0 {
		parts = append(parts, "against "+strings.Join(t.Against, ", "))
	}
	return strings.Join(parts, " ")
}

// What stands of each design, and what it is made of.
func TestCellsOfDesigns(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"factorial", proxied + "factors: {connections: [2, 16], filter: [none, wasm], access-log: [off, on]}\ndesign: {name: factorial, of: router}\n", []string{
			"c2-nofilter-nolog on router connections=2 access-log=off",
			"c2-nofilter-log on router connections=2 access-log=on",
			"c2-wasm-nolog on router noop wasm server connections=2 access-log=off",
			"c2-wasm-log on router noop wasm server connections=2 access-log=on",
			"c16-nofilter-nolog on router connections=16 access-log=off",
			"c16-nofilter-log on router connections=16 access-log=on",
			"c16-wasm-nolog on router noop wasm server connections=16 access-log=off",
			"c16-wasm-log on router noop wasm server connections=16 access-log=on",
			"c2-nofilter-nolog-aa on c2-nofilter-nolog aa",
		}},
		{"fraction", proxied + "factors: {connections: [2, 16], workers: [1, 2], response: [1KiB, 64KiB]}\ndesign: {name: fraction}\n", []string{
			"c2-w1-resp1kib on router connections=2 workers=1 response=1KiB",
			"c2-w2-resp64kib on router connections=2 workers=2 response=64KiB",
			"c16-w1-resp64kib on router connections=16 workers=1 response=64KiB",
			"c16-w2-resp1kib on router connections=16 workers=2 response=1KiB",
			"c2-w1-resp1kib-aa on c2-w1-resp1kib aa",
		}},
		{"sweep", bare + "factors: {connections: [2, 16, 32], mesh: [on, off], form: [none, native, library]}\ndesign: {name: sweep}\n", []string{
			"centre on direct-on-mesh connections=2",
			"connections-16 on direct-on-mesh connections=16 against centre",
			"connections-32 on direct-on-mesh connections=32 against centre",
			"mesh-off on direct connections=2 against centre",
			"form-native on direct-on-mesh native server connections=2 against centre",
			"form-library on direct-on-mesh library service connections=2 against centre",
			"centre-aa on centre aa",
		}},
		{"add-drop", proxied + "factors: {connections: [2, 16], workers: [1, 2], access-log: [off, on]}\ndesign: {name: add-drop}\n", []string{
			"none on router connections=2 workers=1 access-log=off",
			"with-connections-16 on router connections=16 workers=1 access-log=off against none",
			"with-workers-2 on router connections=2 workers=2 access-log=off against none",
			"with-access-log-on on router connections=2 workers=1 access-log=on against none",
			"all on router connections=16 workers=2 access-log=on against none",
			"without-connections-16 on router connections=2 workers=2 access-log=on against all",
			"without-workers-2 on router connections=16 workers=1 access-log=on against all",
			"without-access-log-on on router connections=16 workers=2 access-log=off against all",
			"none-aa on none aa",
		}},
		{"planes", proxied + "factors: {dataplane: [embedded, envoy], rate: [100/s, 200/s]}\ndesign: {name: factorial}\n", []string{
			"embedded-r100 on router embedded rate=100/s",
			"embedded-r200 on router embedded rate=200/s",
			"envoy-r100 on router envoy rate=100/s",
			"envoy-r200 on router envoy rate=200/s",
			"embedded-r100-aa on embedded-r100 aa embedded",
		}},
		{"a function in place of nothing", proxied + "  - {name: native, form: native, baseline: router}\nfactors: {function: [noop, ratelimit], form: [native, wasm]}\ndesign: {name: factorial}\n", []string{
			"noop-native on router noop native server",
			"noop-wasm on router noop wasm server",
			"ratelimit-native on router native server",
			"ratelimit-wasm on router wasm server",
			"noop-native-aa on noop-native aa",
		}},
		{"a function or none", proxied + "  - {name: native, form: native, baseline: router}\nfactors: {function: [none, noop, ratelimit]}\ndesign: {name: factorial}\n", []string{
			"nofunction on router",
			"noop on router noop native server",
			"ratelimit on router native server",
			"nofunction-aa on nofunction aa",
		}},
		{"on the mesh with a library", bare + "  - {name: library, form: library, baseline: direct}\nfactors: {mesh: [off, on], connections: [2, 4]}\ndesign: {name: factorial}\n", []string{
			"nomesh-c2 on library connections=2",
			"nomesh-c4 on library connections=4",
			"mesh-c2 on library-on-mesh connections=2",
			"mesh-c4 on library-on-mesh connections=4",
			"nomesh-c2-aa on nomesh-c2 aa",
		}},
		{"a parameter where the function is", proxied + "factors: {form: [native, wasm], params.users: [1000, 2000]}\ndesign: {name: sweep}\n", []string{
			"centre on router native server params.users=1000",
			"form-wasm on router wasm server params.users=1000 against centre",
			"params-users-2000 on router native server params.users=2000 against centre",
			"centre-aa on centre aa",
		}},
		{"names too long for words", proxied + "factors: {workload.aaaaaaaaaaaaaaaaaa: [1, 2], workload.bbbbbbbbbbbbbbbbbb: [1, 2]}\ndesign: {name: factorial}\n", []string{
			"1-1 on router workload.aaaaaaaaaaaaaaaaaa=1 workload.bbbbbbbbbbbbbbbbbb=1",
			"1-2 on router workload.aaaaaaaaaaaaaaaaaa=1 workload.bbbbbbbbbbbbbbbbbb=2",
			"2-1 on router workload.aaaaaaaaaaaaaaaaaa=2 workload.bbbbbbbbbbbbbbbbbb=1",
			"2-2 on router workload.aaaaaaaaaaaaaaaaaa=2 workload.bbbbbbbbbbbbbbbbbb=2",
			"1-1-aa on 1-1 aa",
		}},
		{"levels that are one word in a name", proxied + "factors: {workload.a: [/x, .x]}\ndesign: {name: factorial}\n", []string{
			"cell-01 on router workload.a=/x", "cell-02 on router workload.a=.x", "cell-01-aa on cell-01 aa",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mustPlan(t, c.text, study.Options{Time: time.Hour})
			s := &p.Study
			var got []string
			for _, i := range p.Arms(0) {
				got = append(got, written(s, i))
				if of := s.Treatments[i].Of; of == "" || s.Written(i) != of {
					t.Errorf("%s is a copy of %q", s.Treatments[i].Name, of)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			for _, cb := range s.Combinations() {
				for k, l := range cb.Levels {
					f := s.Factors[k]
					if level, set := s.SettingsOf(cb.Treatment).Level(f.Name); set && level != f.Levels[l] {
						t.Errorf("%s has %s at %s and is said to have %s", s.Treatments[cb.Treatment].Name, f.Name, level, f.Levels[l])
					}
				}
			}
			if p.Baseline(0) != s.Combinations()[0].Treatment {
				t.Errorf("the block's baseline is treatment %d", p.Baseline(0))
			}
		})
	}
}

// The levels of each factor are in every combination, in the order of the file.
func TestCombinations(t *testing.T) {
	p := mustPlan(t, proxied+"factors: {connections: [2, 16, 32], workers: [1, 2]}\ndesign: {name: factorial}\n", study.Options{})
	var got [][]int
	for _, c := range p.Study.Combinations() {
		got = append(got, c.Levels)
	}
	if diff := cmp.Diff([][]int{{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 0}, {2, 1}}, got); diff != "" {
		t.Error(diff)
	}
	if p.Study.Resolution() != 0 || p.Study.Aliases([]int{0}) != nil {
		t.Errorf("a whole factorial has resolution %d and aliases %v", p.Study.Resolution(), p.Study.Aliases([]int{0}))
	}
	if plain := mustPlan(t, small, study.Options{}); plain.Study.Combinations() != nil {
		t.Errorf("a study without factors has %v", plain.Study.Combinations())
	}
}

// A plan that was kept says the same of its cells: the report is made of it.
func TestKeptCellsAreTheSame(t *testing.T) {
	p := mustPlan(t, proxied+"factors: {connections: [2, 16], workers: [1, 2], response: [1KiB, 2KiB], filter: [none, wasm], rate: [100/s, 200/s]}\ndesign: {name: fraction, time: 10m}\n", study.Options{})
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var q study.Plan
	if err := json.Unmarshal(text, &q); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.Study.Combinations(), q.Study.Combinations()); diff != "" {
		t.Error(diff)
	}
	if p.Study.Resolution() != 5 || q.Study.Resolution() != 5 {
		t.Errorf("resolution %d, kept %d", p.Study.Resolution(), q.Study.Resolution())
	}
	for i := range p.Study.Treatments {
		if p.Study.Stands(i) != q.Study.Stands(i) || p.Study.RateOf(i) != q.Study.RateOf(i) || !slices.Equal(p.Study.SettingsOf(i), q.Study.SettingsOf(i)) {
			t.Errorf("treatment %s is not what was kept", p.Study.Treatments[i].Name)
		}
	}
	again, err := json.Marshal(q)
	if err != nil || string(again) != string(text) {
		t.Errorf("the plan is kept otherwise: %v", err)
	}
}

// Same study, same seed, same plan: byte for byte, whatever the design.
func TestPlansOfDesignsAreTheSame(t *testing.T) {
	seen := map[string]string{}
	for _, design := range []string{"factorial", "fraction", "sweep", "add-drop"} {
		text := proxied + "factors: {connections: [2, 16], workers: [1, 2], access-log: [off, on]}\ndesign: {name: " + design + "}\n"
		one, two, three := mustPlan(t, text, study.Options{Seed: 7}), mustPlan(t, text, study.Options{Seed: 7}), mustPlan(t, text, study.Options{Seed: 8})
		a, _ := json.Marshal(one)
		b, _ := json.Marshal(two)
		if string(a) != string(b) {
			t.Errorf("design %s is planned in two ways", design)
		}
		if one.Digest == three.Digest {
			t.Errorf("design %s: two seeds have one digest", design)
		}
		if other, ok := seen[one.Digest]; ok {
			t.Errorf("designs %s and %s have one digest", design, other)
		}
		seen[one.Digest] = design
	}
}

// The digests of plans as they were before there were factors.
func TestDigestsOfOldPlansStay(t *testing.T) {
	for file, want := range map[string]string{
		"aa": "61951ee4779513ae", "consul": "45e9da0d69623df7", "imagehub": "c76a0be05cfd72c9",
		"planted-proxied": "4bf70a610db42632", "planted": "446efdeb80714270", "talk": "e281ee8b2b451b2f",
	} {
		s, err := study.ReadFile("../examples/" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		p, err := study.MakePlan(*s, study.Options{})
		if err != nil || p.Digest[:16] != want {
			t.Errorf("%s has the digest %.16s, want %s (%v)", file, p.Digest, want, err)
		}
	}
}

// Where rates differ each target has its own, and the phase their sum.
func TestRatesAreWeights(t *testing.T) {
	p := mustPlan(t, proxied+"factors: {rate: [100/s, 300/s]}\ndesign: {name: factorial}\n", study.Options{})
	ph := p.Blocks[0].Phases[2]
	if diff := cmp.Diff([]float64{100, 300, 100}, ph.Weights); ph.Kind != study.Latency || ph.Rate != 500 || diff != "" {
		t.Errorf("%+v: %s", ph, diff)
	}
	p = mustPlan(t, proxied+"  - {name: more, baseline: router, set: {rate: 250/s}}\nload: {rate: 100/s}\n", study.Options{})
	if ph := p.Blocks[0].Phases[2]; ph.Rate != 450 || len(ph.Weights) != 3 || ph.Weights[2] != 250 {
		t.Errorf("%+v", ph)
	}
	p = mustPlan(t, proxied+"factors: {connections: [1, 3]}\ndesign: {name: factorial}\n", study.Options{})
	if ph := p.Blocks[0].Phases[2]; ph.Weights != nil || ph.Rate != 1500 {
		t.Errorf("equal rates have weights: %+v", ph)
	}
}

// One treatment at a time: each alone once in a block, in an order that is
// drawn, with the arrivals of the others.
func TestWindows(t *testing.T) {
	p := mustPlan(t, proxied+"  - {name: native, form: native, baseline: router}\n  - {name: slow, baseline: router, set: {rate: 250/s}}\nload: {rate: 500/s}\ndesign: {name: windows, latency: 1s, time: 5m}\n", study.Options{})
	orders := map[string]bool{}
	for _, b := range p.Blocks {
		var order []int
		var seeds []uint64
		for _, ph := range b.Phases {
			if ph.Kind == study.Solo {
				t.Errorf("block %d has an interference control: nothing shares anything", b.Index)
			}
			if ph.Kind != study.Latency {
				continue
			}
			if !ph.Alone(4) || len(ph.Targets) != 1 {
				t.Fatalf("a window of %v", ph.Targets)
			}
			want := 500.0
			if ph.Targets[0] == 3 {
				want = 250
			}
			if ph.Rate != want || ph.Duration != time.Second {
				t.Errorf("treatment %d at %g/s for %v", ph.Targets[0], ph.Rate, ph.Duration)
			}
			order, seeds = append(order, ph.Targets[0]), append(seeds, ph.Seed)
		}
		orders[fmt.Sprint(order)] = true
		if slices.Sort(order); !slices.Equal(order, []int{0, 1, 2, 3}) {
			t.Errorf("block %d asks %v", b.Index, order)
		}
		if len(slices.Compact(seeds)) != 1 || seeds[0] == 0 {
			t.Errorf("block %d has arrivals of %v", b.Index, seeds)
		}
	}
	if len(orders) < 8 {
		t.Errorf("%d orders in %d blocks", len(orders), len(p.Blocks))
	}
	if p.Expected > 5*time.Minute || len(p.Blocks) < 30 {
		t.Errorf("%d blocks in %v", len(p.Blocks), p.Expected)
	}
	if shared := mustPlan(t, small, study.Options{}).Blocks[0].Phases[2]; shared.Alone(len(shared.Targets)) && len(shared.Targets) > 1 {
		t.Errorf("a shared phase is alone: %+v", shared)
	}
}

// Every cell of a factorial stands in every block, and fits the time asked for.
func TestFactorialFitsItsTime(t *testing.T) {
	text := proxied + "load: {}\nfactors: {connections: [2, 16], response: [1KiB, 16KiB], filter: [none, wasm], access-log: [off, on]}\ndesign: {name: factorial, time: 5m}\n"
	p := mustPlan(t, text, study.Options{})
	if len(p.Blocks) < study.MinBlocks || p.Expected > 5*time.Minute || p.Screening || len(p.Arms(0)) != 17 {
		t.Errorf("%d blocks of %d treatments in %v", len(p.Blocks), len(p.Arms(0)), p.Expected)
	}
}
