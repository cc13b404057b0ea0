package comparison_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/taremesh/tare/comparison"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/study"
)

// machine makes the blocks that a run of a plan would give: every start of a
// process settles on a value of its own, and the host drifts under all of them.
type machine struct {
	p50, cpu float64            // of the first treatment, µs
	effect   map[string]effects // by treatment, on top
	spread   float64            // from start to start, share
	drift    float64            // of the host from block to block, share
	shift    float64            // of the host in this run, share
	requests int                // to each treatment in a block
}

type effects struct{ p50, cpu float64 } // µs

// quiet is a machine as a CI runner is.
func quiet() machine {
	return machine{p50: 400, cpu: 335, spread: 0.006, drift: 0.01, requests: 210}
}

// blocks carries the plan out.
func (m machine) blocks(p *study.Plan, seed uint64) []experiment.Block {
	r := rand.New(rand.NewPCG(seed, 7))
	host := 1 + m.shift
	var blocks []experiment.Block
	for _, pb := range p.Blocks {
		host += m.drift * r.NormFloat64()
		b := experiment.Block{ID: fmt.Sprint(pb.Index), Index: pb.Index, Attempt: 1, Started: start.Add(time.Duration(pb.Index) * time.Second), Took: time.Second}
		idle := experiment.PhaseRecord{Phase: study.Phase{Kind: study.Idle, Duration: 200 * time.Millisecond}, Wall: 200 * time.Millisecond}
		busy := experiment.PhaseRecord{Phase: study.Phase{Kind: study.Latency, Duration: time.Second, Targets: p.Arms(pb.Index), Rate: 500}, Wall: time.Second}
		var samples []load.Sample
		for _, i := range p.Arms(pb.Index) {
			e := m.effect[p.Study.Treatments[i].Name]
			p50 := (m.p50 + e.p50) * host * (1 + m.spread*r.NormFloat64())
			cpu := (m.cpu + e.cpu) * host * (1 + m.spread*r.NormFloat64())
			for k := range m.requests {
				at := time.Duration(k) * time.Millisecond
				last := at + micros(p50*0.8+0.2/math.Ln2*p50*r.ExpFloat64())
				samples = append(samples, load.Sample{Intended: at, Written: at, FirstByte: last, LastByte: last, Target: uint16(i), Status: 200})
			}
			idle.Parts = append(idle.Parts, experiment.Part{Treatment: i, Role: "service"})
			busy.Parts = append(busy.Parts, experiment.Part{Treatment: i, Role: "service", CPU: micros(cpu * float64(m.requests))})
		}
		busy.Stats = load.Stats{Scheduled: len(samples), Sent: len(samples)}
		busy.Host = measure.HostCPU{Busy: 600 * time.Millisecond, Idle: 1400 * time.Millisecond}
		b.Phases, b.Samples = []experiment.PhaseRecord{idle, busy}, [][]load.Sample{{}, samples}
		blocks = append(blocks, b)
	}
	return blocks
}

func micros(us float64) time.Duration { return time.Duration(us * float64(time.Microsecond)) }

var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// planOf plans a study file of the examples, with so many blocks.
func planOf(t testing.TB, name string, blocks int) *study.Plan {
	t.Helper()
	s, err := study.ReadFile("../examples/gate/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return plan(t, s, blocks)
}

func plan(t testing.TB, s *study.Study, blocks int) *study.Plan {
	t.Helper()
	if blocks > 0 {
		s.Design.Blocks = blocks
	}
	p, err := study.MakePlan(*s, study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// experimentOf is one carrying-out of a plan on the usual host.
func experimentOf(id string, p *study.Plan, days int) experiment.Experiment {
	return experiment.Experiment{ID: id, Started: start.AddDate(0, 0, days), Plan: *p,
		Environment: measure.Environment{CPU: "a CPU", Cores: 2, CoresOnline: 2, Arch: "amd64", Kernel: "6.1", Governor: "performance", Go: "go1.26"},
		Program:     experiment.Program{Version: "v1", SHA256: "abc"}}
}

// ran is a done result of a plan on a machine.
func ran(t testing.TB, id string, p *study.Plan, days int, m machine, asked study.Margins) *comparison.Result {
	t.Helper()
	r, err := comparison.Read(experimentOf(id, p, days), experiment.Done, m.blocks(p, uint64(len(id))+uint64(days)*1000+17), asked)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
