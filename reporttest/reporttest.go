// Package reporttest makes experiments with known figures, without running
// anything: for tests of what is made of an experiment's report.
//
// The same study gives the same experiment, byte for byte. Tests only.
package reporttest

import (
	"math/rand/v2"
	"slices"
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

// Studies are one of each design, by name: for tests that hold for any result.
func Studies() map[string]string {
	const head = "tare: study/1\nname: weighed\ndataplane: envoy\nworkload: {name: echo}\n"
	const ladder = "function: {name: ratelimit}\ntreatments:\n  - {name: direct, control: direct}\n  - {name: router, control: router, baseline: direct}\n" +
		"  - {name: router-aa, control: aa, baseline: router}\n  - {name: native, form: native, baseline: router}\n"
	return map[string]string{
		"interleaved": Study,
		"planes":      "tare: study/1\nname: weighed\ndataplane: [envoy, embedded]\nworkload: {name: echo}\n" + ladder + "design: {blocks: 4, latency: 1s, stop: fixed}\n",
		"windows":     head + ladder + "design: {name: windows, blocks: 4, latency: 1s, stop: fixed}\n",
		"pairs": head + "function: {name: ratelimit}\nload: {rate: 200/s}\ntreatments:\n  - {name: router, control: router}\n  - {name: library, form: library, baseline: router}\n" +
			"  - {name: library-aa, control: aa, baseline: library}\n  - {name: native, form: native, baseline: router}\n" +
			"design: {name: pairs, pair: [library, native], levels: [100/s, closed], blocks: 4, latency: 3s, stop: fixed}\n",
		"factorial": head + "treatments: [{name: router, control: router}]\nfactors: {connections: [2, 4], response: [1KiB, 4KiB]}\ndesign: {name: factorial, blocks: 4, latency: 1s, stop: fixed}\n",
		"aa":        head + "treatments:\n  - {name: arm-1, control: router}\n  - {name: arm-2, control: router}\ndesign: {name: aa, blocks: 4, latency: 1s, stop: fixed}\n",
	}
}

// Experiment makes an experiment of a study, done. A treatment answers in 100 µs
// and a little more, behind a proxy in 160, with the function in 20 more; one
// request in 500 fails. CPU time per request is 20 µs and half of what is more
// than 100, shared by proxy and service.
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
			rec, samples := phaseOf(r, p, plan.Index, ph, settled)
			b.Phases, b.Samples = append(b.Phases, rec), append(b.Samples, samples)
		}
		blocks = append(blocks, b)
	}
	return e, blocks
}

// more is what a treatment takes beyond 100 µs.
func more(s *study.Study, i int) float64 {
	us := 0.0
	if s.OnMesh(i) {
		us = 60
	}
	for _, k := range s.Ladder(i) {
		if t := s.Treatments[k]; t.Form != "" && t.Control == "" {
			us += 20
		}
	}
	return us
}

func phaseOf(r *rand.Rand, p *study.Plan, block int, ph study.Phase, settled float64) (experiment.PhaseRecord, []load.Sample) {
	arms := p.Arms(block)
	if ph.Heaviest && len(ph.Targets) == 0 {
		ph.Targets = arms[len(arms)-1:]
	}
	rec := experiment.PhaseRecord{Phase: ph, Wall: ph.Duration, Host: measure.HostCPU{Busy: ph.Duration, Idle: ph.Duration}}
	var samples []load.Sample
	for j := range int(ph.Rate * ph.Duration.Seconds()) {
		samples = append(samples, sample(r, &p.Study, ph, j, settled))
	}
	rec.Stats = load.Stats{Scheduled: len(samples), Sent: len(samples)}
	if ph.Kind == study.Closed {
		rec.Stats.Throughput = 1e6 / (100 + more(&p.Study, ph.Targets[0]))
	}
	for _, k := range arms {
		m := measure.Memory{Private: 10e6, RSS: 30e6, Shared: 20e6}
		busy := time.Duration(0)
		if ph.Kind == study.Latency && slices.Contains(ph.Targets, k) {
			busy = time.Duration((20 + more(&p.Study, k)/2) * ph.Rate / float64(len(ph.Targets)) * ph.Duration.Seconds() * 1e3)
		}
		if p.Study.OnMesh(k) {
			rec.Parts = append(rec.Parts, experiment.Part{Treatment: k, Role: "proxy", CPU: busy / 2, Memory: m})
		}
		rec.Parts = append(rec.Parts, experiment.Part{Treatment: k, Role: "service", CPU: busy / 2, Memory: m})
	}
	return rec, samples
}

// sample is the j-th request of a phase.
func sample(r *rand.Rand, s *study.Study, ph study.Phase, j int, settled float64) load.Sample {
	k := ph.Targets[r.IntN(len(ph.Targets))]
	at := time.Duration(j) * time.Millisecond
	x := load.Sample{Intended: at, Written: at + time.Microsecond, Target: uint16(k), Status: 200}
	x.LastByte = at + time.Duration((100+more(s, k)+settled+10*r.ExpFloat64())*1e3)
	x.FirstByte = x.LastByte
	if j%500 == 499 {
		x.Status, x.Class = 503, load.ServerError
	}
	return x
}
