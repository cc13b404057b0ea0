//go:build soak

package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// plantedFile keeps what the reference design found of planted work: one arm at
// a time, in windows of an order that drift cannot favour, on fresh processes in
// each block (method.md §3). planted_soak_test.go measures it.
const plantedFile = "../experiment/testdata/planted_reference.json"

const plantedPairs = 90 // of which method.md §3 asks for 60

type plantedReference struct {
	Measured time.Time           `json:"measured"`
	Host     measure.Environment `json:"host"`
	Design   string              `json:"design"`
	Rate     float64             `json:"rate_per_s"` // of a window
	Window   string              `json:"window"`
	Effects  []plantedEffect     `json:"effects"`
}

type plantedEffect struct {
	Planted     float64   `json:"planted_us"` // more than in the base
	Witness     float64   `json:"witness_us"` // thread CPU time of the planted code, per request, more than in the base
	Estimate    float64   `json:"p50_us"`
	Low         float64   `json:"low_us"`
	High        float64   `json:"high_us"`
	Differences []float64 `json:"differences_us"` // by block: p50 with the work − p50 of the base
}

func (e plantedEffect) interval() stat.Interval {
	return stat.Interval{Estimate: e.Estimate, Low: e.Low, High: e.High}
}

func readPlanted(tb testing.TB) plantedReference {
	tb.Helper()
	text, err := os.ReadFile(plantedFile)
	if err != nil {
		tb.Fatalf("%v; TestPlantedReference measures it", err)
	}
	var r plantedReference
	if err := json.Unmarshal(text, &r); err != nil {
		tb.Fatal(err)
	}
	return r
}

// plantedStudy has the arms of both designs. Both offer the same requests per
// second in all, at equal gaps longer than a response: where requests meet, a
// window's wait for their own kind and an interleaved arm's for all kinds, and
// the two designs would ask different questions. All arms do planted work, one
// 20 µs and the others 20 and 100 more: against an arm that plants nothing, the
// mere presence of the planting code cost 9 µs in windows and 5 interleaved, on
// a host where 80 µs more of it were 82.4 and 82.3. Both designs keep idle cores
// awake and hold ballast.
const plantedStudy = `tare: study/1
name: planted-reference
workload: {name: echo, params: {work: 20us}}
load: {rate: 300/s, arrivals: uniform, connections: 8}
treatments:
  - {name: base, control: direct}
  - {name: plus-20us, baseline: base, workload: {work: 40us}}
  - {name: plus-100us, baseline: base, workload: {work: 120us}}
design: {idle: 200ms, latency: 4s, control_every: -1, stop: fixed}
`

var plantedWork = []float64{20, 40, 120} // µs, by arm

const (
	plantedRate   = 900  // per second, of a window: that of all arms when they are interleaved
	plantedWarmup = 1000 // requests to each arm
	// plantedRounds of windows x y z z y x: a host's speed changes within
	// seconds, and what is compared is to stand close together.
	plantedRounds = 4
	plantedWindow = 250 * time.Millisecond
	// plantedSettle is how much of a window's beginning is left out: the arm
	// was stopped before it.
	plantedSettle = 50 * time.Millisecond
)

// TestPlantedReference measures the reference on this host and keeps it, in
// sixteen minutes. The machine is to be quiet: an interval that would leave no
// room for the other design's is not kept. This measures, and compares a new
// interleaved run with it:
//
//	go test -tags soak -run '^TestPlanted' -count 1 -timeout 30m -v ./cli
func TestPlantedReference(t *testing.T) {
	awake, err := measure.KeepAwake()
	if err != nil {
		t.Fatal(err)
	}
	defer awake.Release()
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	s, err := study.Parse("planted", []byte(plantedStudy))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := study.MakePlan(*s, study.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	a, err := experiment.NewApparatus(plan, b.Catalog)
	if err != nil {
		t.Fatal(err)
	}
	host := measure.ReadEnvironment()
	host.Idle, host.Ballast = awake.String(), measure.BallastSize()
	r := plantedReference{
		Measured: time.Now().UTC().Truncate(time.Second), Host: host, Rate: plantedRate,
		Window: fmt.Sprintf("%v, of which the first %v are left out", plantedWindow, plantedSettle),
		Design: "one arm at a time, the others stopped; in each block fresh processes and four times windows of arms x y z z y x, x y z in random order; open loop, equal gaps",
	}
	for _, work := range plantedWork[1:] {
		r.Effects = append(r.Effects, plantedEffect{Planted: work - plantedWork[0]})
	}
	worked, workCPU := make([]int64, len(plantedWork)), make([]int64, len(plantedWork))
	for block := range uint64(plantedPairs) {
		p := plantedBlock{apparatus: a, random: rand.New(rand.NewPCG(block, 0x706c616e)), worked: worked, workCPU: workCPU, ballast: host.Ballast}
		medians := p.carryOut(t)
		for i := range r.Effects {
			r.Effects[i].Differences = append(r.Effects[i].Differences, medians[i+1]-medians[0])
		}
	}
	witnessed := func(arm int) float64 { return float64(workCPU[arm]) / float64(worked[arm]) / 1e3 }
	for i := range r.Effects {
		e := &r.Effects[i]
		interval, err := stat.PairedT(e.Differences, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		e.Estimate, e.Low, e.High = interval.Estimate, interval.Low, interval.High
		e.Witness = witnessed(i+1) - witnessed(0)
		t.Logf("%g µs planted: p50 +%.2f (%.2f to %.2f) µs, witness %.2f µs of thread CPU", e.Planted, e.Estimate, e.Low, e.High, e.Witness)
		if e.High-e.Low > e.Planted/8 {
			t.Fatalf("%g µs: the interval is %.2f µs wide, more than an eighth: not kept; measure again on a quiet machine", e.Planted, e.High-e.Low)
		}
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(plantedFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(plantedFile, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// plantedBlock is one block of the reference design.
type plantedBlock struct {
	apparatus       *experiment.Apparatus
	random          *rand.Rand
	worked, workCPU []int64 // by arm, added to
	ballast         uint64  // bytes, held while the block stands

	up      testbed.Setup
	session load.Session
}

// carryOut returns the p50 of each arm, of all of its windows together.
func (p *plantedBlock) carryOut(t *testing.T) []float64 {
	t.Helper()
	ctx, n := t.Context(), len(plantedWork)
	ballast, err := measure.TakeBallast(p.ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Release()
	if p.up, err = p.apparatus.Testbed.Up(ctx, p.apparatus.Topologies, p.random.Perm(n)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.up.Down(); err != nil {
			t.Error(err)
		}
	}()
	targets := make([]load.Target, n)
	for i := range targets {
		probe := p.apparatus.Topologies[i].Probe
		targets[i] = load.Target{Name: p.apparatus.Topologies[i].Name, Addr: p.up.Addr(i), Host: probe.Host, Connections: 8, MaxConnections: 64}
	}
	if p.session, err = p.apparatus.Generator.Open(ctx, targets, p.apparatus.Population); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.session.Close(); err != nil {
			t.Error(err)
		}
	}()
	p.offer(ctx, t, load.Load{Arrivals: load.Uniform, Rate: plantedRate, Each: plantedWarmup, Seed: p.random.Uint64()})
	responses := make([][]float64, n)
	for range plantedRounds {
		order := p.random.Perm(n)
		back := slices.Clone(order)
		slices.Reverse(back)
		for _, arms := range [][]int{order, back} {
			seed := p.random.Uint64() // the same arrivals for every arm
			for _, arm := range arms {
				responses[arm] = append(responses[arm], p.window(ctx, t, arm, seed)...)
			}
		}
	}
	p.witness(ctx, t)
	medians := make([]float64, n)
	for arm, xs := range responses {
		if ok, why := stat.Supported(len(xs), 0.5); !ok {
			t.Fatal(why)
		}
		slices.Sort(xs)
		medians[arm] = stat.Quantile(xs, 0.5)
	}
	return medians
}

// window offers load to one arm while the others are stopped, and returns its
// response times in µs.
func (p *plantedBlock) window(ctx context.Context, t *testing.T, arm int, seed uint64) []float64 {
	t.Helper()
	var others []int
	for i := range plantedWork {
		if i != arm {
			others = append(others, i)
		}
	}
	if err := p.up.Pause(others...); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.up.Resume(others...); err != nil {
			t.Error(err)
		}
	}()
	samples, stats := p.offer(ctx, t, load.Load{Arrivals: load.Uniform, Rate: plantedRate, Duration: plantedWindow, Targets: []int{arm}, Seed: seed})
	var xs []float64
	for _, s := range samples {
		if s.Intended-stats.Began >= plantedSettle {
			xs = append(xs, float64(s.Response())/1e3)
		}
	}
	return xs
}

func (p *plantedBlock) offer(ctx context.Context, t *testing.T, l load.Load) ([]load.Sample, load.Stats) {
	t.Helper()
	samples, stats, err := load.Collect(ctx, p.session, l)
	if err != nil || stats.Sent != stats.Scheduled {
		t.Fatalf("%v; %+v", err, stats)
	}
	for _, s := range samples {
		if s.Class != load.OK {
			t.Fatalf("sample %+v", s)
		}
	}
	return samples, stats
}

// witness asks the arms for the thread CPU time of their planted work.
func (p *plantedBlock) witness(ctx context.Context, t *testing.T) {
	t.Helper()
	for arm := range plantedWork {
		st, err := p.up.Stats(ctx, arm)
		if err != nil {
			t.Fatal(err)
		}
		p.worked[arm] += st.Worked
		p.workCPU[arm] += st.WorkCPU
	}
}

// The kept reference is what its own differences give, and its witness saw the
// work that was planted.
func TestPlantedReferenceIsWhole(t *testing.T) {
	r := readPlanted(t)
	if r.Host.Cores < 1 || r.Host.Kernel == "" || r.Measured.IsZero() || r.Rate <= 0 || r.Design == "" {
		t.Errorf("no host, date or design: %+v", r)
	}
	var planted []float64
	for _, e := range r.Effects {
		planted = append(planted, e.Planted)
		if len(e.Differences) < plantedPairs {
			t.Errorf("%g µs: %d pairs, want %d", e.Planted, len(e.Differences), plantedPairs)
		}
		i, err := stat.PairedT(e.Differences, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range [][2]float64{{i.Estimate, e.Estimate}, {i.Low, e.Low}, {i.High, e.High}} {
			if math.Abs(x[0]-x[1]) > 1e-6 {
				t.Errorf("%g µs: kept %+v, the differences give %+v", e.Planted, e.interval(), i)
			}
		}
		if math.Abs(e.Witness-e.Planted) > 1 { // the arms overshoot by less than one reading of the clock each
			t.Errorf("%g µs planted, the witness says %g", e.Planted, e.Witness)
		}
		if 2*i.Half() > e.Planted/8 {
			t.Errorf("%g µs: the interval %+v is wider than an eighth", e.Planted, i)
		}
	}
	if fmt.Sprint(planted) != "[20 100]" {
		t.Errorf("effects of %v µs, want 20 and 100", planted)
	}
}

// TestPlantedAgainstReference: the interleaved design, on this host now,
// finds what the reference design found.
func TestPlantedAgainstReference(t *testing.T) {
	reference := readPlanted(t)
	here := measure.ReadEnvironment()
	if here.CPU != reference.Host.CPU || here.Cores != reference.Host.Cores || here.Kernel != reference.Host.Kernel {
		t.Logf("the reference is of another host (%d × %s, %s; here %d × %s, %s): a difference may be the hosts'",
			reference.Host.Cores, reference.Host.CPU, reference.Host.Kernel, here.Cores, here.CPU, here.Kernel)
	}
	r := tare(t, t.TempDir(), "run", write(t, plantedStudy), "--time", "200s", "-o", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	report := decode(t, r.out)
	for _, e := range reference.Effects {
		found := false
		for _, c := range report.Comparisons {
			if c.Treatment != fmt.Sprintf("plus-%gus", e.Planted) || c.Endpoint != "p50" {
				continue
			}
			found = true
			t.Logf("%g µs: interleaved %.2f (%.2f to %.2f), reference %.2f (%.2f to %.2f), witness %.2f", e.Planted, c.Estimate, c.Low, c.High, e.Estimate, e.Low, e.High, e.Witness)
			if err := agreement(stat.Interval{Estimate: c.Estimate, Low: c.Low, High: c.High}, e.interval(), e.Planted); err != nil {
				t.Errorf("%g µs: %v", e.Planted, err)
			}
		}
		if !found {
			t.Errorf("%g µs: the run compared no such treatment", e.Planted)
		}
	}
}
