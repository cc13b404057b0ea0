package report_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/study"
)

const planesText = `tare: study/1
name: planes
question: What does it cost on either?
dataplane: [envoy, embedded]
workload: {name: imagehub}
function: {name: ratelimit}
load: {rate: 400/s}
treatments:
  - {name: router, control: router}
  - {name: token, control: token, baseline: router}
  - {name: token-aa, control: aa, baseline: token}
  - {name: noop-wasm, control: noop, form: wasm, baseline: token}
  - {name: wasm, form: wasm, baseline: token, against: [noop-wasm]}
design: {blocks: 12, latency: 1s, stop: fixed}
`

const pairsText = `tare: study/1
name: pairs
question: Which is dearer?
dataplane: [envoy, embedded]
workload: {name: imagehub}
function: {name: ratelimit}
treatments:
  - {name: router, control: router}
  - {name: library, form: library, baseline: router}
  - {name: library-aa, control: aa, baseline: library}
  - {name: wasm, form: wasm, baseline: router}
design: {name: pairs, pair: [library, wasm], levels: [400/s, closed], blocks: 16}
reference:
  source: somebody, somewhere
  figures:
    - {treatment: library, level: 400/s, p50: 3.19ms}
    - {treatment: wasm, level: 400/s, p50: 2.1ms}
    - {treatment: library, level: closed, p50: 0.66ms, rate: 4417/s}
    - {treatment: wasm, level: closed, p50: 0.62ms, rate: 5781/s}
  differs: [theirs was another machine]
`

// computed is an experiment whose blocks are computed: each treatment adds what
// its name on its plane says, or that of a cell, in µs.
func computed(t *testing.T, text string, add map[string]float64) (experiment.Experiment, []experiment.Block) {
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
		Planes:  []dataplane.Program{{Plane: "envoy", Version: "1.40.0", Path: "/opt/envoy", SHA256: "0123456789abcdef"}, {Plane: "embedded", Version: "built in"}},
		Command: []string{"tare", "run", "fake.yaml"}}
	extra := make([]float64, len(p.Study.Treatments))
	for i := range extra {
		extra[i] = add[p.Study.Written(i)+" "+p.Study.PlaneOf(i)] + add[p.Study.Treatments[i].Name]
	}
	r := rand.New(rand.NewPCG(3, 3))
	var bs []experiment.Block
	for i, plan := range p.Blocks {
		b := experiment.Block{Index: plan.Index, Attempt: 1, Started: e.Started.Add(time.Duration(i) * time.Minute), Took: 6 * time.Second}
		for _, ph := range plan.Phases {
			if ph.Heaviest && len(ph.Targets) == 0 {
				ph.Targets = []int{heaviest(p, plan)}
			}
			rec := phase(r, ph, len(extra))
			if ph.Kind == study.Closed {
				ph.Rate = 2000
				rec.Stats.Throughput = 1e6 / (200 + extra[ph.Targets[0]] + r.Float64())
			}
			b.Phases = append(b.Phases, rec)
			b.Samples = append(b.Samples, samples(r, ph, extra, 0))
		}
		bs = append(bs, b)
	}
	return e, bs
}

// heaviest is the last treatment on the data plane of a block's solo baseline.
func heaviest(p *study.Plan, b study.Block) int {
	base := 0
	for _, ph := range b.Phases {
		if ph.Kind == study.Solo && !ph.Heaviest {
			base = ph.Targets[0]
		}
	}
	last := -1
	for i := range p.Study.Treatments {
		if p.Study.PlaneOf(i) == p.Study.PlaneOf(base) {
			last = i
		}
	}
	return last
}

func TestReportOfPlanesGolden(t *testing.T) {
	e, bs := computed(t, planesText, map[string]float64{
		"router envoy": 100, "token envoy": 120, "token-aa envoy": 120, "noop-wasm envoy": 150, "wasm envoy": 190,
		"router embedded": 40, "token embedded": 50, "token-aa embedded": 50, "noop-wasm embedded": 60, "wasm embedded": 70,
	})
	r, err := report.New(e, experiment.Done, bs)
	if err != nil {
		t.Fatal(err)
	}
	text, json := both(t, r)
	golden.Check(t, "planes.txt", []byte(text))
	for _, c := range r.CostRatios {
		if c.Treatment == "wasm" && c.Endpoint == "p50" && (c.Interval == nil || c.Interval.Low > 3 || c.Interval.High < 3 || c.Over.DataPlane != "envoy") {
			t.Errorf("90 µs over 30 were planted: %+v", c)
		}
	}
	for _, want := range []string{`"cost_ratios": [`, `"planes": [`, `"over": {`, `"of": "wasm"`} {
		if !strings.Contains(json, want) {
			t.Errorf("the JSON has no %s", want)
		}
	}
}

func TestReportOfPairsGolden(t *testing.T) {
	e, bs := computed(t, pairsText, map[string]float64{
		"library envoy": 100, "library-aa envoy": 100, "wasm envoy": 130,
		"library embedded": 40, "library-aa embedded": 40, "wasm embedded": 41,
	})
	r, err := report.New(e, experiment.Done, bs)
	if err != nil {
		t.Fatal(err)
	}
	text, json := both(t, r)
	golden.Check(t, "pairs.txt", []byte(text))
	for _, want := range []string{`"pairs": {`, `"closed_loop_p50_us":`, `"unit": "per_s"`, `"cells": 4`, `"differs": [`, `"level": "closed"`} {
		if !strings.Contains(json, want) {
			t.Errorf("the JSON has no %s", want)
		}
	}
	if len(r.Pairs.Rows) != 6 || len(r.Treatments) != 12 || r.Cells != 4 {
		t.Fatalf("%d rows, %d treatments, %d cells", len(r.Pairs.Rows), len(r.Treatments), r.Cells)
	}
	row := r.Pairs.Rows[1] // envoy, closed
	if row.Endpoint != "throughput" || row.Difference == nil || row.Difference.Estimate > 0 || *row.Direction != "worse" || *row.Treatment.Reference != 5781 ||
		row.Baseline.ClosedP50 == nil || row.Rate != nil {
		t.Errorf("%+v", row)
	}
	if beside := r.Pairs.Rows[2]; beside.Level != "closed" || beside.Endpoint != "p50" || beside.Rate == nil || *beside.Rate != 400 || beside.Primary || beside.Baseline.Reference != nil {
		t.Errorf("beside the closed loop: %+v", beside)
	}
	for _, x := range r.Treatments {
		if strings.HasPrefix(x.Name, "router") {
			t.Errorf("%s never stood, and is reported", x.Name)
		}
	}
}
