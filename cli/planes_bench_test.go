package cli_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// The windows of BenchmarkPlanes: many short rounds, since what drifts is then
// the same within each, and the interval is of their number.
const (
	planeRounds = 40
	planeWindow = 350 * time.Millisecond
)

// arm is one proxy of BenchmarkPlanes.
type arm struct {
	plane, filter string
	cpu           []float64 // µs per request, by round
}

// BenchmarkPlanes weighs the CPU time that a proxy takes for a request when it
// only routes, when a module does nothing, and when a module limits the rate:
// embedded and Envoy, one worker each, in one run. One arm at a time is kept
// busy over 16 connections; the order is drawn anew in every round and then
// taken backwards, so that what drifts meets all alike, and the others are
// stopped. Medians over the rounds; differences within a round. What Envoy's
// module costs over what ours does, each beside its own router, is the ratio of
// the mean differences with its interval.
func BenchmarkPlanes(b *testing.B) {
	bench, err := catalog.NewBench(builtTare(b))
	if err != nil {
		b.Fatal(err)
	}
	defer bench.Close()
	arms, topologies := planeArms(b, bench)
	local, err := bench.Testbeds.Get("local")
	if err != nil {
		b.Fatal(err)
	}
	up, err := local.Up(b.Context(), topologies, order(len(arms)))
	if err != nil {
		b.Fatal(err)
	}
	defer up.Down()
	memory := map[string]measure.Memory{}
	session := open(b, bench, up, arms)
	defer session.Close()
	for range b.N {
		for r := range planeRounds + 1 {
			there := rand.New(rand.NewPCG(1, uint64(r))).Perm(len(arms))
			used := make([]float64, len(arms))
			for i := range 2 * len(there) {
				k := there[min(i, 2*len(there)-1-i)]
				used[k] += closedWindow(b, up, session, k, len(arms)) / 2
			}
			for k := range arms {
				if r > 0 { // the first round warms up
					arms[k].cpu = append(arms[k].cpu, used[k])
				}
			}
		}
	}
	for k, a := range arms {
		if a.filter == "router" {
			memory[a.plane] = memoryOf(b, proxyPID(up, k))
		}
		b.ReportMetric(middle(a.cpu), a.plane+"-"+a.filter+"-us")
	}
	report := func(name string, of func(router, noop, limit []float64) []float64) {
		for p := range len(arms) / 3 {
			b.ReportMetric(middle(of(arms[3*p].cpu, arms[3*p+1].cpu, arms[3*p+2].cpu)), arms[3*p].plane+"-"+name)
		}
	}
	report("noop-minus-router-us", func(r, n, _ []float64) []float64 { return minus(n, r) })
	report("wasm-minus-router-us", func(r, _, l []float64) []float64 { return minus(l, r) })
	report("wasm-minus-noop-us", func(_, n, l []float64) []float64 { return minus(l, n) })
	reportRatio(b, "wasm-envoy-over-embedded", minus(arms[5].cpu, arms[3].cpu), minus(arms[2].cpu, arms[0].cpu))
	ours, theirs := arms[0], arms[3]
	b.ReportMetric(middle(ours.cpu)/middle(theirs.cpu), "router-cpu-ratio")
	b.ReportMetric(float64(memory[ours.plane].RSS)/float64(memory[theirs.plane].RSS), "rss-ratio")
	b.ReportMetric(float64(memory[ours.plane].Private)/float64(memory[theirs.plane].Private), "private-ratio")
	b.ReportMetric(float64(memory[ours.plane].RSS)/1e6, ours.plane+"-rss-MB")
	b.ReportMetric(float64(memory[ours.plane].Private)/1e6, ours.plane+"-private-MB")
	b.ReportMetric(float64(memory[theirs.plane].RSS)/1e6, theirs.plane+"-rss-MB")
	b.ReportMetric(float64(memory[theirs.plane].Private)/1e6, theirs.plane+"-private-MB")
}

// reportRatio is the ratio of two costs over the same rounds, with its interval.
func reportRatio(b *testing.B, name string, over, under []float64) {
	b.Helper()
	r, err := stat.RatioOfDifferences(over, under, 0.95)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(r.Estimate, name)
	if r.Interval == nil {
		b.Logf("%s has no interval: %s", name, r.Why)
		return
	}
	b.ReportMetric(r.Interval.Low, name+"-low")
	b.ReportMetric(r.Interval.High, name+"-high")
}

// planeArms are the proxies: of each plane one that routes, one with a module
// that does nothing, one with the rate limit as a module.
func planeArms(b *testing.B, bench *catalog.Bench) (arms []*arm, ts []testbed.Topology) {
	echo, err := bench.Workloads.Get("echo")
	if err != nil {
		b.Fatal(err)
	}
	prepared, err := echo.Prepare(nil)
	if err != nil {
		b.Fatal(err)
	}
	service, err := echo.Service(prepared, study.Params{})
	if err != nil {
		b.Fatal(err)
	}
	wasm, err := bench.Placements.Get(string(study.FormWasm))
	if err != nil {
		b.Fatal(err)
	}
	for _, plane := range []string{"embedded", "envoy"} {
		for _, filter := range []struct{ name, params string }{
			{"router", ""}, {"noop", "{}"}, {"ratelimit", `{"limits": {"Fast": "1000000000/s"}, "paths": ["/"]}`},
		} {
			t := testbed.Topology{Name: filter.name + "-" + plane, Workload: echo, Workers: 1, DataPlane: plane,
				Probe: testbed.Request{Method: prepared.Method, Path: prepared.Path, Host: prepared.Host},
				Proxy: &dataplane.Proxy{Hosts: []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"},
					Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}}}}}}
			t.Service.Workers, t.Service.Service = 1, json.RawMessage(service)
			if filter.params != "" {
				f, err := bench.Functions.Get(filter.name)
				if err != nil {
					b.Fatal(err)
				}
				spec := specOf(b, f, filter.params)
				if err := wasm.Place(&t, f, spec); err != nil {
					b.Fatal(err)
				}
			}
			arms, ts = append(arms, &arm{plane: plane, filter: filter.name}), append(ts, t)
		}
	}
	return arms, ts
}

func specOf(b *testing.B, f function.Function, text string) function.Spec {
	b.Helper()
	params, err := study.JSONParams(f.Name, []byte(text))
	if err != nil {
		b.Fatal(err)
	}
	spec, err := f.Decode(params)
	if err != nil {
		b.Fatal(err)
	}
	return spec
}

// open connects the generator to every arm, as one user whose claims a token
// check has handed on.
func open(b *testing.B, bench *catalog.Bench, up testbed.Setup, arms []*arm) load.Session {
	b.Helper()
	g, err := bench.Generators.Get("openloop")
	if err != nil {
		b.Fatal(err)
	}
	var targets []load.Target
	for k, a := range arms {
		targets = append(targets, load.Target{Name: a.plane + "-" + a.filter, Addr: up.Addr(k), Host: "echo.test", Connections: 16, MaxConnections: 16})
	}
	who := load.User{Weight: 1, Header: [][2]string{{function.UserHeader, "ada"}, {function.SubscriptionHeader, "Fast"}}}
	s, err := g.Open(b.Context(), targets, load.Population{Users: []load.User{who}})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// closedWindow keeps one arm busy and returns its proxy's CPU time per request in µs.
func closedWindow(b *testing.B, up testbed.Setup, s load.Session, k, n int) float64 {
	b.Helper()
	before := cpuOf(b, []int{proxyPID(up, k)})
	samples := alone(b, up, s, k, n, load.Load{Closed: true, Duration: planeWindow, Seed: 1})
	return (cpuOf(b, []int{proxyPID(up, k)}) - before).Seconds() * 1e6 / float64(len(samples))
}

func proxyPID(up testbed.Setup, k int) int {
	ps := up.Processes(k)
	return ps[slices.IndexFunc(ps, func(p testbed.Process) bool { return p.Role == testbed.ProxyRole })].PID
}

func order(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func minus(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

func middle(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
