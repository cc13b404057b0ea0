package experiment_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/named"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
)

// The doubles below stand in for faults that real parts do not have on demand:
// a process that dies at a chosen moment, a judge that finds fault, a machine
// whose response times are known exactly.

// machine answers request i of treatment k after base + add[k] ± noise.
type machine struct {
	add    []time.Duration
	addOf  map[string]time.Duration // by treatment; used instead of add when set
	names  []string                 // of the treatments that stand
	paused []int                    // places of those that are stopped
	alone  []string                 // what was asked alone, and how many were stopped then
	noise  time.Duration
	limit  int // treatment that refuses everything; -1: none
	unsent int // every so many requests one is never sent; 0: none
	dieIn  int // block (counted by Up) in which a process dies; -1: none
	gone   int // block in which the generator is killed; -1: none
	failUp error
	ups    int
	served []int64
	now    time.Duration
	died   chan struct{}
}

func (*machine) Name() string { return "local" }

func (m *machine) Up(_ context.Context, ts []testbed.Topology, order []int) (testbed.Setup, error) {
	if m.failUp != nil {
		return nil, m.failUp
	}
	for i, k := range slices.Sorted(slices.Values(order)) {
		if i != k || len(order) != len(ts) {
			return nil, fmt.Errorf("%d topologies are to be started in the order %v", len(ts), order)
		}
	}
	m.ups++
	m.names = nil
	for _, t := range ts {
		m.names = append(m.names, t.Name)
	}
	m.served = make([]int64, len(ts))
	m.died = make(chan struct{})
	return m, nil
}

func (*machine) Addr(int) string { return "127.0.0.1:1" }
func (*machine) Processes(int) []testbed.Process {
	return []testbed.Process{{Role: testbed.ServiceRole, PID: os.Getpid()}}
}
func (m *machine) Stats(_ context.Context, i int) (workload.Stats, error) {
	return workload.Stats{Served: m.served[i]}, nil
}
func (m *machine) Pause(ks ...int) error {
	for _, k := range ks {
		if k < 0 || k >= len(m.names) {
			return fmt.Errorf("stop place %d of %v", k, m.names)
		}
	}
	m.paused = ks
	return nil
}
func (m *machine) Resume(...int) error   { m.paused = nil; return nil }
func (m *machine) Died() <-chan struct{} { return m.died }
func (m *machine) Err() error {
	select {
	case <-m.died:
		return errors.New("treatment b: the proxy ended: signal: killed")
	default:
		return nil
	}
}
func (*machine) Down() error { return nil }

// picky is a testbed that cannot hold library-form treatments.
type picky struct{ *machine }

func (picky) Name() string { return "picky" }
func (picky) Program(context.Context) (dataplane.Program, error) {
	return dataplane.Program{Plane: "picky", Version: "7"}, nil
}
func (picky) Check(t testbed.Topology) error {
	if len(t.Service.Functions) > 0 {
		return errors.New("no functions here")
	}
	return nil
}

// generator offers loads to the machine without time passing.
type generator struct{ m *machine }

func (generator) Name() string { return "openloop" }
func (g generator) Open(_ context.Context, targets []load.Target, p load.Population) (load.Session, error) {
	s := &session{m: g.m, k: len(targets), p: p, pid: os.Getpid()}
	if g.m.gone == g.m.ups-1 {
		g.m.gone = -1
		dead := exec.Command("true")
		if err := dead.Run(); err != nil {
			return nil, err
		}
		s.pid = dead.Process.Pid
	}
	return s, nil
}

// takes is what treatment k adds to every answer.
func (m *machine) takes(k int) time.Duration {
	if m.addOf != nil {
		return m.addOf[m.names[k]]
	}
	return m.add[k]
}

type session struct {
	m *machine
	k int
	p load.Population

	pid int
}

func (s *session) PID() int   { return s.pid }
func (*session) Close() error { return nil }
func (s *session) Generate(ctx context.Context, l load.Load, sink load.Sink) (load.Stats, error) {
	return hand(sink)(s.generate(ctx, l))
}

// hand gives the sink what was made.
func hand(sink load.Sink) func([]load.Sample, load.Stats, error) (load.Stats, error) {
	return func(made []load.Sample, stats load.Stats, err error) (load.Stats, error) {
		return stats, errors.Join(sink.Samples(made), err)
	}
}

func (s *session) generate(ctx context.Context, l load.Load) ([]load.Sample, load.Stats, error) {
	m := s.m
	if m.dieIn == m.ups-1 {
		m.dieIn = -1
		close(m.died)
		<-ctx.Done()
		return nil, load.Stats{}, ctx.Err()
	}
	if l.Closed && (len(m.paused) != s.k-1 || slices.Contains(m.paused, l.Targets[0])) {
		return nil, load.Stats{}, fmt.Errorf("a closed loop of %v while %v are stopped", l.Targets, m.paused)
	}
	if l.Closed {
		return s.closed(l)
	}
	if len(l.Targets) == 1 {
		m.alone = append(m.alone, fmt.Sprint(m.names[l.Targets[0]], " ", len(m.paused)))
	}
	schedule, err := load.NewSchedule(l, s.k, s.p)
	if err != nil {
		return nil, load.Stats{}, err
	}
	r := rand.New(rand.NewPCG(l.Seed, 99))
	var out []load.Sample
	var last time.Duration
	for {
		a, ok := schedule.Next()
		if !ok {
			break
		}
		last = a.At
		at := m.now + a.At
		x := load.Sample{Intended: at, Written: at + time.Microsecond, User: uint32(a.User), Target: uint16(a.Target), Status: 200}
		x.LastByte = x.Written + 100*time.Microsecond + m.takes(a.Target) + time.Duration(r.Int64N(int64(m.noise)))
		x.FirstByte = x.LastByte
		if m.unsent > 0 && len(out)%m.unsent == 0 {
			x = load.Sample{Intended: at, Written: -1, FirstByte: -1, LastByte: -1, User: x.User, Target: x.Target, Class: load.Timeout}
		} else if a.Target == m.limit {
			x.Status, x.Class = 429, load.Limited
		} else {
			m.served[a.Target]++
		}
		out = append(out, x)
	}
	m.now += last + time.Second
	return out, load.Stats{Scheduled: len(out), Sent: len(out), Wall: last}, nil
}

// closed answers one request after the other.
func (s *session) closed(l load.Load) ([]load.Sample, load.Stats, error) {
	m, k := s.m, l.Targets[0]
	if err := l.Check(s.k, s.p); err != nil {
		return nil, load.Stats{}, err
	}
	r := rand.New(rand.NewPCG(l.Seed, 99))
	var out []load.Sample
	for at := time.Duration(0); at < l.Duration; {
		x := load.Sample{Intended: m.now + at, Written: m.now + at, Target: uint16(k), Status: 200}
		at += 100*time.Microsecond + m.takes(k) + time.Duration(r.Int64N(int64(m.noise)))
		x.LastByte = m.now + at
		x.FirstByte = x.LastByte
		m.served[k]++
		out = append(out, x)
	}
	m.now += l.Duration + time.Second
	return out, load.Stats{Scheduled: len(out), Sent: len(out), Wall: l.Duration, Throughput: float64(len(out)) / l.Duration.Seconds()}, nil
}

// journal keeps blocks in memory.
type journal struct {
	blocks []experiment.Block
	state  experiment.State
	full   bool
}

func (*journal) Begin(context.Context, experiment.Experiment) error { return nil }
func (j *journal) Append(_ context.Context, _ string, b experiment.Block) error {
	if j.full {
		return errors.New("keep block: no space left on device")
	}
	j.blocks = append(j.blocks, b)
	return nil
}
func (j *journal) End(_ context.Context, _ string, s experiment.State, _ time.Time) error {
	j.state = s
	return nil
}

// plane is named, never started.
type plane string

func (p plane) Name() string { return string(p) }
func (p plane) Program(context.Context) (dataplane.Program, error) {
	return dataplane.Program{Plane: string(p)}, nil
}
func (plane) Start(context.Context, dataplane.Options) (dataplane.Instance, error) {
	return nil, errors.New("not in these tests")
}

// countdown is a function in library form whose judge says what it is told.
func countdown(wrong error) function.Function {
	return function.Function{
		Name:   "countdown",
		Decode: func(study.Params) (function.Spec, error) { return struct{}{}, nil },
		Library: &function.Library{Middleware: func(function.Spec) (func(http.Handler) http.Handler, error) {
			return func(h http.Handler) http.Handler { return h }, nil
		}},
		Judge: func(_ function.Spec, e function.Evidence) error {
			allowed := 0
			for _, o := range e.Observations {
				if o.Earliest < 0 {
					return errors.New("a request that was never sent is no evidence")
				}
				if o.Outcome == function.Allowed {
					allowed++
				}
			}
			if allowed != e.Served {
				return errors.New("the service served another number than was allowed")
			}
			return wrong
		},
	}
}

func set[T any](t *testing.T, name func(T) string, vs ...T) named.Set[T] {
	t.Helper()
	s, err := named.NewSet("thing", name, vs...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noop is what the control of that name adds; here it has no form.
var noop = function.Function{
	Name:    "noop",
	Decode:  func(study.Params) (function.Spec, error) { return struct{}{}, nil },
	Without: map[study.Form]string{study.FormLibrary: "nobody has written it"},
}

func catalog(t *testing.T, m *machine, f function.Function) experiment.Catalog {
	return experiment.Catalog{
		Functions:  set(t, func(f function.Function) string { return f.Name }, f, noop),
		Placements: set(t, placement.Placement.Name, placement.All()...),
		Generators: set[load.Generator](t, load.Generator.Name, generator{m}),
		DataPlanes: set[dataplane.DataPlane](t, dataplane.DataPlane.Name, plane("embedded"), plane("other")),
		Testbeds:   set[testbed.Testbed](t, testbed.Testbed.Name, m, picky{m}),
		Workloads: set(t, func(w workload.Workload) string { return w.Name }, workload.Workload{
			Name: "fake",
			Prepare: func([]workload.User) (*workload.Prepared, error) {
				return &workload.Prepared{Method: "GET", Path: "/pull?x=1"}, nil
			},
			Service: func(*workload.Prepared, study.Params) (json.RawMessage, error) { return json.RawMessage("{}"), nil },
		}),
	}
}

const fakeStudy = `tare: study/1
name: fake
workload: {name: fake}
function: {name: countdown}
load: {rate: 200/s}
treatments:
  - {name: a, control: direct}
  - {name: a-aa, control: aa, baseline: a}
  - {name: b, form: library, baseline: a}
design: {blocks: 12, warmup: 10, idle: 50ms, latency: 2s, stop: fixed, control_every: -1}
`

// run carries the study out on the machine.
func run(t *testing.T, ctx context.Context, text string, m *machine, f function.Function, j *journal, done []experiment.Block) (*study.Plan, experiment.Outcome, error) {
	t.Helper()
	p := planOf(t, text)
	a, err := experiment.NewApparatus(p, catalog(t, m, f))
	if err != nil {
		t.Fatal(err)
	}
	r := experiment.Runner{Testbed: m, Journal: j, Settle: time.Microsecond}
	out, err := r.Run(ctx, "x", a, done)
	return p, out, err
}

func newMachine(add ...time.Duration) *machine {
	return &machine{add: add, noise: 20 * time.Microsecond, limit: -1, dieIn: -1, gone: -1}
}

func indices(bs []experiment.Block, void bool) []int {
	var is []int
	for _, b := range bs {
		if (b.Void != "") == void {
			is = append(is, b.Index)
		}
	}
	slices.Sort(is)
	return is
}
