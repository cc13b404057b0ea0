package experiment

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/study"
)

// lindley offers a load to an M/D/1 queue that starts empty.
func lindley(l load.Load, service float64) []load.Sample {
	schedule, err := load.NewSchedule(l, 1, load.Population{})
	if err != nil {
		panic(err)
	}
	var out []load.Sample
	free := 0.0
	for a, ok := schedule.Next(); ok; a, ok = schedule.Next() {
		free = max(free, float64(a.At)) + service*1e9
		out = append(out, load.Sample{Intended: a.At, Written: a.At, FirstByte: time.Duration(free), LastByte: time.Duration(free), Status: 200})
	}
	return out
}

// kneeRun carries a knee study out on queues, without processes and clocks:
// every start of treatment i has its own service time, spread around service[i].
func kneeRun(p *study.Plan, service []float64, spread float64, seed uint64) (*Analysis, error) {
	c := &course{Runner: &Runner{}, Apparatus: &Apparatus{Plan: p}, known: cache{}}
	starts := rand.New(rand.NewPCG(seed, 7))
	for _, plan := range p.Blocks {
		b := Block{Index: plan.Index, Attempt: 1}
		own := make([]float64, len(service))
		for i := range service {
			own[i] = service[i] * math.Exp(spread*starts.NormFloat64())
		}
		for _, ph := range plan.Phases {
			if ph.Kind != study.Probe {
				continue
			}
			ph = c.probe(ph, &b)
			samples := lindley(load.Load{Rate: ph.Rate, Duration: ph.Duration, Seed: ph.Seed ^ seed}, own[ph.Targets[0]])
			for k := range samples {
				samples[k].Target = uint16(ph.Targets[0])
			}
			b.Phases = append(b.Phases, PhaseRecord{Phase: ph, Wall: ph.Duration})
			b.Samples = append(b.Samples, samples)
		}
		c.blocks = append(c.blocks, b)
		newSheet(p, countingOf(c.blocks), c.known) // keeps the figures
		c.blocks[len(c.blocks)-1].Samples = make([][]load.Sample, len(b.Samples))
	}
	return analyse(p, c.blocks, c.known)
}

// within is the exact chance that a response of an M/D/1 queue takes at most t
// seconds: Erlang's formula for the waiting time (Tijms, "A First Course in
// Stochastic Models", 2003, section 9.6.2).
func within(rate, service, t float64) float64 {
	t -= service
	if t < 0 {
		return 0
	}
	var sum float64
	for j := 0; float64(j) <= t/service; j++ {
		x := rate * (t - float64(j)*service)
		term := math.Exp(x)
		for i := 1; i <= j; i++ {
			term *= -x / float64(i)
		}
		sum += term
	}
	return (1 - rate*service) * sum
}

// kneeOfQueue is the rate at which the quantile of an M/D/1 queue is the bound.
func kneeOfQueue(service, q, bound float64) float64 {
	low, high := 0.0, 1/service
	for range 60 {
		if mid := (low + high) / 2; within(mid, service, bound) > q {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// recursion is the share of n responses of an M/D/1 queue that take at most t.
func recursion(rate, service, t float64, n int) float64 {
	r := rand.New(rand.NewPCG(1, 2))
	at, free, kept := 0.0, 0.0, 0
	for range n {
		at += r.ExpFloat64() / rate
		if free = max(free, at) + service; free-at <= t {
			kept++
		}
	}
	return float64(kept) / float64(n)
}

// queues is the knee study of the simulations: two queues, the second a tenth
// slower.
func queues(t testing.TB, objective, design string, seed uint64) *study.Plan {
	t.Helper()
	s, err := study.Parse("queues.yaml", fmt.Appendf(nil, `tare: study/1
name: queues
workload: {name: echo}
load: {rate: 400/s}
treatments:
  - {name: a, control: direct}
  - {name: b, baseline: a, workload: {work: 1ms}}
design: {name: knee, objective: "%s", warmup: 10, idle: 50ms, stop: fixed, %s}
`, objective, design))
	if err != nil {
		t.Fatal(err)
	}
	p, err := study.MakePlan(*s, study.Options{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// kneeCase is an objective with its quantile and bound, and how it is asked.
type kneeCase struct {
	objective       string
	quantile, bound float64
	design          string
}

// tally is how many knees, and differences of two, lay within their intervals,
// and the greatest error of a knee as a share.
type tally struct {
	runs, knees, differences int
	worst, bias, half        float64
}

var services = []float64{1e-3, 1.1e-3}

// simulate carries a case out so often, starts differing by 1.5 %.
func (c kneeCase) simulate(t testing.TB, runs int) tally {
	t.Helper()
	truth := []float64{kneeOfQueue(services[0], c.quantile, c.bound), kneeOfQueue(services[1], c.quantile, c.bound)}
	var sum tally
	for seed := range uint64(runs) {
		an, err := kneeRun(queues(t, c.objective, c.design, seed+1), services, 0.015, seed)
		if err != nil {
			t.Fatal(err)
		}
		sum.runs++
		for i, k := range an.Capacities {
			if k.Bound != Exact || !k.HasInterval() {
				t.Errorf("%s, run %d: no knee of %d: %s", c.objective, seed, i, k.Why)
				continue
			}
			if k.Rate.Contains(truth[i]) {
				sum.knees++
			}
			off := k.Rate.Estimate/truth[i] - 1
			sum.worst = max(sum.worst, math.Abs(off))
			sum.bias += off / float64(2*runs)
			sum.half += k.Rate.Half() / truth[i] / float64(2*runs)
		}
		if len(an.Comparisons) == 1 && an.Comparisons[0].Difference.Contains(truth[1]-truth[0]) {
			sum.differences++
		}
	}
	return sum
}

// The bar: on a queue of known capacity the knee is within 5 %, with an interval
// that covers it. The truth is Erlang's formula, and 10⁷ requests agree with it.
func TestKneeOfAKnownQueue(t *testing.T) {
	c := kneeCase{"p50<3ms", 0.50, 3e-3, "blocks: 14, probe: 4s"}
	if truth := kneeOfQueue(services[0], c.quantile, c.bound); math.Abs(recursion(truth, services[0], c.bound, 10_000_000)-c.quantile) > 0.003 {
		t.Fatalf("10⁷ requests at %.1f/s do not have their median at the bound", truth)
	}
	got := c.simulate(t, 12)
	t.Logf("%+v", got)
	if got.worst > 0.05 {
		t.Errorf("a knee was off by %.1f %%", 100*got.worst)
	}
	if got.knees < 20 || got.differences < 9 { // of 24 and 12; 22.8 and 11.4 are expected
		t.Errorf("intervals covered %d of %d knees and %d of %d differences", got.knees, 2*got.runs, got.differences, got.runs)
	}
}
