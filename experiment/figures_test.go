package experiment_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

const weighed = `tare: study/1
name: weighed
workload: {name: fake}
function: {name: countdown}
load: {rate: 200/s}
treatments:
  - {name: a, control: direct}
  - {name: a-aa, control: aa, baseline: a}
  - {name: b, form: library, baseline: a}
design: {blocks: 12, stop: fixed}
`

func planOf(t *testing.T, text string) *study.Plan {
	t.Helper()
	return planAt(t, text, 5)
}

func planAt(t testing.TB, text string, seed uint64) *study.Plan {
	t.Helper()
	s, err := study.Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := study.MakePlan(*s, study.Options{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answers are n requests to a target, answered after the given time, with a
// little spread so that there is a median.
func answers(target, n int, after time.Duration) []load.Sample {
	out := make([]load.Sample, n)
	for i := range out {
		at := time.Duration(i) * time.Millisecond
		out[i] = load.Sample{Intended: at, Written: at, FirstByte: at + after, LastByte: at + after, Target: uint16(target), Status: 200}
	}
	return out
}

// handmade is a block whose figures are known: a at 100 µs, b at 130 µs more
// or less by the block's number.
func handmade(index int) experiment.Block {
	jitter := time.Duration(index%3) * 100 * time.Nanosecond
	var latency []load.Sample
	latency = append(latency, answers(0, 250, 100*time.Microsecond)...)
	latency = append(latency, answers(1, 250, 100*time.Microsecond+jitter)...)
	latency = append(latency, answers(2, 400, 130*time.Microsecond-jitter)...)
	part := func(treatment int, role string, cpu time.Duration) experiment.Part {
		return experiment.Part{Treatment: treatment, Role: role, CPU: cpu, Wait: cpu / 10, Memory: measure.Memory{Private: 5e6, RSS: 9e6, Shared: 4e6}}
	}
	idle := experiment.PhaseRecord{Phase: study.Phase{Kind: study.Idle}, Wall: 500 * time.Millisecond, Parts: []experiment.Part{
		part(0, "service", time.Millisecond), part(1, "service", time.Millisecond),
		part(2, "service", 2*time.Millisecond), part(2, "proxy", 4*time.Millisecond),
		part(experiment.PartGenerator, "generator", 7*time.Millisecond), part(experiment.PartSelf, "tare", 9*time.Millisecond),
	}}
	busy := experiment.PhaseRecord{Phase: study.Phase{Kind: study.Latency, Duration: 2 * time.Second}, Wall: 2 * time.Second,
		Stats: load.Stats{Scheduled: 900, Sent: 900, CPU: 90 * time.Millisecond, Spin: 45 * time.Millisecond},
		Host:  measure.HostCPU{Busy: 400 * time.Millisecond, Idle: 3600 * time.Millisecond},
		Parts: []experiment.Part{
			part(0, "service", 29*time.Millisecond), part(1, "service", 29*time.Millisecond),
			part(2, "service", 48*time.Millisecond), part(2, "proxy", 76*time.Millisecond),
			part(experiment.PartGenerator, "generator", 90*time.Millisecond), part(experiment.PartSelf, "tare", 28*time.Millisecond),
		}}
	return experiment.Block{Index: index, Phases: []experiment.PhaseRecord{idle, busy}, Samples: [][]load.Sample{nil, latency}}
}

func handmadeBlocks(n int) []experiment.Block {
	var bs []experiment.Block
	for i := range n {
		bs = append(bs, handmade(i))
	}
	return bs
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-6*max(1, math.Abs(want))) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// CPU per request = (busy − idle) ÷ requests, of the treatment's own processes.
func TestCPUArithmetic(t *testing.T) {
	an, err := experiment.Analyse(planOf(t, weighed), handmadeBlocks(3))
	if err != nil {
		t.Fatal(err)
	}
	// a: 29 ms − 2 ms/s · 2 s = 25 ms over 250 requests.
	near(t, "a", an.Treatments[0].Values[experiment.CPU], 100)
	// b: (48 − 4·2) ms and (76 − 8·2) ms over 400 requests.
	near(t, "b", an.Treatments[2].Values[experiment.CPU], 100+150)
	for _, u := range an.Treatments[2].Usage {
		want := map[string][2]float64{"service": {100, 0.004}, "proxy": {150, 0.008}}[u.Role]
		near(t, u.Role, u.PerRequest, want[0])
		near(t, u.Role+" idle", u.IdleCores, want[1])
		near(t, u.Role+" private", u.PrivateMB, 5)
	}
	near(t, "b proxy waits", an.Treatments[2].Usage[0].WaitShare, 0.0076/2)
	if n := len(an.Treatments[2].Usage); n != 2 {
		t.Errorf("%d processes of b", n)
	}
	near(t, "generator, without spin", an.Apparatus.GeneratorCPU, 50)
	near(t, "spin", an.Apparatus.SpinShare, 0.0225)
	near(t, "host", an.Apparatus.HostBusy, 0.1)
	near(t, "rate", an.Apparatus.Rate, 450)
	// 29 + 29 + 48 + 76 + 90 + 28 = 300 of 400 ms are the run's own.
	near(t, "remainder", an.Apparatus.Remainder, 0.25)
	if all := strings.Join(an.Warnings, "\n"); !strings.Contains(all, "25 % of the host's busy time belongs to no process") {
		t.Errorf("no warning of the remainder: %s", all)
	}
}

// Two sidecars are one proxy: what they use is added up.
func TestProcessesOfOneRoleAreAddedUp(t *testing.T) {
	blocks := handmadeBlocks(3)
	for i := range blocks {
		for j := range blocks[i].Phases {
			ph := &blocks[i].Phases[j]
			second := ph.Parts[3] // the proxy of b
			second.CPU /= 2
			second.Memory.Private, second.Memory.RSS, second.Memory.Shared = 1e6, 2e6, 3e6
			ph.Parts = append(ph.Parts, second)
		}
	}
	an, err := experiment.Analyse(planOf(t, weighed), blocks)
	if err != nil {
		t.Fatal(err)
	}
	b := an.Treatments[2]
	near(t, "b", b.Values[experiment.CPU], 100+150*1.5)
	if len(b.Usage) != 2 {
		t.Fatalf("%d roles", len(b.Usage))
	}
	u := b.Usage[0]
	near(t, "per request", u.PerRequest, 225)
	near(t, "idle", u.IdleCores, 0.012)
	near(t, "private", u.PrivateMB, 6)
	near(t, "rss", u.RSSMB, 11)
	near(t, "shared", u.SharedMB, 7)
}

func TestQuantilesNeedSamples(t *testing.T) {
	an, err := experiment.Analyse(planOf(t, weighed), handmadeBlocks(2))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "a p50", an.Treatments[0].Values[experiment.P50], 100)
	for _, e := range []experiment.Endpoint{experiment.P90, experiment.P99} {
		if _, given := an.Treatments[0].Values[e]; given || an.Treatments[0].Why[e] == "" {
			t.Errorf("%s of 250 requests: given %t, why %q", e, given, an.Treatments[0].Why[e])
		}
	}
}

// Pairs are of one block, whatever the order of the blocks and of the voids.
func TestPairsAreOfOneBlock(t *testing.T) {
	blocks := handmadeBlocks(12)
	want, err := experiment.Analyse(planOf(t, weighed), blocks)
	if err != nil {
		t.Fatal(err)
	}
	void := handmade(7)
	void.Void, void.Samples = "the proxy died", [][]load.Sample{nil, answers(0, 300, time.Second)}
	mixed := []experiment.Block{void}
	for i := range blocks {
		mixed = append(mixed, blocks[len(blocks)-1-i])
	}
	got, err := experiment.Analyse(planOf(t, weighed), mixed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.Comparisons {
		if got.Comparisons[i].Difference != want.Comparisons[i].Difference {
			t.Errorf("%s: %+v, want %+v", want.Comparisons[i].Name, got.Comparisons[i].Difference, want.Comparisons[i].Difference)
		}
	}
	for i, d := range want.Treatments[2].PerBlock[experiment.P50] {
		near(t, "b in block", d, 130-float64(i%3)/10)
	}
	if got.Voids != 1 || got.Blocks != 12 {
		t.Errorf("%d blocks, %d voids", got.Blocks, got.Voids)
	}
}

// A baseline that stood twice is compared as the mean of both, once the A/A gate
// says that they are the same; one whose copy differs is compared alone, and so
// is one that has no copy.
func TestTwinsAreAveraged(t *testing.T) {
	apart := handmadeBlocks(12)
	for k := range apart {
		for n := range apart[k].Samples[1] {
			if x := &apart[k].Samples[1][n]; x.Target == 1 {
				x.FirstByte, x.LastByte = x.FirstByte+30*time.Microsecond, x.LastByte+30*time.Microsecond
			}
		}
	}
	for name, c := range map[string]struct {
		study  string
		blocks []experiment.Block
		pooled bool
		want   func(jitter float64) float64
	}{
		"the same":   {weighed, handmadeBlocks(12), true, func(jitter float64) float64 { return 130 - jitter - (100 + jitter/2) }},
		"apart":      {weighed, apart, false, func(jitter float64) float64 { return 130 - jitter - 100 }},
		"not a copy": {strings.Replace(weighed, "control: aa", "control: token", 1), handmadeBlocks(12), false, func(jitter float64) float64 { return 130 - jitter - 100 }},
	} {
		an, err := experiment.Analyse(planOf(t, c.study), c.blocks)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, one := range an.Comparisons {
			if one.Treatment != 2 || one.Endpoint != experiment.P50 {
				continue
			}
			found = true
			for k, d := range one.PerBlock {
				near(t, fmt.Sprintf("%s: block %d", name, k), d, c.want(float64(k%3)/10))
			}
		}
		if !found || len(an.Gates) > 0 && slices.Contains(an.Gates[0].Pooled, experiment.P50) != c.pooled || len(an.Gates) == 0 && name != "not a copy" {
			t.Errorf("%s: compared %v, gates %+v", name, found, an.Gates)
		}
		for _, sh := range an.Shifts {
			near(t, name+": shift at the median", sh.Band[slices.Index(sh.Levels, .5)].Estimate, mean3(c.want))
		}
	}
}

// mean3 is over the jitters of handmade blocks.
func mean3(f func(float64) float64) float64 { return (f(0) + f(.1) + f(.2)) / 3 }

// Few blocks may agree to the nanosecond: no reason to end a run.
func TestEqualBlocksAreNoFailure(t *testing.T) {
	blocks := []experiment.Block{handmade(0), handmade(3)}
	an, err := experiment.Analyse(planOf(t, weighed), blocks)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range an.Comparisons {
		if c.Verdict != stat.Undecided {
			t.Errorf("%s: %s from differences without spread", c.Name, c.Verdict)
		}
	}
	arms := "tare: study/1\nname: arms\nworkload: {name: fake}\ntreatments:\n  - {name: a, control: direct}\n  - {name: b, control: direct}\ndesign: {name: aa, blocks: 12}\n"
	if an, err := experiment.Analyse(planOf(t, arms), blocks); err != nil || an.Rejections != nil {
		t.Errorf("identical arms: %+v, %v", an.Rejections, err)
	}
}

// A treatment built on a function that is at fault has no verdict either.
func TestFaultOfTheBaselineForbidsTheVerdict(t *testing.T) {
	p := planOf(t, strings.Replace(weighed, "  - {name: b, form: library, baseline: a}\n",
		"  - {name: f, form: library, baseline: a}\n  - {name: b, workload: {x: 1}, baseline: f}\n", 1))
	var blocks []experiment.Block
	for i := range 12 {
		b := handmade(i)
		b.Samples[1] = append(b.Samples[1], answers(3, 250, 135*time.Microsecond+time.Duration(i%5)*time.Microsecond)...)
		b.Judged = []experiment.Judgement{{Treatment: 2, Wrong: "forgets a user"}}
		blocks = append(blocks, b)
	}
	an, err := experiment.Analyse(p, blocks)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range an.Comparisons {
		if c.Treatment != 3 {
			continue
		}
		found = true
		if c.Verdict != stat.Undecided || c.BlocksNeeded != 0 || len(c.Warnings) == 0 {
			t.Errorf("%s: %s, %d blocks needed, %v", c.Name, c.Verdict, c.BlocksNeeded, c.Warnings)
		}
	}
	if !found {
		t.Error("nothing was compared to the treatment at fault")
	}
}

// controlled adds the two solo windows to a block: the baseline alone at
// 100 µs, b alone at the given time.
func controlled(b experiment.Block, n int, alone time.Duration) experiment.Block {
	for i, samples := range [][]load.Sample{answers(0, n, 100*time.Microsecond), answers(2, n, alone)} {
		b.Phases = append(b.Phases, experiment.PhaseRecord{Phase: study.Phase{Kind: study.Solo, Targets: []int{i * 2}, Heaviest: i == 1}})
		b.Samples = append(b.Samples, samples)
	}
	return b
}

// Interference is stamped where shared − solo lies wholly beyond the margin.
func TestInterferenceStamp(t *testing.T) {
	for _, c := range []struct {
		name              string
		alone             time.Duration // b, when it stands alone; it shares at about 130 µs
		controls, samples int
		interval, stamped bool
	}{
		{"none", 130 * time.Microsecond, 5, 300, true, false},
		{"within the margin", 129 * time.Microsecond, 5, 300, true, false},
		{"slower together", 110 * time.Microsecond, 5, 300, true, true},
		{"faster together", 150 * time.Microsecond, 5, 300, true, true},
		{"too few control blocks", 110 * time.Microsecond, 2, 300, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			blocks := handmadeBlocks(12)
			for i := range c.controls {
				blocks[i] = controlled(blocks[i], c.samples, c.alone)
			}
			an, err := experiment.Analyse(planOf(t, weighed), blocks)
			if err != nil {
				t.Fatal(err)
			}
			if len(an.Interference) != 1 {
				t.Fatalf("%+v", an.Interference)
			}
			in := an.Interference[0]
			if in.Baseline != 0 || in.Heaviest != 2 || in.Blocks != c.controls {
				t.Fatalf("%+v", in)
			}
			near(t, "alone", in.Solo, float64(c.alone-100*time.Microsecond)/1e3)
			if math.Abs(in.Shared-30) > 0.3 {
				t.Errorf("shared %v", in.Shared)
			}
			if (in.Disagreement != nil) != c.interval || in.Interferes != c.stamped {
				t.Errorf("disagreement %+v, interferes %t", in.Disagreement, in.Interferes)
			}
			if said := strings.Contains(strings.Join(an.Warnings, "\n"), "treatments interfere"); said != c.stamped {
				t.Errorf("warned %t: %v", said, an.Warnings)
			}
		})
	}
	t.Run("too few requests for a median", func(t *testing.T) {
		blocks := handmadeBlocks(12)
		for i := range 5 {
			blocks[i] = controlled(blocks[i], 50, 110*time.Microsecond)
		}
		if an, err := experiment.Analyse(planOf(t, weighed), blocks); err != nil || an.Interference != nil {
			t.Errorf("%+v, %v", an.Interference, err)
		}
	})
}

// A block in which nothing was sent has no figures, and none that is no number.
func TestNothingSent(t *testing.T) {
	b := handmade(0)
	b.Samples[1], b.Phases[1].Stats = nil, load.Stats{}
	an, err := experiment.Analyse(planOf(t, weighed), []experiment.Block{b})
	if err != nil {
		t.Fatal(err)
	}
	l := an.Apparatus
	for _, x := range []float64{l.Rate, l.HostBusy, l.LatenessP50, l.LatenessP99, l.GeneratorCPU, l.SpinShare, l.Remainder} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			t.Errorf("%+v", l)
		}
	}
	if why := an.Treatments[0].Why[experiment.CPU]; why == "" {
		t.Error("no reason for the CPU time that is missing")
	}
}
