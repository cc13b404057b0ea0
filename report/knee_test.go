package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
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

const kneeText = `tare: study/1
name: capacity
question: How much does each answer in time?
workload: {name: echo}
load: {rate: 800/s}
treatments:
  - {name: plain, control: direct}
  - {name: plain-aa, control: aa, baseline: plain}
  - {name: more, baseline: plain, workload: {work: 100us}}
  - {name: hopeless, baseline: plain, workload: {work: 1s}}
  - {name: endless, baseline: plain, workload: {work: 1us}}
design: {name: knee, objective: "p90<5ms,errors<1%", blocks: 12, stop: fixed}
`

// kneed is a knee study whose treatments are queues: blocks of probes at given
// rates around a knee, the first of them those of the search.
func kneed(t testing.TB, blocks int) *report.Report {
	t.Helper()
	r, err := report.New(queues(t, blocks))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func queues(t testing.TB, blocks int) (experiment.Experiment, experiment.State, []experiment.Block) {
	t.Helper()
	s, err := study.Parse("knee.yaml", []byte(kneeText))
	if err != nil {
		t.Fatal(err)
	}
	p, err := study.MakePlan(*s, study.Options{Seed: 11})
	if err != nil {
		t.Fatal(err)
	}
	e := experiment.Experiment{ID: "20260101-000000-abcdef", Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Plan: *p,
		Environment: measure.Environment{CPU: "a CPU", Cores: 2, Kernel: "6.1", Go: "go1.26"}, Program: experiment.Program{Version: "v1"}, Command: []string{"tare", "knee", "knee.yaml"}}
	service := []float64{1e-3, 1e-3, 1.1e-3, 1, 1e-6}
	r := rand.New(rand.NewPCG(3, 3))
	var bs []experiment.Block
	for i, plan := range p.Blocks[:blocks] {
		b := experiment.Block{ID: e.ID + "-x", Index: plan.Index, Attempt: 1, Started: e.Started.Add(time.Duration(i) * time.Minute), Took: 20 * time.Second}
		b.Phases = append(b.Phases, experiment.PhaseRecord{Phase: study.Phase{Kind: study.Idle}, Wall: time.Second})
		b.Samples = append(b.Samples, nil)
		for k, own := range service {
			around := []float64{0.8, 0.95, 1.02, 1.2} // of a knee near 0.76
			if i > 0 {
				part := 0.1 * r.Float64()
				around = []float64{0.82 + part, 0.92 + part, 1.02 + part, 0.5}
			}
			for _, share := range around {
				rate := math.Round(share * 0.76 / own)
				switch k {
				case 3:
					rate = 100 // no rate meets it
				case 4:
					rate = math.Round(20_000 * share)
				}
				rec, samples := queue(r, k, rate, own)
				b.Phases, b.Samples = append(b.Phases, rec), append(b.Samples, samples)
			}
		}
		bs = append(bs, b)
	}
	return e, experiment.Done, bs
}

// queue is a probe of an M/D/1 queue.
func queue(r *rand.Rand, k int, rate, service float64) (experiment.PhaseRecord, []load.Sample) {
	length := 4000 / rate
	var samples []load.Sample
	free := 0.0
	for at := r.ExpFloat64() / rate; at < length; at += r.ExpFloat64() / rate {
		free = max(free, at) + service
		done := time.Duration(free * 1e9)
		samples = append(samples, load.Sample{Intended: time.Duration(at * 1e9), Written: time.Duration(at * 1e9), FirstByte: done, LastByte: done, Target: uint16(k), Status: 200})
	}
	wall := time.Duration(length * 1e9)
	return experiment.PhaseRecord{
		Phase: study.Phase{Kind: study.Probe, Targets: []int{k}, Rate: rate, Duration: wall}, Wall: wall,
		Stats: load.Stats{Scheduled: len(samples), Sent: len(samples), Wall: wall, Threads: 1, BytesSent: int64(80 * len(samples)), BytesReceived: int64(200 * len(samples))},
		Parts: []experiment.Part{{Treatment: k, Role: "service", CPU: time.Duration(float64(len(samples)) * service * 1e9)}},
		Host:  measure.HostCPU{Busy: wall / 2, Idle: wall / 2},
	}, samples
}

func TestKneeText(t *testing.T) {
	var b bytes.Buffer
	if err := kneed(t, 12).Text(&b); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "knee.txt", b.Bytes())
}

// Goodput is that of whole requests and responses, CPU that of the treatment.
func TestKneeFigures(t *testing.T) {
	r := kneed(t, 12)
	names := map[string]string{}
	for _, k := range r.Knee.Treatments {
		names[k.Name] = k.Bound
		if k.Name != "plain" {
			continue
		}
		if k.Rate == nil || k.Low == nil || *k.Low > 758 || *k.High < 758 { // Erlang's formula: 757.7
			t.Errorf("knee %+v", k)
		}
		for _, p := range k.Curve {
			if want := p.Served * 200 * 8e-6; math.Abs(p.In/want-1) > 0.02 || math.Abs(p.Out/p.In-0.4) > 0.01 {
				t.Errorf("at %g/s %g Mb/s came in and %g went out, want %g", p.Rate, p.In, p.Out, want)
			}
			if p.CPU == nil || math.Abs(*p.CPU-1000) > 1 {
				t.Errorf("at %g/s a request took %v µs of CPU, want 1000", p.Rate, p.CPU)
			}
		}
	}
	if want := "map[endless:at least hopeless:below more:knee plain:knee plain-aa:knee]"; fmt.Sprint(names) != want {
		t.Errorf("%v, want %s", names, want)
	}
	if len(r.AA) != 1 || r.AA[0].Knee == nil || r.AA[0].Knee.Low > 0 || r.AA[0].Knee.High < 0 {
		t.Errorf("the gate %+v", r.AA)
	}
	if len(r.Comparisons) != 1 || r.Comparisons[0].Verdict != "material" || *r.Comparisons[0].Direction != "worse" || r.Comparisons[0].Unit != "per_s" {
		t.Errorf("%+v", r.Comparisons)
	}
}

// A report without figures is still one, in every form.
func TestKneeOfFewBlocks(t *testing.T) {
	for blocks := 1; blocks <= 3; blocks++ {
		r := kneed(t, blocks)
		var text, js, sheet bytes.Buffer
		for _, err := range []error{r.Text(&text), r.JSON(&js), r.CSV(&sheet)} {
			if err != nil {
				t.Fatalf("%d blocks: %v", blocks, err)
			}
		}
		if !json.Valid(js.Bytes()) || strings.Contains(text.String(), "NaN") || strings.Contains(sheet.String(), "NaN") {
			t.Errorf("%d blocks:\n%s", blocks, text.String())
		}
	}
}

func TestKneeCSV(t *testing.T) {
	var b bytes.Buffer
	if err := kneed(t, 12).CSV(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for want, n := range map[string]int{"\nknee,": 5, "\nprobe,": 5 * 12 * 4, "\ncomparison,": 1} {
		if got := strings.Count(text, want); got != n {
			t.Errorf("%d rows begin %q, want %d", got, want, n)
		}
	}
}
