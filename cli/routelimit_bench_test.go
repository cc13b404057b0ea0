package cli_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// The load of BenchmarkRouteAndLimit.
const (
	routeRounds = 12
	tailRounds  = 10
	tailWindow  = 1500 * time.Millisecond
	tailShare   = 0.7 // of the lower capacity
)

// racer is one proxy of BenchmarkRouteAndLimit.
type racer struct {
	name  string
	pids  []int
	cpu   []float64 // µs per request, by round
	rates []float64 // requests per second, by round
	tails []float64 // p99 in µs, by round
}

// BenchmarkRouteAndLimit weighs what a proxy takes for a request that it routes
// by its path and limits by its user, both as its own functions: embedded and
// Envoy, one worker each, beside an nginx that only routes, in one run. One at a
// time is kept busy over 16 connections, the others are stopped; the order is
// drawn anew in every round. Then both planes are asked at one common rate, 70 %
// of the lower capacity, one at a time, for the tail of their response times.
func BenchmarkRouteAndLimit(b *testing.B) {
	bench, err := catalog.NewBench(builtTare(b))
	if err != nil {
		b.Fatal(err)
	}
	defer bench.Close()
	local, err := bench.Testbeds.Get("local")
	if err != nil {
		b.Fatal(err)
	}
	ts := []testbed.Topology{routeTopology(b, bench, "embedded"), routeTopology(b, bench, "envoy"), routeTopology(b, bench, "")}
	up, err := local.Up(b.Context(), ts, order(len(ts)))
	if err != nil {
		b.Fatal(err)
	}
	defer up.Down()
	nginx, pids := startNginx(b, up.Addr(2))
	racers := []*racer{{name: "embedded", pids: []int{proxyPID(up, 0)}}, {name: "envoy", pids: []int{proxyPID(up, 1)}}, {name: "nginx", pids: pids}}
	s := openRacers(b, bench, []string{up.Addr(0), up.Addr(1), nginx}, racers)
	defer s.Close()
	for b.Loop() {
		race(b, up, s, racers)
	}
	ours, theirs, peer := racers[0], racers[1], racers[2]
	for _, r := range racers {
		b.ReportMetric(middle(r.cpu), r.name+"-us")
	}
	b.ReportMetric(middle(ratios(ours.cpu, theirs.cpu)), "cpu-of-envoy")
	b.ReportMetric(middle(ratios(ours.cpu, peer.cpu)), "cpu-of-nginx-router")
	b.ReportMetric(middle(ours.tails), "embedded-p99-us")
	b.ReportMetric(middle(theirs.tails), "envoy-p99-us")
	b.ReportMetric(middle(ratios(ours.tails, theirs.tails)), "p99-of-envoy")
	own, other := memoryOf(b, ours.pids[0]), memoryOf(b, theirs.pids[0])
	b.ReportMetric(float64(own.RSS)/float64(other.RSS), "rss-of-envoy")
	b.ReportMetric(float64(own.Private)/float64(other.Private), "private-of-envoy")
	b.ReportMetric(float64(own.RSS)/1e6, "embedded-rss-MB")
	b.ReportMetric(float64(other.RSS)/1e6, "envoy-rss-MB")
}

func race(b *testing.B, up testbed.Setup, s load.Session, racers []*racer) {
	for round := range routeRounds + 1 {
		for _, k := range rand.New(rand.NewPCG(2, uint64(round))).Perm(len(racers)) {
			before := cpuOf(b, racers[k].pids)
			samples := alone(b, up, s, k, len(racers), load.Load{Closed: true, Duration: planeWindow, Seed: 1})
			if round > 0 { // the first warms up
				racers[k].cpu = append(racers[k].cpu, (cpuOf(b, racers[k].pids)-before).Seconds()*1e6/float64(len(samples)))
				racers[k].rates = append(racers[k].rates, float64(len(samples))/planeWindow.Seconds())
			}
		}
	}
	rate := tailShare * min(middle(racers[0].rates), middle(racers[1].rates))
	for round := range tailRounds {
		for _, k := range rand.New(rand.NewPCG(3, uint64(round))).Perm(2) {
			samples := alone(b, up, s, k, len(racers), load.Load{Rate: rate, Duration: tailWindow, Seed: uint64(round)})
			times := make([]float64, len(samples))
			for i, x := range samples {
				times[i] = float64(x.LastByte-x.Intended) / 1e3
			}
			slices.Sort(times)
			racers[k].tails = append(racers[k].tails, times[len(times)*99/100])
		}
	}
	b.ReportMetric(rate, "tail-rate")
}

// alone gives target k a load while what stands for the others of n topologies
// is stopped, and fails unless every request ends well.
func alone(b *testing.B, up testbed.Setup, s load.Session, k, n int, l load.Load) []load.Sample {
	b.Helper()
	others := slices.DeleteFunc(order(n), func(i int) bool { return i == k })
	if err := up.Pause(others...); err != nil {
		b.Fatal(err)
	}
	l.Targets = []int{k}
	samples, _, err := load.Collect(b.Context(), s, l)
	if err := up.Resume(others...); err != nil {
		b.Fatal(err)
	}
	if err != nil || len(samples) == 0 {
		b.Fatalf("target %d: %d samples, %v", k, len(samples), err)
	}
	for _, x := range samples {
		if x.Class != load.OK {
			b.Fatalf("target %d: a request ended as %s with status %d", k, x.Class, x.Status)
		}
	}
	return samples
}

// routeTopology is a plane with both functions, or without one the service alone.
func routeTopology(b *testing.B, bench *catalog.Bench, plane string) testbed.Topology {
	b.Helper()
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
	t := testbed.Topology{Name: "alone", Workload: echo, Probe: testbed.Request{Method: prepared.Method, Path: prepared.Path, Host: prepared.Host}}
	t.Service.Workers, t.Service.Service = 1, json.RawMessage(service)
	if plane == "" {
		return t
	}
	t.Name, t.Workers, t.DataPlane = plane, 1, plane
	t.Proxy = &dataplane.Proxy{Hosts: []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"},
		Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}}}}}
	native, err := bench.Placements.Get(string(study.FormNative))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range []struct{ name, params string }{
		{"route-path", ""}, {"ratelimit", `{"limits": {"Fast": "1000000000/s"}, "paths": ["/"]}`},
	} {
		fn, err := bench.Functions.Get(f.name)
		if err != nil {
			b.Fatal(err)
		}
		t.Replicas = max(t.Replicas, fn.Replicas)
		if f.params == "" {
			f.params = fn.Example
		}
		if err := native.Place(&t, fn, specOf(b, fn, f.params)); err != nil {
			b.Fatal(err)
		}
	}
	return t
}

func openRacers(b *testing.B, bench *catalog.Bench, addrs []string, racers []*racer) load.Session {
	b.Helper()
	g, err := bench.Generators.Get("openloop")
	if err != nil {
		b.Fatal(err)
	}
	var targets []load.Target
	for k, r := range racers {
		targets = append(targets, load.Target{Name: r.name, Addr: addrs[k], Host: "echo.test", Connections: 16, MaxConnections: 64})
	}
	who := load.User{Weight: 1, Header: [][2]string{{function.UserHeader, "ada"}, {function.SubscriptionHeader, "Fast"}}}
	s, err := g.Open(b.Context(), targets, load.Population{Users: []load.User{who}})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// startNginx starts an nginx with one worker that only routes.
func startNginx(b *testing.B, upstream string) (addr string, pids []int) {
	b.Helper()
	exe, err := exec.LookPath("nginx")
	if err != nil {
		b.Fatalf("nginx is needed for the comparison: %v", err)
	}
	if addr, err = process.FreeAddr(); err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile("../dataplane/embedded/testdata/nginx.conf")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	conf := strings.NewReplacer("LISTEN;", addr+";", "UPSTREAM;", upstream+";", "DIR/", dir+"/").Replace(string(text))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe, "-c", file, "-p", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		if r, err := http.Get("http://" + addr + "/"); err == nil {
			r.Body.Close()
			break
		} else if time.Now().After(deadline) {
			b.Fatalf("nginx does not serve: %v", err)
		}
	}
	pids = []int{cmd.Process.Pid}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", pids[0]))
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return addr, pids
}

func cpuOf(b *testing.B, pids []int) (sum time.Duration) {
	b.Helper()
	for _, pid := range pids {
		t, err := measure.CPU(pid)
		if err != nil {
			b.Fatal(err)
		}
		sum += t
	}
	return sum
}

func memoryOf(b *testing.B, pid int) measure.Memory {
	b.Helper()
	m, err := measure.MemoryOf(pid)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// ratios are a/b, round by round.
func ratios(a, b []float64) []float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return r
}
