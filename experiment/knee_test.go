package experiment_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// queue is a machine whose treatments are queues of known capacity: Poisson
// arrivals, one server, every service of the same length (M/D/1).
type queue struct {
	*machine
	service          map[string]time.Duration
	spread           float64 // standard deviation of a start's service time, as a share
	starts           *rand.Rand
	own              []float64 // of this start: its service times, in ns
	busy             float64   // share of its time that the generator works
	alone            bool      // count the probes
	probes, together int
}

func (q *queue) Up(ctx context.Context, ts []testbed.Topology, order []int) (testbed.Setup, error) {
	if _, err := q.machine.Up(ctx, ts, order); err != nil {
		return nil, err
	}
	q.own = nil
	for _, t := range ts {
		q.own = append(q.own, float64(q.service[t.Name])*math.Exp(q.spread*q.starts.NormFloat64()))
	}
	return q, nil
}

func (*queue) Name() string { return "openloop" } // the generator's; Testbed's is the machine's

func (q *queue) Open(_ context.Context, targets []load.Target, p load.Population) (load.Session, error) {
	return &queued{session{m: q.machine, k: len(targets), p: p, pid: os.Getpid()}, q}, nil
}

type queued struct {
	session
	q *queue
}

// Generate offers a load by Lindley's recursion.
func (s *queued) Generate(_ context.Context, l load.Load, sink load.Sink) (load.Stats, error) {
	return hand(sink)(s.generate(l))
}

func (s *queued) generate(l load.Load) ([]load.Sample, load.Stats, error) {
	schedule, err := load.NewSchedule(l, s.k, s.p)
	if err != nil {
		return nil, load.Stats{}, err
	}
	if s.q.alone && len(l.Targets) == 1 {
		s.q.probes++
		if len(s.q.paused) != s.k-1 || slices.Contains(s.q.paused, l.Targets[0]) {
			s.q.together++
		}
	}
	free := make([]float64, s.k)
	var out []load.Sample
	for a, ok := schedule.Next(); ok; a, ok = schedule.Next() {
		free[a.Target] = max(free[a.Target], float64(a.At)) + s.q.own[a.Target]
		out = append(out, load.Sample{Intended: a.At, Written: a.At, FirstByte: time.Duration(free[a.Target]), LastByte: time.Duration(free[a.Target]), User: uint32(a.User), Target: uint16(a.Target), Status: 200})
	}
	return out, load.Stats{Scheduled: len(out), Sent: len(out), Wall: l.Duration, CPU: time.Duration(s.q.busy * float64(l.Duration)), Threads: 1,
		BytesSent: int64(100 * len(out)), BytesReceived: int64(200 * len(out))}, nil
}

func newQueue(seed uint64, spread float64, service map[string]time.Duration) *queue {
	return &queue{machine: newMachine(), service: service, spread: spread, starts: rand.New(rand.NewPCG(seed, 7))}
}

func (q *queue) run(t *testing.T, p *study.Plan, done []experiment.Block) (*journal, experiment.Outcome) {
	t.Helper()
	c := catalog(t, q.machine, countdown(nil))
	c.Generators = set[load.Generator](t, load.Generator.Name, q)
	a, err := experiment.NewApparatus(p, c)
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{}
	r := experiment.Runner{Testbed: q, Journal: j, Settle: time.Microsecond}
	out, err := r.Run(t.Context(), "x", a, done)
	if err != nil {
		t.Fatal(err)
	}
	return j, out
}

const kneeStudy = `tare: study/1
name: queues
workload: {name: fake}
load: {rate: 400/s}
treatments:
  - {name: a, control: direct}
  - {name: a-aa, control: aa, baseline: a}
  - {name: b, baseline: a, workload: {work: 1ms}}
design: {name: knee, objective: "p50<3ms", warmup: 10, idle: 50ms, stop: fixed, blocks: 6, treatments: [a, b]}
`

func kneePlan(t *testing.T, text string) *study.Plan {
	t.Helper()
	return planOf(t, text)
}

var slower = map[string]time.Duration{"a": time.Millisecond, "a-aa": time.Millisecond, "b": 1100 * time.Microsecond}

// rates are those that were offered, in the order of the blocks.
func rates(blocks []experiment.Block) (rates []float64) {
	for _, b := range blocks {
		for _, ph := range b.Phases {
			if ph.Phase.Kind == study.Probe {
				rates = append(rates, ph.Phase.Rate)
			}
		}
	}
	return rates
}

// What was kept decides what comes next: a run that goes on with the first
// blocks of another one makes the very same probes.
func TestKneeGoesOnWhereItStopped(t *testing.T) {
	p := kneePlan(t, kneeStudy)
	j, out := newQueue(3, 0, slower).run(t, p, nil)
	if out.State != experiment.Done || len(j.blocks) != 6 {
		t.Fatalf("%v after %d blocks", out.State, len(j.blocks))
	}
	resumed, _ := newQueue(3, 0, slower).run(t, p, j.blocks[:2])
	if diff := cmp.Diff(rates(j.blocks[2:]), rates(resumed.blocks)); diff != "" {
		t.Errorf("the probes of a resumed run differ (-whole +resumed):\n%s", diff)
	}
	for _, b := range j.blocks {
		for _, ph := range b.Phases {
			if ph.Phase.Kind == study.Probe && (ph.Phase.Rate <= 0 || ph.Phase.Duration < p.Study.ProbeTime(ph.Phase.Rate)/2) {
				t.Errorf("block %d keeps a probe at %g/s of %v", b.Index, ph.Phase.Rate, ph.Phase.Duration)
			}
		}
	}
	an, err := experiment.Analyse(p, j.blocks)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range an.Capacities {
		if c.Bound != experiment.Exact || !c.HasInterval() || len(c.Blocks) < 3 || c.USL == nil || len(c.Curve) < 4 {
			t.Errorf("%+v", c)
		}
	}
	if len(an.Comparisons) != 1 || an.Comparisons[0].Direction != stat.Worse || an.Comparisons[0].Verdict != stat.Undecided {
		t.Errorf("a tenth more work, screening: %+v", an.Comparisons)
	}
}

// One treatment alone is asked, and the other is stopped meanwhile.
func TestKneeStopsTheOthers(t *testing.T) {
	q := newQueue(3, 0, slower)
	q.alone = true
	q.run(t, kneePlan(t, kneeStudy), nil)
	if q.probes == 0 || q.together > 0 {
		t.Errorf("%d of %d probes were made while the other treatment ran", q.together, q.probes)
	}
}

// Where there is no knee a bound is given, never a number that looks like one.
func TestKneeWithoutAKnee(t *testing.T) {
	for name, c := range map[string]struct {
		service time.Duration
		busy    float64 // share of its time that the generator works
		text    string
		bound   experiment.Bound
		warning string
	}{
		"no rate meets it":          {10 * time.Millisecond, 0, kneeStudy, experiment.Below, "no rate that was tried meets"},
		"every rate meets it":       {time.Nanosecond, 0, strings.Replace(kneeStudy, "400/s", "90000/s", 1), experiment.AtLeast, "the greatest rate that is probed, 200000/s, still meets"},
		"the generator is too slow": {time.Millisecond, 0.9, kneeStudy, experiment.AtLeast, "beyond it the generator is the bottleneck (more than 60 %"},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(3, 0, map[string]time.Duration{"a": c.service, "b": c.service})
			q.busy = c.busy
			p := kneePlan(t, strings.Replace(strings.Replace(c.text, "blocks: 6", "blocks: 3", 1), "[a, b]", "[a]", 1))
			j, _ := q.run(t, p, nil)
			an, err := experiment.Analyse(p, j.blocks)
			if err != nil {
				t.Fatal(err)
			}
			k := an.Capacities[0]
			if k.Bound != c.bound || k.HasInterval() || len(k.Blocks) > 0 {
				t.Errorf("%s %v, interval %v", k.Bound, k.Rate.Estimate, k.HasInterval())
			}
			if all := strings.Join(an.Warnings, "\n"); !strings.Contains(all, c.warning) {
				t.Errorf("warnings do not say %q:\n%s", c.warning, all)
			}
		})
	}
}

// One block gives a knee without an interval, and says so.
func TestKneeOfOneBlock(t *testing.T) {
	p := kneePlan(t, strings.Replace(kneeStudy, "blocks: 6", "blocks: 2", 1))
	j, _ := newQueue(3, 0, slower).run(t, p, nil)
	an, err := experiment.Analyse(p, j.blocks[:1])
	if err != nil {
		t.Fatal(err)
	}
	if k := an.Capacities[0]; k.HasInterval() || !strings.Contains(k.Why, "no interval") || len(an.Comparisons) > 0 {
		t.Errorf("%+v", k)
	}
}

// An A/A copy that is probed too is the gate.
func TestKneeGate(t *testing.T) {
	p := kneePlan(t, strings.Replace(strings.Replace(kneeStudy, "blocks: 6", "blocks: 4", 1), ", treatments: [a, b]", ", treatments: [a, a-aa]", 1))
	j, _ := newQueue(3, 0, slower).run(t, p, nil)
	an, err := experiment.Analyse(p, j.blocks)
	if err != nil {
		t.Fatal(err)
	}
	if len(an.Gates) != 1 || !an.Gates[0].By[experiment.KneeRate].Contains(0) {
		t.Errorf("gates %+v", an.Gates)
	}
}
