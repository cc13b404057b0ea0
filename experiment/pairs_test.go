package experiment_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

const pairsStudy = `tare: study/1
name: pairs
dataplane: [embedded, other]
workload: {name: fake}
function: {name: countdown}
load:
  rate: 200/s
  users: {count: 40, mix: [{subscription: Personal, share: 50%, weight: 1}, {subscription: Team, share: 50%, weight: 3}]}
treatments:
  - {name: router, control: router}
  - {name: library, form: library, baseline: router}
  - {name: library-aa, control: aa, baseline: library}
  - {name: more, workload: {work: 5us}, baseline: library}
design: {name: pairs, pair: [library, more], levels: [200/s, 400/s, closed], blocks: 16, warmup: 10, idle: 50ms, latency: 2s, solo: 1500ms, closed: 100ms}
margin: {p50: 3us}
`

// pairsMachine answers by cell: what more adds depends on plane and level.
func pairsMachine() *machine {
	m := newMachine()
	m.addOf = map[string]time.Duration{}
	for name, add := range map[string]time.Duration{
		"more-embedded-at-200": 10, "more-embedded-at-400": 15, "more-embedded-closed": 20,
		"more-other-at-200": -12, "more-other-at-400": 0, "more-other-closed": -25,
	} {
		m.addOf[name] = add * time.Microsecond
	}
	for _, cell := range []string{"other-at-200", "other-at-400", "other-closed"} { // another plane, another height
		for _, name := range []string{"library-", "library-aa-", "more-"} {
			m.addOf[name+cell] += 300 * time.Microsecond
		}
	}
	return m
}

// simulated carries a plan out on a machine without processes and pauses.
func simulated(t *testing.T, p *study.Plan, m *machine) []experiment.Block {
	t.Helper()
	var bs []experiment.Block
	for _, plan := range p.Blocks {
		arms := p.Arms(plan.Index)
		s := &session{m: m, k: len(arms)}
		m.ups++
		m.names, m.served = nil, make([]int64, len(arms))
		for _, i := range arms {
			m.names = append(m.names, p.Study.Treatments[i].Name)
		}
		b := experiment.Block{Index: plan.Index, Attempt: 1}
		for _, ph := range plan.Phases {
			if ph.Heaviest && len(ph.Targets) == 0 {
				ph.Targets = []int{arms[len(arms)-1]}
			}
			rec := experiment.PhaseRecord{Phase: ph, Wall: ph.Duration}
			var samples []load.Sample
			if ph.Kind != study.Idle {
				l := load.Load{Rate: ph.Rate, Each: ph.Each, Duration: ph.Duration, Seed: ph.Seed, Closed: ph.Kind == study.Closed}
				for _, i := range ph.Targets {
					l.Targets = append(l.Targets, slices.Index(arms, i))
				}
				if m.paused = nil; l.Closed { // the other one
					m.paused = []int{1 - l.Targets[0]}
				}
				var err error
				if samples, rec.Stats, err = load.Collect(t.Context(), s, l); err != nil {
					t.Fatal(err)
				}
				for k := range samples {
					samples[k].Target = uint16(arms[samples[k].Target])
				}
			}
			// Each request takes 100 µs of CPU time and what its treatment adds, ± 1 %.
			r := rand.New(rand.NewPCG(ph.Seed, 5))
			for k, i := range arms {
				cpu := time.Duration(0)
				for _, x := range samples {
					if int(x.Target) == i {
						cpu += 100*time.Microsecond + m.takes(k)
					}
				}
				cpu += time.Duration(float64(cpu) * 0.01 * (2*r.Float64() - 1))
				rec.Parts = append(rec.Parts, experiment.Part{Treatment: i, Role: "service", CPU: cpu})
			}
			b.Phases, b.Samples = append(b.Phases, rec), append(b.Samples, samples)
		}
		bs = append(bs, b)
	}
	return bs
}

// In every cell what was planted is found, and nothing of other cells: with
// intervals that hold together over all cells, and an A/A gate of its own.
func TestPairsFindWhatIsPlanted(t *testing.T) {
	p := planOf(t, pairsStudy)
	an, err := experiment.Analyse(p, simulated(t, p, pairsMachine()))
	if err != nil {
		t.Fatal(err)
	}
	name := func(i int) string { return p.Study.Treatments[i].Name }
	planted := map[string]float64{"more-embedded-at-200": 10, "more-embedded-at-400": 15, "more-other-at-200": -12, "more-other-at-400": 0,
		"more-embedded-closed": 20, "more-other-closed": -25}
	found := map[string]int{}
	for _, c := range an.Comparisons {
		level := p.Study.Treatments[c.Treatment].Level
		if want := level.Closed == (c.Endpoint == experiment.Throughput); c.Primary != want {
			t.Errorf("%s by %s: primary %t", name(c.Treatment), c.Endpoint, c.Primary)
		}
		if c.Primary && math.Abs(c.Multiplicity.Level-(1-0.05/6)) > 1e-12 {
			t.Errorf("%s at level %v, want 95 %% shared by 6 cells", name(c.Treatment), c.Multiplicity.Level)
		}
		if c.Blocks != 12 || len(c.PerBlock) != 12 {
			t.Errorf("%s by %s: %d blocks, %d differences, want 12", name(c.Treatment), c.Endpoint, c.Blocks, len(c.PerBlock))
		}
		if want := strings.Replace(name(c.Treatment), "more", "library", 1); name(c.Baseline) != want {
			t.Errorf("%s against %s", name(c.Treatment), name(c.Baseline))
		}
		switch c.Endpoint {
		case experiment.P50:
			found[name(c.Treatment)]++
			if want := planted[name(c.Treatment)]; !c.Difference.Contains(want) || c.Difference.Half() > 3 {
				t.Errorf("%s: %v µs were planted, found %+v", name(c.Treatment), want, c.Difference)
			}
		case experiment.Throughput:
			slower := planted[name(c.Treatment)] > 0
			if want := map[bool]stat.Direction{true: stat.Worse, false: stat.Better}[slower]; c.Direction != want || c.Verdict != stat.Material || slower != (c.Difference.Estimate < 0) {
				t.Errorf("%s: %+v, %s, %s", name(c.Treatment), c.Difference, c.Verdict, c.Direction)
			}
			found[name(c.Treatment)]++
		}
	}
	for n := range planted {
		want := 1
		if strings.HasSuffix(n, "closed") {
			want = 2 // p50 beside the closed loop
		}
		if found[n] != want {
			t.Errorf("%s: %d comparisons, want %d", n, found[n], want)
		}
	}
	if len(an.Gates) != 6 || len(an.Interference) != 6 {
		t.Errorf("%d gates, %d interference controls; want 6 of each", len(an.Gates), len(an.Interference))
	}
	for _, g := range an.Gates {
		if a := g.By[experiment.P50]; !a.Inside || name(g.Copy) != strings.Replace(name(g.Baseline), "library", "library-aa", 1) {
			t.Errorf("%s: %+v", name(g.Copy), a)
		}
	}
	for _, in := range an.Interference {
		if in.Blocks != 4 || in.Disagreement == nil || in.Interferes || name(in.Heaviest) != strings.Replace(name(in.Baseline), "library", "more", 1) {
			t.Errorf("%+v", in)
		}
	}
	for i, x := range an.Treatments {
		if want := map[bool]int{true: 12, false: 0}[p.Study.Stands(i)]; x.Blocks != want && (p.Study.Treatments[i].Control != study.AA || x.Blocks != 4) {
			t.Errorf("%s stood in %d blocks", x.Name, x.Blocks)
		}
		if _, closed := x.Values[experiment.ClosedP50]; closed != p.Study.Treatments[i].Level.Closed {
			t.Errorf("%s: closed p50 given %t", x.Name, closed)
		}
	}
}

// What is kept of a block speaks of the study's treatments, and of the two
// that stood alone.
func TestPairsKeepWhoStood(t *testing.T) {
	t.Parallel()
	m, j := pairsMachine(), &journal{}
	p, _, err := run(t, context.Background(), strings.Replace(pairsStudy, "blocks: 16", "blocks: 4", 1), m, countdown(nil), j, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range j.blocks {
		arms := p.Blocks[b.Index].Arms
		seen := map[int]bool{}
		for k, ph := range b.Phases {
			for _, x := range b.Samples[k] {
				seen[int(x.Target)] = true
				if (ph.Phase.Kind == study.Solo || ph.Phase.Kind == study.Closed) && int(x.Target) != ph.Phase.Targets[0] {
					t.Fatalf("block %d: a request to %d in a window of %v", b.Index, x.Target, ph.Phase.Targets)
				}
			}
			for _, part := range ph.Parts {
				if part.Treatment >= 0 && !slices.Contains(arms, part.Treatment) {
					t.Fatalf("block %d: a process of %d, arms %v", b.Index, part.Treatment, arms)
				}
			}
		}
		if len(seen) != 2 || !seen[arms[0]] || !seen[arms[1]] {
			t.Errorf("block %d: requests to %v, arms %v", b.Index, seen, arms)
		}
		if len(b.Judged) != 2 || b.Judged[0].Wrong != "" || b.Judged[1].Wrong != "" {
			t.Errorf("block %d: judged %+v", b.Index, b.Judged)
		}
	}
}

// A copy that differs fails the gate of its own cell and of no other.
func TestPairsGatesAreTheirCells(t *testing.T) {
	m := pairsMachine()
	for name := range m.addOf { // nothing is there to be found
		if strings.HasPrefix(name, "more-") {
			m.addOf[name] = m.addOf[strings.Replace(name, "more", "library", 1)]
		}
	}
	m.addOf["library-aa-other-at-400"] += 50 * time.Microsecond
	text := strings.Replace(pairsStudy, "p50: 3us", "p50: 10us", 1)
	p := planOf(t, text)
	an, err := experiment.Analyse(p, simulated(t, p, m))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range an.Comparisons {
		if c.Endpoint != experiment.P50 || !c.Primary {
			continue
		}
		x := p.Study.Treatments[c.Treatment]
		want := stat.NoDifference
		if x.Name == "more-other-at-400" {
			want = stat.Undecided
		}
		if c.Verdict != want {
			t.Errorf("%s: %s %+v, want %s", x.Name, c.Verdict, c.Difference, want)
		}
	}
	if !strings.Contains(strings.Join(an.Warnings, "\n"), "noise floor too high for this margin: library-other-at-400 and library-aa-other-at-400") {
		t.Errorf("warnings %q", an.Warnings)
	}
}

// A pairs study that was interrupted goes on with the blocks that are missing.
func TestPairsAreResumed(t *testing.T) {
	t.Parallel()
	text := strings.Replace(pairsStudy, "blocks: 16", "blocks: 4", 1)
	m, j := pairsMachine(), &journal{}
	m.dieIn = 9
	if _, _, err := run(t, context.Background(), text, m, countdown(nil), j, nil); err != nil {
		t.Fatal(err)
	}
	whole := j.blocks
	var kept []experiment.Block
	for _, b := range whole {
		if b.Index < 11 {
			kept = append(kept, b)
		}
	}
	again := &journal{}
	p, out, err := run(t, context.Background(), text, pairsMachine(), countdown(nil), again, kept)
	if err != nil || len(again.blocks) != 24-11 || len(out.Blocks) != len(kept)+13 {
		t.Fatalf("%d blocks after %d, %v", len(again.blocks), len(kept), err)
	}
	all := indices(out.Blocks, false)
	want := make([]int, 24)
	for i := range want {
		want[i] = i
	}
	if d := cmp.Diff(want, all); d != "" {
		t.Error(d)
	}
	if _, err := experiment.Analyse(p, out.Blocks); err != nil {
		t.Error(err)
	}
}

// The forecast of a pairs study sees what is sent to the arms of each block
// before the closed loops, and nothing else.
func TestForecastSeesThePairs(t *testing.T) {
	t.Parallel()
	text := strings.Replace(pairsStudy, "blocks: 16", "blocks: 4", 1)
	var seen [][]string
	f := countdown(nil)
	f.Forecast = func(_ function.Spec, as []function.Arrival) (function.Forecast, error) {
		var users []string
		for _, x := range as {
			users = append(users, x.Caller.User)
		}
		seen = append(seen, users)
		return function.Forecast{Lowest: 1}, nil
	}
	m, j := pairsMachine(), &journal{}
	p, _, err := run(t, context.Background(), text, m, f, j, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := experiment.NewApparatus(p, catalog(t, m, f))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Forecast(); err != nil {
		t.Fatal(err)
	}
	var sent [][]string
	for _, b := range j.blocks {
		arms := slices.Sorted(slices.Values(p.Blocks[b.Index].Arms))
		for _, i := range arms {
			var users []string
			for k, ph := range b.Phases {
				if ph.Phase.Kind == study.Closed {
					break
				}
				for _, x := range b.Samples[k] {
					if int(x.Target) == i {
						users = append(users, fmt.Sprintf("user-%05d", x.User))
					}
				}
			}
			sent = append(sent, users)
		}
	}
	if d := cmp.Diff(sent, seen); d != "" || len(sent) != 2*24 {
		t.Errorf("%d of %d: %s", len(seen), len(sent), d)
	}
}
