package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// besideStudy has the arms of BenchmarkBesideFortio: a router of the embedded
// plane, and the same before a service with 20 µs of planted work.
const besideStudy = `tare: study/1
name: beside-fortio
workload: {name: echo}
load: {rate: 500/s, connections: 8}
treatments:
  - {name: router, control: router}
  - {name: router-aa, control: aa, baseline: router}
  - {name: plus-20us, baseline: router, workload: {work: 20us}}
`

// Of BenchmarkBesideFortio: for how long each way measures in a block, with how
// many requests per second in all, and how many warm an arm up.
const (
	besideBlocks      = 12
	besideTime        = 4 * time.Second
	besideRate        = 1000
	besideWarm        = 1000
	besideConnections = 8
)

// beside is one way to measure the difference of the two arms.
type beside struct {
	name  string
	run   func(s *besideStage) (difference float64, err error) // of the medians, µs
	diffs []float64
}

// besideStage is both arms standing.
type besideStage struct {
	b       *testing.B
	block   uint64
	random  *rand.Rand
	targets []load.Target
	session load.Session
	fortio  load.Adapter
	program load.Program
}

// BenchmarkBesideFortio: the half-width of the difference at p50 between two
// arms, by our design (each request draws its arm) and by fortio run after run,
// at its best and at its default. All three measure the same standing arms in
// each block, in an order drawn anew, for the same time, with the same number of
// requests and of connections; fortio's two runs of a block are in random order
// and paired as ours. Every block starts every process afresh, and all
// intervals are paired t over the blocks. The goal is ours ÷ fortio-best ≤ 0.1.
func BenchmarkBesideFortio(b *testing.B) {
	bench, err := catalog.NewBench(builtTare(b))
	if err != nil {
		b.Fatal(err)
	}
	defer bench.Close()
	fortio, err := bench.Adapters.Get("fortio")
	if err != nil {
		b.Fatal(err)
	}
	program, err := fortio.Find(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	a, arms := besideArms(b, bench)
	for range b.N {
		ways := []*beside{{name: "ours", run: drawnPerRequest}, {name: "fortio-best", run: runAfterRun(load.Best)}, {name: "fortio-defaults", run: runAfterRun(load.Defaults)}}
		for block := range uint64(besideBlocks) {
			s := &besideStage{b: b, block: block, random: rand.New(rand.NewPCG(block, 1)), fortio: fortio, program: program}
			if err := s.measure(a, arms, ways); err != nil {
				b.Fatalf("block %d: %v", block, err)
			}
		}
		half := map[string]float64{}
		for _, w := range ways {
			i, err := stat.PairedT(w.diffs, 0.95)
			if err != nil {
				b.Fatalf("%s: %v: %v", w.name, w.diffs, err)
			}
			half[w.name] = i.Half()
			b.Logf("%s: %.2f (%.2f to %.2f) µs at p50; by block %.1f", w.name, i.Estimate, i.Low, i.High, w.diffs)
			b.ReportMetric(i.Half(), w.name+"-half-width-us")
			b.ReportMetric(i.Estimate, w.name+"-difference-us")
		}
		b.ReportMetric(half["ours"]/half["fortio-best"], "ours/fortio-best")
		b.ReportMetric(half["ours"]/half["fortio-defaults"], "ours/fortio-defaults")
	}
}

// besideArms is the study's apparatus, and the topologies that stand.
func besideArms(b *testing.B, bench *catalog.Bench) (*experiment.Apparatus, []testbed.Topology) {
	b.Helper()
	s, err := study.Parse("beside-fortio", []byte(besideStudy))
	if err != nil {
		b.Fatal(err)
	}
	plan, err := study.MakePlan(*s, study.Options{Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	a, err := experiment.NewApparatus(plan, bench.Catalog)
	if err != nil {
		b.Fatal(err)
	}
	var arms []testbed.Topology
	for _, name := range []string{"router", "plus-20us"} {
		i := slices.IndexFunc(a.Topologies, func(t testbed.Topology) bool { return t.Name == name })
		arms = append(arms, a.Topologies[i])
	}
	return a, arms
}

// measure lets both arms stand and measures their difference in every way.
func (s *besideStage) measure(a *experiment.Apparatus, arms []testbed.Topology, ways []*beside) (err error) {
	ctx := s.b.Context()
	up, err := a.Testbed.Up(ctx, arms, s.random.Perm(len(arms)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, up.Down()) }()
	for k, t := range arms {
		s.targets = append(s.targets, load.Target{Name: t.Name, Addr: up.Addr(k), Host: "echo.test", Connections: besideConnections, MaxConnections: 8 * besideConnections})
	}
	if s.session, err = a.Generator.Open(ctx, s.targets, load.Ask(besideRequest)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.session.Close()) }()
	if _, _, err := load.Collect(ctx, s.session, load.Load{Rate: 2 * besideRate, Each: besideWarm, Seed: s.block}); err != nil {
		return err
	}
	for _, i := range s.random.Perm(len(ways)) {
		d, err := ways[i].run(s)
		if err != nil {
			return fmt.Errorf("%s: %w", ways[i].name, err)
		}
		ways[i].diffs = append(ways[i].diffs, d)
	}
	return nil
}

var besideRequest = load.Request{Method: "GET", Path: "/"}

// drawnPerRequest is our way.
func drawnPerRequest(s *besideStage) (float64, error) {
	samples, _, err := load.Collect(s.b.Context(), s.session, load.Load{Rate: besideRate, Duration: besideTime, Seed: 1000 + s.block})
	if err != nil {
		return 0, err
	}
	var of [2][]float64
	for _, x := range samples {
		if x.Class != load.OK {
			return 0, fmt.Errorf("a request ended as %v", x.Class)
		}
		of[x.Target] = append(of[x.Target], float64(x.Response())/float64(time.Microsecond))
	}
	return medianOf(of[1]) - medianOf(of[0]), nil
}

// runAfterRun is fortio's way: one arm, then the other.
func runAfterRun(setting string) func(*besideStage) (float64, error) {
	return func(s *besideStage) (float64, error) {
		var p50 [2]float64
		for _, k := range s.random.Perm(2) {
			o := load.Order{Target: s.targets[k], Request: besideRequest, Rate: besideRate, Duration: besideTime / 2}
			a, err := s.fortio.Run(s.b.Context(), s.program, setting, o)
			if err != nil {
				return 0, err
			}
			at, ok := a.Quantile(0.5)
			if !ok || a.Errors == nil || *a.Errors > 0 {
				return 0, fmt.Errorf("fortio says %+v", a)
			}
			p50[k] = float64(at) / float64(time.Microsecond)
		}
		return p50[1] - p50[0], nil
	}
}

// BenchmarkPlantedPauses: a server that stands still for 200 ms of each second,
// and what every generator that is here says of p90 and p99: 100 and 190 ms by
// arithmetic. A row is right (1) if it agrees at every quantile that it gives.
func BenchmarkPlantedPauses(b *testing.B) {
	for range b.N {
		out, err := exec.Command(builtTare(b), "load", "compare", "-o", "json", "--planted", "200ms/1s", "--rate", "1200", "--duration", "12s", "--rounds", "1", "--no-floor").Output()
		if err != nil {
			b.Fatal(err)
		}
		var c shownComparison
		if err := json.Unmarshal(out, &c); err != nil {
			b.Fatal(err)
		}
		b.Log(strings.Join(c.Answer, "\n"))
		for _, row := range c.Rows {
			name := row.Generator + "-" + row.Setting
			if row.Target.P90 != nil {
				b.ReportMetric(*row.Target.P90/1000, name+"-p90-ms")
			}
			if row.Agrees != nil {
				b.ReportMetric(map[bool]float64{true: 1}[*row.Agrees], name+"-right")
			}
		}
	}
}
