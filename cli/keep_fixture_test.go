package cli_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/study"
)

// keptResult is a result that a test puts into a data directory without running it.
type keptResult struct {
	id, study string        // of examples/gate
	age       time.Duration // before now
	cpu       float64       // µs, of treatment after on top of the 335 of the others
	blocks    int           // that finished, of 12; 0: all, below 0: none
	host      string        // CPU model
}

// keep puts results into a data directory.
func keep(t *testing.T, dir string, results ...keptResult) {
	t.Helper()
	st, err := catalog.OpenStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for n, k := range results {
		if err := k.into(t, st, uint64(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func (k keptResult) into(t *testing.T, st store.Store, seed uint64) error {
	t.Helper()
	s, err := study.ReadFile("../examples/gate/" + k.study + ".yaml")
	if err != nil {
		return err
	}
	s.Design.Blocks = 12
	p, err := study.MakePlan(*s, study.Options{})
	if err != nil {
		return err
	}
	if k.host == "" {
		k.host = "a CPU"
	}
	started := time.Now().Add(-k.age)
	e := experiment.Experiment{ID: k.id, Started: started, Plan: *p, Environment: measure.Environment{CPU: k.host, Cores: 2, Arch: "amd64"}, Program: experiment.Program{Version: "v1"}}
	if err := st.Begin(t.Context(), e); err != nil {
		return err
	}
	blocks, state := p.Blocks, experiment.Done
	if k.blocks != 0 {
		blocks, state = blocks[:max(0, k.blocks)], experiment.Interrupted
	}
	r := rand.New(rand.NewPCG(seed, 1))
	for _, pb := range blocks {
		if err := st.Append(t.Context(), k.id, k.block(p, pb.Index, started, r)); err != nil {
			return err
		}
	}
	return st.End(t.Context(), k.id, state, started.Add(time.Minute))
}

func (k keptResult) block(p *study.Plan, index int, started time.Time, r *rand.Rand) experiment.Block {
	const requests = 210
	us := func(x float64) time.Duration { return time.Duration(x * 1e3) }
	idle := experiment.PhaseRecord{Phase: study.Phase{Kind: study.Idle}, Wall: time.Second}
	busy := experiment.PhaseRecord{Phase: study.Phase{Kind: study.Latency, Duration: time.Second}, Wall: time.Second, Host: measure.HostCPU{Busy: time.Second, Idle: time.Second}}
	var samples []load.Sample
	for i, t := range p.Study.Treatments {
		cpu := 335.0 + r.NormFloat64()
		if t.Name == "after" {
			cpu += k.cpu
		}
		busy.Parts = append(busy.Parts, experiment.Part{Treatment: i, Role: "service", CPU: us(cpu * requests)})
		level := 400 + r.NormFloat64()
		for n := range requests {
			at := time.Duration(n) * time.Millisecond
			last := at + us(level+float64(n%21)-10)
			samples = append(samples, load.Sample{Intended: at, Written: at, FirstByte: last, LastByte: last, Target: uint16(i), Status: 200})
		}
	}
	busy.Stats = load.Stats{Scheduled: len(samples), Sent: len(samples)}
	return experiment.Block{ID: fmt.Sprintf("%s-%d", k.id, index), Index: index, Attempt: 1, Started: started, Took: time.Second,
		Phases: []experiment.PhaseRecord{idle, busy}, Samples: [][]load.Sample{{}, samples}}
}
