// Package reporttest makes experiments with known figures, without running
// anything: for tests of what is made of an experiment's report.
//
// The same study gives the same experiment, byte for byte. Tests only.
package reporttest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/study"
)

// Study has a function at the end of a ladder behind Envoy, with an A/A copy.
const Study = `tare: study/1
name: weighed
question: What does it add?
dataplane: envoy
workload: {name: echo}
function: {name: ratelimit}
load: {rate: 250/s, connections: 4}
treatments:
  - {name: direct, control: direct}
  - {name: router, control: router, baseline: direct}
  - {name: router-aa, control: aa, baseline: router}
  - {name: native, form: native, baseline: router}
design: {blocks: 10, latency: 5s, control_every: -1, stop: fixed}
`

// Experiment makes an experiment of a study with four treatments, done. The
// first answers in 100 µs and a little more, the second and third in 160, the
// fourth in 180; one request in 500 fails. CPU time per request is 10 µs in the
// first's service, 25 in each process of the next two, 30 in each of the fourth.
func Experiment(t testing.TB, text string) (experiment.Experiment, []experiment.Block) {
	t.Helper()
	s, err := study.Parse("measured.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := study.MakePlan(*s, study.Options{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	e := experiment.Experiment{ID: "20260102-030405-abcdef", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Plan: *p,
		Environment: measure.Environment{CPU: "a CPU", Cores: 2, CoresOnline: 4, Memory: 8e9, Kernel: "6.1", Arch: "amd64", Go: "go1.26"},
		Program:     experiment.Program{Version: "v1", SHA256: "abc"}, Command: []string{"tare", "run", "measured.yaml"},
		Planes: []dataplane.Program{{Plane: "envoy", Version: "1.40.0", SHA256: "def"}}}
	r := rand.New(rand.NewPCG(1, 2))
	var blocks []experiment.Block
	for i, plan := range p.Blocks {
		b := experiment.Block{ID: "b", Index: plan.Index, Attempt: 1, Started: e.Started.Add(time.Duration(i) * time.Minute), Took: 5 * time.Second}
		settled := 2 * r.NormFloat64()
		for _, ph := range plan.Phases {
			rec, samples := phaseOf(r, ph, settled)
			b.Phases, b.Samples = append(b.Phases, rec), append(b.Samples, samples)
		}
		blocks = append(blocks, b)
	}
	return e, blocks
}

func phaseOf(r *rand.Rand, ph study.Phase, settled float64) (experiment.PhaseRecord, []load.Sample) {
	add := []float64{0, 60, 60, 80}
	rec := experiment.PhaseRecord{Phase: ph, Wall: ph.Duration, Host: measure.HostCPU{Busy: ph.Duration, Idle: ph.Duration}}
	var samples []load.Sample
	for j := range int(ph.Rate * ph.Duration.Seconds()) {
		k := ph.Targets[r.IntN(len(ph.Targets))]
		at := time.Duration(j) * time.Millisecond
		x := load.Sample{Intended: at, Written: at + time.Microsecond, Target: uint16(k), Status: 200}
		x.LastByte = at + time.Duration((100+add[k]+settled+10*r.ExpFloat64())*1e3)
		x.FirstByte = x.LastByte
		if j%500 == 499 {
			x.Status, x.Class = 503, load.ServerError
		}
		samples = append(samples, x)
	}
	rec.Stats = load.Stats{Scheduled: len(samples), Sent: len(samples)}
	for k := range add {
		m := measure.Memory{Private: 10e6, RSS: 30e6, Shared: 20e6}
		busy := time.Duration(0)
		if ph.Kind == study.Latency {
			busy = time.Duration((20 + add[k]/2) * ph.Rate / 4 * ph.Duration.Seconds() * 1e3)
		}
		if k > 0 {
			rec.Parts = append(rec.Parts, experiment.Part{Treatment: k, Role: "proxy", CPU: busy / 2, Memory: m})
		}
		rec.Parts = append(rec.Parts, experiment.Part{Treatment: k, Role: "service", CPU: busy / 2, Memory: m})
	}
	return rec, samples
}
