package study_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/study"
)

const pairs = `tare: study/1
name: pairs
dataplane: [envoy, embedded]
workload: {name: imagehub}
function: {name: ratelimit}
treatments:
  - {name: router, control: router}
  - {name: token, control: token, baseline: router}
  - {name: library, form: library, baseline: token}
  - {name: library-aa, control: aa, baseline: library}
  - {name: wasm, form: wasm, baseline: token}
design: {name: pairs, pair: [library, wasm], levels: [100/s, 500/s, closed], blocks: 8}
reference:
  source: somebody
  figures:
    - {treatment: library, level: 100/s, p50: 3.19ms}
    - {treatment: wasm, level: closed, p50: 0.62ms, rate: 5781/s}
`

// shown writes a plan of pairs as a person would check it.
func shown(p *study.Plan) string {
	var out strings.Builder
	name := func(i int) string { return p.Study.Treatments[i].Name }
	for i, t := range p.Study.Treatments {
		fmt.Fprintf(&out, "%s of %s: baseline %s, against %v, stands %t\n", t.Name, p.Study.Written(i), t.Baseline, t.Against, p.Study.Stands(i))
	}
	for _, b := range p.Blocks {
		fmt.Fprintf(&out, "block %d: %s, %s; starts %s", b.Index, name(b.Arms[0]), name(b.Arms[1]), name(b.Start[0]))
		for _, ph := range b.Phases {
			fmt.Fprintf(&out, " · %s", ph.Kind)
			if ph.Rate > 0 {
				fmt.Fprintf(&out, " %g/s", ph.Rate)
			}
			if len(ph.Targets) == 1 {
				fmt.Fprintf(&out, " %s", name(ph.Targets[0]))
			}
			if ph.Heaviest {
				out.WriteString("!")
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

func TestPairsPlanGolden(t *testing.T) {
	golden.Check(t, "pairs.txt", []byte(shown(planned(t, pairs, study.Options{Seed: 9}))))
}

// Whatever the seed: a round is one block of each cell, a group of four rounds
// has one A/A block of each cell and one with solo windows, closed loops are
// in the order ABBA, and nothing but the two arms is ever addressed.
func TestPairsPlanHoldsItsOrder(t *testing.T) {
	firsts, orders := map[string]int{}, map[string]int{}
	for seed := range uint64(40) {
		p := planned(t, pairs, study.Options{Seed: seed + 1})
		cells := p.Study.Cells()
		if len(cells) != 6 || len(p.Blocks) != 8*6 {
			t.Fatalf("%d cells, %d blocks", len(cells), len(p.Blocks))
		}
		for round := range 8 {
			seen := map[int]bool{}
			for _, b := range p.Blocks[round*6 : (round+1)*6] {
				seen[b.Arms[0]] = true
			}
			if len(seen) != 6 {
				t.Fatalf("seed %d: round %d has %d cells", seed, round, len(seen))
			}
			orders[fmt.Sprint(p.Blocks[round*6].Arms[0])]++
		}
		for _, c := range cells {
			for group := range 2 {
				copies, solos := 0, 0
				for _, b := range p.Blocks[group*24 : (group+1)*24] {
					if b.Arms[0] != c.Baseline {
						continue
					}
					if b.Arms[1] == c.Copy {
						copies++
					}
					if slices.ContainsFunc(b.Phases, func(ph study.Phase) bool { return ph.Kind == study.Solo }) {
						solos++
						if b.Arms[1] != c.Treatment {
							t.Errorf("seed %d: solo windows in an A/A block", seed)
						}
					}
				}
				if copies != 1 || solos != 1 {
					t.Errorf("seed %d: group %d of %+v has %d A/A blocks and %d with solo windows", seed, group, c, copies, solos)
				}
			}
		}
		for _, b := range p.Blocks {
			checkPairBlock(t, p, b, firsts)
		}
	}
	if firsts["A"] == 0 || firsts["B"] == 0 || len(orders) != 6 {
		t.Errorf("closed loops began %v, rounds with %v: not random", firsts, orders)
	}
}

func checkPairBlock(t *testing.T, p *study.Plan, b study.Block, firsts map[string]int) {
	t.Helper()
	level := p.Study.Treatments[b.Arms[0]].Level
	var closed []int
	for _, ph := range b.Phases {
		for _, i := range ph.Targets {
			if !slices.Contains(b.Arms, i) {
				t.Fatalf("block %d: a phase of %d, which does not stand", b.Index, i)
			}
		}
		switch {
		case ph.Kind == study.Closed:
			closed = append(closed, ph.Targets[0])
			if ph.Rate != 0 || ph.Duration != 500*time.Millisecond {
				t.Errorf("closed window %+v", ph)
			}
		case ph.Kind == study.Latency && !level.Closed && ph.Rate != 2*float64(level.Rate),
			ph.Kind == study.Latency && level.Closed && ph.Rate != 1000: // beside it at the greatest level
			t.Errorf("block %d at %v: latency at %v", b.Index, level, ph.Rate)
		}
	}
	if !level.Closed {
		if closed != nil {
			t.Errorf("block %d at %v has closed windows", b.Index, level)
		}
		return
	}
	a, other := b.Arms[0], b.Arms[1]
	switch {
	case slices.Equal(closed, []int{a, other, other, a}):
		firsts["A"]++
	case slices.Equal(closed, []int{other, a, a, other}):
		firsts["B"]++
	default:
		t.Errorf("block %d: windows %v of %v are not ABBA", b.Index, closed, b.Arms)
	}
	if last := b.Phases[len(b.Phases)-1]; last.Kind != study.Closed {
		t.Errorf("block %d ends with %s: closed loops come last", b.Index, last.Kind)
	}
}

func TestPairsFillTheTime(t *testing.T) {
	text := strings.Replace(pairs, ", blocks: 8", ", time: 12m, warmup: 2000", 1)
	p := planned(t, text, study.Options{})
	if p.Screening || p.Expected > 12*time.Minute || p.Expected < 11*time.Minute || len(p.Blocks)%6 != 0 {
		t.Errorf("%d blocks in %v, screening %t", len(p.Blocks), p.Expected, p.Screening)
	}
	if short := planned(t, text, study.Options{Time: 3 * time.Minute}); !short.Screening {
		t.Errorf("%d blocks in 3 min are no screening", len(short.Blocks))
	}
	quick := planned(t, text, study.Options{Quick: true})
	if !quick.Screening || len(quick.Blocks) != 24 || quick.Study.Design.Latency < 2800*time.Millisecond {
		t.Errorf("quick: %d blocks, latency %v: a p50 at 100/s needs 200 requests", len(quick.Blocks), quick.Study.Design.Latency)
	}
	if _, err := study.MakePlan(*parse(t, text), study.Options{Time: 20 * time.Second}); err == nil || !strings.Contains(err.Error(), "give it more (--time)") {
		t.Errorf("20 s for six cells: %v", err)
	}
	if never := planned(t, strings.Replace(pairs, "blocks: 8", "blocks: 8, control_every: -1", 1), study.Options{}); slices.ContainsFunc(never.Blocks, func(b study.Block) bool {
		return slices.ContainsFunc(b.Phases, func(ph study.Phase) bool { return ph.Kind == study.Solo })
	}) {
		t.Error("solo windows although control_every is -1")
	}
}

// Closed loops alone have the default rate beside them, and no pilot lowers it.
func TestClosedLoopsAlone(t *testing.T) {
	p := planned(t, strings.Replace(strings.Replace(pairs, "[100/s, 500/s, closed]", "[closed]", 1), "level: 100/s", "level: closed", 1), study.Options{})
	if p.Study.Load.Rate != 500 || p.Study.Load.DefaultRate {
		t.Errorf("load %+v", p.Study.Load)
	}
}

// A cell's plane and treatments, also where one of the pair has no proxy.
func TestCells(t *testing.T) {
	text := strings.Replace(pairs, "  - {name: router, control: router}\n", "  - {name: direct, control: direct}\n  - {name: router, control: router, baseline: direct}\n", 1)
	text = strings.Replace(text, "form: library, baseline: token", "form: library, baseline: direct", 1)
	s := planned(t, text, study.Options{}).Study
	var got []string
	for _, c := range s.Cells() {
		got = append(got, fmt.Sprintf("%v %s: %s, %s, %s", c.Level, c.DataPlane, s.Treatments[c.Baseline].Name, s.Treatments[c.Treatment].Name, s.Treatments[c.Copy].Name))
	}
	want := []string{
		"100/s envoy: library-at-100, wasm-envoy-at-100, library-aa-at-100",
		"100/s embedded: library-at-100, wasm-embedded-at-100, library-aa-at-100",
		"500/s envoy: library-at-500, wasm-envoy-at-500, library-aa-at-500",
		"500/s embedded: library-at-500, wasm-embedded-at-500, library-aa-at-500",
		"closed envoy: library-closed, wasm-envoy-closed, library-aa-closed",
		"closed embedded: library-closed, wasm-embedded-closed, library-aa-closed",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestPairsAreRefused(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"no pair", "pair: [library, wasm], ", "", "needs pair: [BASELINE, TREATMENT]"},
		{"one of a pair", "pair: [library, wasm]", "pair: [library]", "needs pair: [BASELINE, TREATMENT]"},
		{"a pair of one", "pair: [library, wasm]", "pair: [wasm, wasm]", "needs pair: [BASELINE, TREATMENT]"},
		{"a pair of nothing", "pair: [library, wasm]", "pair: [library, wsam]", `"wsam" is no treatment that could be one of a pair`},
		{"a pair with the copy", "pair: [library, wasm]", "pair: [library, library-aa]", `"library-aa" is no treatment that could be one of a pair`},
		{"no levels", "levels: [100/s, 500/s, closed], ", "", "needs levels: [100/s, closed]"},
		{"a level twice", "[100/s, 500/s, closed]", "[100/s, 100/s]", "level 100/s is listed twice"},
		{"a level without unit", "[100/s, 500/s, closed]", "[100]", `level "100" is neither "closed" nor a rate: rate "100" has no unit`},
		{"too fast a level", "[100/s, 500/s, closed]", "[1e9/s]", "want 1/s to 200000/s"},
		{"too slow for a p50", "[100/s, 500/s, closed]", "[20/s]", "a latency phase of 3s is too short for a p50 at the lowest rate: want at least 14.2"},
		{"no copy", "  - {name: library-aa, control: aa, baseline: library}\n", "", "needs an A/A copy of \"library\": add {name: library-aa, control: aa, baseline: library}"},
		{"a copy of another", "control: aa, baseline: library", "control: aa, baseline: token", "would never stand"},
		{"one that never stands", "  - {name: wasm, form: wasm, baseline: token}\n", "  - {name: wasm, form: wasm, baseline: token}\n  - {name: native, form: native, baseline: token}\n", `treatment "native" is neither of the pair nor a step of its ladder`},
		{"further comparisons", "form: wasm, baseline: token", "form: wasm, baseline: token, against: [library]", "one comparison is made, that of the pair"},
		{"stops by width", "blocks: 8", "blocks: 8, stop: width", "write stop: fixed"},
		{"short windows", "blocks: 8", "blocks: 8, closed: 5ms", "5ms is not between 100ms and 1m"},
		{"enforcement", "reference:", "load: {users: {count: 10, mix: [{subscription: P, share: 100%, weight: 1}]}}\nenforcement: {subscription: P, share: 10%, requests: 5, duration: 1s}\nreference:", "measures overhead only"},
		{"a margin in time", "reference:", "margin: {rate: 5us}\nreference:", "a margin of requests/s is a share"},
		{"pair of another design", "name: pairs, pair", "name: interleaved, pair", "this is for design: {name: pairs}, and the design is interleaved"},
		{"a reference without source", "source: somebody", "source: ''", "has no source"},
		{"a figure of nothing", "treatment: wasm, level", "treatment: token, level", `figure of "token", which is not one of the pair`},
		{"a figure at no level", "level: 100/s, p50", "level: 200/s, p50", "figure at 200/s, which is not one of the levels"},
		{"a figure without figures", "level: 100/s, p50: 3.19ms", "level: 100/s", "a figure needs a p50 or a rate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(pairs, c.from) {
				t.Fatalf("the study has no %q", c.from)
			}
			_, err := study.Parse("s.yaml", []byte(strings.Replace(pairs, c.from, c.to, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "s.yaml:") {
				t.Errorf("got %v, want s.yaml:… %s", err, c.want)
			}
		})
	}
	for _, field := range []string{"levels: [5/s]", "pair: [plain, more]", "closed: 1s"} {
		if _, err := study.Parse("s.yaml", []byte(small+"design: {"+field+"}\n")); err == nil || !strings.Contains(err.Error(), "is for design: {name: pairs}") {
			t.Errorf("%s in an interleaved study: %v", field, err)
		}
	}
	if _, err := study.Parse("s.yaml", []byte(small+"reference: {source: x}\n")); err == nil || !strings.Contains(err.Error(), "stands beside the table of design pairs") {
		t.Errorf("a reference in an interleaved study: %v", err)
	}
}

// Whatever can change a figure of a pairs study changes its digest.
func TestDigestCoversPairs(t *testing.T) {
	seen := map[string]string{planned(t, pairs, study.Options{Seed: 7}).Digest: "the plan itself"}
	for _, c := range [][2]string{
		{"[envoy, embedded]", "[embedded, envoy]"},
		{"[envoy, embedded]", "envoy"},
		{"[library, wasm]", "[library, wasm], closed: 600ms"},
		{"[100/s, 500/s, closed]", "[100/s, closed]"},
		{"[100/s, 500/s, closed]", "[100/s, 600/s, closed]"},
		{"blocks: 8", "blocks: 9"},
		{"reference:", "load: {rate: 400/s}\nreference:"},
		{"reference:", "margin: {rate: 3%}\nreference:"},
		{"p50: 3.19ms", "p50: 3.2ms"},
	} {
		if !strings.Contains(pairs, c[0]) {
			t.Fatalf("the study has no %q", c[0])
		}
		d := planned(t, strings.Replace(pairs, c[0], c[1], 1), study.Options{Seed: 7}).Digest
		if was, ok := seen[d]; ok {
			t.Errorf("%s has the digest of %s", c[1], was)
		}
		seen[d] = c[1]
	}
}

func FuzzLevel(f *testing.F) {
	for _, text := range []string{"100/s", "closed", "0.5/s", "30/min", "/", "closed/s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var l, again study.Level
		if err := l.UnmarshalText([]byte(text)); err != nil {
			return
		}
		if err := again.UnmarshalText([]byte(l.String())); err != nil || again != l {
			t.Errorf("%q is read %v, written %q and read %v, %v", text, l, l, again, err)
		}
	})
}
