package storetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
)

const studyText = `
tare: study/1
name: kept
question: Is what is kept what was measured? ½ µs
workload: {name: echo, params: {body: 64}}
treatments:
  - {name: plain, control: direct}
  - {name: copy, baseline: plain, control: aa}
  - {name: busy, baseline: plain, workload: {body: 64, work: 5us}}
design: {blocks: 12}
`

// at is an instant with a nanosecond that a coarser clock would lose.
func at(minutes int) time.Time {
	return time.Date(2030, 1, 2, 3, 4, 5, 600_000_001, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

// Experiment makes an experiment with every field set.
func Experiment(t testing.TB, id string, started time.Time) experiment.Experiment {
	t.Helper()
	s, err := study.Parse("kept.yaml", []byte(studyText))
	if err != nil {
		t.Fatal(err)
	}
	p, err := study.MakePlan(*s, study.Options{Seed: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	return experiment.Experiment{
		ID: id, Started: started, Plan: *p,
		Environment: measure.Environment{CPU: "a CPU", CoresOnline: 4, Cores: 2, CPULimit: 1.5, Memory: 1 << 33, Kernel: "6", OS: "an OS",
			Arch: "amd64", Hypervisor: "one", Governor: "performance", Go: "go1.26", Load: [3]float64{0.1, 0.2, 0.3}},
		Program: experiment.Program{Version: "v1", SHA256: "abc"},
		Command: []string{"tare", "run", "a file.yaml"},
	}
}

// Block makes a block that counts, with so many samples in its one phase under
// load. The same arguments give the same block; others, another.
func Block(index, attempt, samples int) experiment.Block {
	r := rand.New(rand.NewPCG(uint64(index), uint64(attempt)))
	d := func() time.Duration { return time.Duration(r.Int64N(int64(time.Second))) }
	memory := measure.Memory{Private: r.Uint64(), RSS: r.Uint64(), Shared: r.Uint64()}
	host := measure.HostCPU{Busy: d(), Interrupts: d(), Idle: d(), IOWait: d(), Steal: d()}
	return experiment.Block{
		ID: fmt.Sprintf("block-%d-%d", index, attempt), Index: index, Attempt: attempt,
		Started: at(index).Add(d()), Took: d(),
		Phases: []experiment.PhaseRecord{
			{Phase: study.Phase{Kind: study.Idle, Duration: d()}, Wall: d(), Host: host,
				Parts: []experiment.Part{{Treatment: experiment.PartSelf, Role: "tare", CPU: d(), Wait: d(), Memory: memory}}},
			{Phase: study.Phase{Kind: study.Latency, Targets: []int{0, 1, 2}, Rate: 1500.5, Duration: d(), Seed: r.Uint64()}, Wall: d(), Host: host,
				Stats: load.Stats{Scheduled: samples, Sent: samples, Began: d(), Wall: d(), CPU: d(), Spin: d(), Margin: d(), Opened: 24, Saturated: true},
				Parts: []experiment.Part{{Treatment: 2, Role: "service", CPU: d(), Wait: d(), Memory: memory}}},
		},
		Judged:   []experiment.Judgement{{Treatment: 2, Wrong: "one more was allowed", Callers: r.IntN(1000)}},
		Work:     []experiment.WorkStats{{Treatment: 1, Stats: workload.Stats{Served: r.Int64(), Worked: r.Int64(), WorkCPU: r.Int64()}}},
		Warnings: []string{"a warning"},
		Samples:  [][]load.Sample{{}, randomSamples(r, samples)},
	}
}

// randomSamples are about as long, once encoded, as measured ones.
func randomSamples(r *rand.Rand, n int) []load.Sample {
	samples := make([]load.Sample, n)
	now := time.Second
	for i := range samples {
		now += time.Duration(r.ExpFloat64() * 3e5)
		s := load.Sample{Intended: now, User: r.Uint32N(2000), Target: uint16(r.UintN(3)), Status: 200}
		s.Written = s.Intended + time.Duration(r.ExpFloat64()*2e4)
		s.FirstByte = s.Written + time.Duration(r.ExpFloat64()*2e5)
		s.LastByte = s.FirstByte + time.Duration(r.ExpFloat64()*1e4)
		if r.UintN(50) == 0 {
			s.FirstByte, s.LastByte, s.Status, s.Class = -1, -1, 0, load.Timeout
		}
		samples[i] = s
	}
	return samples
}

// Options compare experiments and blocks: a study's parameters by their JSON,
// without the place in a file that they came from; nil and empty lists alike;
// samples as a whole, since there are many.
func Options() cmp.Option {
	return cmp.Options{
		cmp.Comparer(func(a, b study.Params) bool { return paramsText(a) == paramsText(b) }),
		cmpopts.IgnoreUnexported(study.Study{}, study.Design{}, study.Treatment{}),
		cmpopts.EquateEmpty(),
		cmp.FilterValues(func(a, b []load.Sample) bool { return len(a)+len(b) > 0 }, cmp.Comparer(slices.Equal[[]load.Sample])),
	}
}

func paramsText(p study.Params) string {
	text, err := json.Marshal(p)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
