package report_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/study"
)

const text = `tare: study/1
name: fake
question: What does it add?
workload: {name: imagehub}
function: {name: ratelimit}
load:
  rate: 400/s
  users: {count: 100, mix: [{subscription: Personal, share: 100%, weight: 1}]}
treatments:
  - {name: router, control: router}
  - {name: token, control: token, baseline: router}
  - {name: token-aa, control: aa, baseline: token}
  - {name: native, form: native, baseline: token}
  - {name: library, form: library, baseline: token}
enforcement: {subscription: Personal, share: 10%, requests: 30, duration: 500ms}
design: {blocks: 12, latency: 1s, stop: fixed}
`

// made is an experiment whose blocks are computed: what each treatment adds is
// known, and so is what befell each block.
func made(t testing.TB, blocks int, change func(i int, b *experiment.Block)) (experiment.Experiment, []experiment.Block) {
	t.Helper()
	s, err := study.Parse("fake.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := study.MakePlan(*s, study.Options{Seed: 11})
	if err != nil {
		t.Fatal(err)
	}
	e := experiment.Experiment{ID: "20260101-000000-abcdef", Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Plan: *p,
		Environment: measure.Environment{CPU: "a CPU", Cores: 2, Kernel: "6.1", Go: "go1.26"}, Program: experiment.Program{Version: "v1"},
		Command: []string{"tare", "run", "fake.yaml"}}
	add := []float64{0, 60, 60, 61.5, 90} // µs beside the router
	r := rand.New(rand.NewPCG(3, 3))
	var bs []experiment.Block
	for i, plan := range p.Blocks[:blocks] {
		b := experiment.Block{ID: e.ID + "-x", Index: plan.Index, Attempt: 1, Started: e.Started.Add(time.Duration(i) * time.Minute), Took: 6 * time.Second}
		settle := 3 * r.NormFloat64()
		for _, ph := range plan.Phases {
			if ph.Heaviest {
				ph.Targets = []int{4}
			}
			b.Phases = append(b.Phases, phase(r, ph, len(add)))
			b.Samples = append(b.Samples, samples(r, ph, add, settle))
		}
		for _, k := range []int{3, 4} {
			b.Judged = append(b.Judged, experiment.Judgement{Treatment: k, Callers: 90})
		}
		if change != nil {
			change(i, &b)
		}
		bs = append(bs, b)
	}
	return e, bs
}

func phase(r *rand.Rand, ph study.Phase, k int) experiment.PhaseRecord {
	rec := experiment.PhaseRecord{Phase: ph, Wall: ph.Duration, Host: measure.HostCPU{Busy: ph.Duration / 2, Idle: 3 * ph.Duration / 2}}
	for i := range k {
		cpu := 2 * time.Millisecond
		if ph.Kind == study.Latency {
			cpu = time.Duration(float64(40+i)*400+50*r.NormFloat64()) * time.Microsecond
		}
		for _, role := range []string{"proxy", "service"} {
			rec.Parts = append(rec.Parts, experiment.Part{Treatment: i, Role: role, CPU: cpu, Memory: measure.Memory{Private: 8e6, RSS: 20e6, Shared: 12e6}})
		}
	}
	rec.Stats = load.Stats{Scheduled: 100, Sent: 100, CPU: 10 * time.Millisecond, Spin: 5 * time.Millisecond}
	return rec
}

func samples(r *rand.Rand, ph study.Phase, add []float64, settle float64) []load.Sample {
	var out []load.Sample
	for j := range int(ph.Rate * ph.Duration.Seconds()) {
		if len(ph.Targets) == 0 {
			break
		}
		k := ph.Targets[r.IntN(len(ph.Targets))]
		at := time.Duration(j) * time.Millisecond
		us := 200 + add[k] + settle + 10*r.ExpFloat64()
		x := load.Sample{Intended: at, Written: at + 2*time.Microsecond, Target: uint16(k), User: uint32(j % 100), Status: 200}
		x.LastByte = at + time.Duration(us*float64(time.Microsecond))
		x.FirstByte = x.LastByte
		if ph.Kind == study.Enforce && j%3 == 0 {
			x.Status, x.Class = 429, load.Limited
		}
		out = append(out, x)
	}
	return out
}

func both(t *testing.T, r *report.Report) (text, json string) {
	t.Helper()
	var a, b bytes.Buffer
	if err := r.Text(&a); err != nil {
		t.Fatal(err)
	}
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	return a.String(), b.String()
}

func TestReportGolden(t *testing.T) {
	for _, c := range []struct {
		name   string
		blocks int
		change func(int, *experiment.Block)
	}{
		{"whole", 12, nil},
		{"screening", 3, nil},
		{"void", 12, func(i int, b *experiment.Block) {
			if i == 2 {
				b.Void = "steal 12.0 %, the limit is 10.0 %"
			}
		}},
		{"wrong", 12, func(i int, b *experiment.Block) {
			if i == 5 {
				b.Judged[0].Wrong = "user-00007 was allowed one more than its bucket held"
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, bs := made(t, c.blocks, c.change)
			r, err := report.New(e, experiment.Done, bs)
			if err != nil {
				t.Fatal(err)
			}
			text, json := both(t, r)
			golden.Check(t, c.name+".txt", []byte(text))
			if c.name == "whole" {
				golden.Check(t, "whole.json", []byte(json))
			}
		})
	}
}

func TestReportSaysWhatItFound(t *testing.T) {
	e, bs := made(t, 12, nil)
	r, err := report.New(e, experiment.Done, bs)
	if err != nil {
		t.Fatal(err)
	}
	verdict := map[string]string{}
	for _, c := range r.Comparisons {
		if c.Endpoint == "p50" && c.Primary {
			verdict[c.Treatment] = c.Verdict
		}
	}
	if verdict["native"] != "immaterial" || verdict["library"] != "material" {
		t.Errorf("1.5 and 30 µs with a margin of 2 %% of 260 µs: %v", verdict)
	}
	if len(r.AA) != 1 || !r.AA[0].P50.Inside {
		t.Errorf("A/A %+v", r.AA)
	}
	for _, x := range r.Treatments {
		if x.P99 != nil || x.Why["p99"] == "" {
			t.Errorf("%s: p99 of %d requests, why %v", x.Name, x.Requests, x.Why)
		}
	}
	if n := len(r.Sentences); n != 4 || !strings.HasPrefix(r.Sentences[1], "native (native ratelimit) adds to token: +1.") {
		t.Errorf("sentences %q", r.Sentences)
	}
}

func TestReportWithoutABlock(t *testing.T) {
	e, _ := made(t, 1, nil)
	if _, err := report.New(e, experiment.Failed, nil); err == nil {
		t.Fatal("no error")
	} else {
		text, _ := both(t, report.Unfinished(e, experiment.Failed, err))
		if !strings.Contains(text, "no block that counts") {
			t.Errorf("%s", text)
		}
	}
}
