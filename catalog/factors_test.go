package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/cli"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/named"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
)

// The test binary is tare itself when this is set, which children inherit.
const asTare = "TARE_TEST_AS_TARE"

func TestMain(m *testing.M) {
	if os.Getenv(asTare) != "" && !slices.ContainsFunc(os.Args, func(a string) bool { return strings.HasPrefix(a, "-test.") }) {
		os.Exit(cli.Main(cli.State{Args: os.Args[1:], Getenv: os.Getenv, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	// Under the race detector a process sleeps a second before it ends.
	if err := errors.Join(os.Setenv(asTare, "1"), os.Setenv("GORACE", "atexit_sleep_ms=0")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// standing looks at the apparatus of a block just before its last counts are
// read, while everything stands.
type standing struct {
	testbed.Testbed
	look func(testbed.Setup)
}

func (s standing) Up(ctx context.Context, ts []testbed.Topology, order []int) (testbed.Setup, error) {
	up, err := s.Testbed.Up(ctx, ts, order)
	if err != nil {
		return nil, err
	}
	return &looked{Setup: up, look: s.look, left: len(ts)}, nil
}

type looked struct {
	testbed.Setup
	look func(testbed.Setup)
	left int // counts to be read before the load, one for each treatment
	once sync.Once
}

func (l *looked) Stats(ctx context.Context, i int) (workload.Stats, error) {
	if l.left--; l.left < 0 {
		l.once.Do(func() { l.look(l.Setup) })
	}
	return l.Setup.Stats(ctx, i)
}

// kept is a journal of one block.
type kept struct{ experiment.Block }

func (*kept) Begin(context.Context, experiment.Experiment) error             { return nil }
func (k *kept) Append(_ context.Context, _ string, b experiment.Block) error { k.Block = b; return nil }
func (*kept) End(context.Context, string, experiment.State, time.Time) error { return nil }
func treatment(p *study.Plan, name string) int                               { return p.Study.Index(name) }
func parts(b experiment.Block, k study.Kind, i int, role string) (cpu []time.Duration) {
	for _, ph := range b.Phases {
		for _, x := range ph.Parts {
			if ph.Phase.Kind == k && x.Treatment == i && x.Role == role {
				cpu = append(cpu, x.CPU)
			}
		}
	}
	return cpu
}

// carryOut runs one block of a study on real processes.
func carryOut(t *testing.T, text string, change func(*experiment.Catalog), look func(*experiment.Apparatus, testbed.Setup)) (*study.Plan, experiment.Block) {
	t.Helper()
	bench, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bench.Close)
	change(&bench.Catalog)
	s, err := study.Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := study.MakePlan(*s, study.Options{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	p.Blocks = p.Blocks[:1]
	a, err := experiment.NewApparatus(p, bench.Catalog)
	if err != nil {
		t.Fatal(err)
	}
	k := &kept{}
	r := experiment.Runner{Journal: k, Testbed: standing{a.Testbed, func(up testbed.Setup) { look(a, up) }}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := r.Run(ctx, "x", a, nil); err != nil {
		t.Fatal(err)
	}
	return p, k.Block
}

const factorsStudy = `tare: study/1
name: factors
dataplane: PLANE
workload: {name: echo}
function: {name: noop}
load: {rate: 100/s, connections: 3}
treatments:
  - {name: plain, control: router}
  - {name: connected, baseline: plain, set: {connections: 11}}
  - {name: often, baseline: plain, set: {rate: 300/s}}
  - {name: asking, baseline: plain, set: {request: 20KiB}}
  - {name: telling, baseline: plain, set: {response: 3KiB}}
  - {name: working, baseline: plain, set: {workers: 3}}
  - {name: bound, baseline: plain, set: {cores: 1}}
  - {name: natives, baseline: plain, set: {chain: 4}}
  - {name: inert, control: noop, form: wasm, baseline: plain}
  - {name: chained, baseline: inert, set: {chain: 5}}
  - {name: many, baseline: plain, set: {replicas: 3}}
  - {name: logged, baseline: plain, set: {access-log: on}}
design: {blocks: 10, warmup: 20, idle: 100ms, latency: 1s, stop: fixed, control_every: -1}
`

// Every factor of a treatment takes effect on the processes that stand for it,
// on each data plane, and on those of no other treatment.
func TestFactorsTakeEffect(t *testing.T) {
	for plane, workers := range map[string]func(testing.TB, int) int{"embedded": toldWorkers, "envoy": namedWorkers} {
		t.Run(plane, func(t *testing.T) {
			var log *os.File
			p, b := carryOut(t, strings.Replace(factorsStudy, "PLANE", plane, 1), marking, func(a *experiment.Apparatus, up testbed.Setup) {
				for i, x := range a.Topologies {
					ps := up.Processes(i)
					proxy := ps[len(ps)-1].PID
					type shape struct{ connections, workers, cores, chain, processes, response int }
					header, response := ask(t, up.Addr(i))
					got := shape{connectionsTo(t, up.Addr(i)), workers(t, proxy), cores(t, proxy), len(header["X-Chain"]), len(ps), response}
					want := shape{3, 1, allCores(t), 0, 2, 64}
					switch x.Name {
					case "connected":
						want.connections = 11
					case "telling":
						want.response = 3 << 10
					case "working":
						want.workers = 3
					case "bound":
						want.cores = 1
					case "inert":
						want.chain = 1
					case "chained":
						want.chain = 6 // with its own
					case "natives": // they leave no mark: the proxy has acknowledged them
						if n := len(x.Proxy.Filters); n != 4 || x.Proxy.Filters[3].Name != "envoy.filters.http.header_mutation.noop-4" {
							t.Errorf("%d filters: %+v", n, x.Proxy.Filters)
						}
					case "many":
						want.processes = 4
					}
					if want.connections < got.connections && got.connections <= 8*want.connections {
						got.connections = want.connections // a pool may have grown for a burst
					}
					if got != want {
						t.Errorf("%s: %+v\nwant %+v", x.Name, got, want)
					}
					for _, s := range ps {
						if n := cores(t, s.PID); n != want.cores {
							t.Errorf("%s: the %s may run on %d cores, want %d", x.Name, s.Role, n, want.cores)
						}
					}
					if x.Name == "logged" {
						var err error
						if log, err = os.Open(fmt.Sprintf("/proc/%d/fd/3", proxy)); err != nil {
							t.Error(err)
						}
					}
				}
			})
			if b.Void != "" {
				t.Logf("void: %s", b.Void)
			}
			checkBlock(t, p, b)
			checkLog(t, p, b, log)
		})
	}
}

// sent counts a treatment's requests in a block, in one phase or, without a
// kind, in all.
func sent(b experiment.Block, i int, k study.Kind) (n int) {
	for j, samples := range b.Samples {
		for _, x := range samples {
			if int(x.Target) == i && x.Written >= 0 && (k == "" || b.Phases[j].Phase.Kind == k) {
				n++
			}
		}
	}
	return n
}

// checkBlock looks at what the block counted.
func checkBlock(t *testing.T, p *study.Plan, b experiment.Block) {
	t.Helper()
	for _, w := range b.Work {
		want := int64(0)
		if w.Treatment == treatment(p, "asking") {
			want = int64(sent(b, w.Treatment, "")) * 20 << 10
		}
		if w.Stats.Received != want {
			t.Errorf("the service of %s received %d bytes, want %d", p.Study.Treatments[w.Treatment].Name, w.Stats.Received, want)
		}
	}
	often, plain := sent(b, treatment(p, "often"), study.Latency), sent(b, treatment(p, "plain"), study.Latency)
	if often < 230 || often > 370 || plain < 60 || plain > 140 {
		t.Errorf("%d requests at 300/s and %d at 100/s in a second", often, plain)
	}
	services := parts(b, study.Latency, treatment(p, "many"), "service")
	if len(services) != 3 || slices.Min(services) <= 0 {
		t.Errorf("the replicas used %v of CPU time", services)
	}
}

// checkLog holds the access log against the requests: the generator's, one
// probe, and the one of ask.
func checkLog(t *testing.T, p *study.Plan, b experiment.Block, log *os.File) {
	t.Helper()
	if log == nil {
		t.Fatal("no log was found")
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	if err != nil {
		t.Fatal(err)
	}
	want := sent(b, treatment(p, "logged"), "") + 2
	if got := bytes.Count(text, []byte(" HTTP/1.1\" 200 0 64 ")); got != want || bytes.Count(text, []byte("\n")) != want {
		t.Errorf("%d lines in the log, %d of them of whole answers, want %d", bytes.Count(text, []byte("\n")), got, want)
	}
}

// marking makes the no-op leave a mark on each response, so that the filters of
// a chain can be counted from outside.
func marking(c *experiment.Catalog) {
	var m Module
	add := m.Import("env", "proxy_add_header_map_value", "iiiii", "i")
	m.Memory(1, 1)
	m.Data(16, "x-chainon")
	m.Func("proxy_abi_version_0_2_1", "", "", 0)
	m.Func("proxy_on_memory_allocate", "i", "i", 0, I32(1024))
	m.Func("proxy_on_response_headers", "iii", "i", 0, I32(2), I32(16), I32(7), I32(23), I32(2), Call(add), Drop, I32(0))
	all := c.Functions.All()
	for i := range all {
		if all[i].Name == "noop" {
			all[i].Wasm = &function.Wasm{Module: m.Bytes(), Config: all[i].Wasm.Config}
		}
	}
	set, err := named.NewSet("function", func(f function.Function) string { return f.Name }, all...)
	if err != nil {
		panic(err)
	}
	c.Functions = set
}

// ask sends one request and returns the header and the length of the answer.
func ask(t testing.TB, addr string) (http.Header, int) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		t.Error(err)
		return nil, 0
	}
	r.Close = true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return nil, 0
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res.Header, len(body)
}

// connectionsTo counts the established connections to a loopback address, by
// the kernel's table.
func connectionsTo(t testing.TB, addr string) (n int) {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Error(err)
		return 0
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Error(err)
		return 0
	}
	text, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Error(err)
	}
	const established = "01"
	for line := range bytes.Lines(text) {
		if f := strings.Fields(string(line)); len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", number)) && f[3] == established {
			n++
		}
	}
	return n
}

func cores(t testing.TB, pid int) int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		t.Error(err)
	}
	return set.Count()
}

func allCores(t testing.TB) int { t.Helper(); return cores(t, 0) }

// toldWorkers is the number of threads that a proxy of ours is told to use.
func toldWorkers(t testing.TB, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		t.Error(err)
	}
	args := strings.Split(string(text), "\x00")
	n, err := strconv.Atoi(args[slices.Index(args, "--workers")+1])
	if err != nil {
		t.Error(err)
	}
	return n
}

// namedWorkers counts the threads that Envoy names so.
func namedWorkers(t testing.TB, pid int) (n int) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/comm", pid))
	if err != nil {
		t.Error(err)
	}
	for _, file := range threads {
		if name, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(name), "wrk:worker_") {
			n++
		}
	}
	return n
}

const parametersStudy = `tare: study/1
name: parameters
workload: {name: imagehub}
function: {name: ratelimit, params: {limits: {Team: 100000/s}, paths: [/pull]}}
load: {rate: 200/s, users: {count: 2, mix: [{subscription: Team, share: 100%, weight: 1}]}}
treatments:
  - {name: router, control: router}
  - {name: token, control: token, baseline: router}
  - {name: library, form: library, baseline: token}
  - {name: tight, baseline: library, set: {params.limits.Team: 3/min}}
design: {blocks: 10, warmup: 5, idle: 100ms, latency: 500ms, stop: fixed, control_every: -1}
`

// A parameter of the function is that of one treatment, and the judge holds
// each to its own.
func TestParametersTakeEffect(t *testing.T) {
	p, b := carryOut(t, parametersStudy, func(*experiment.Catalog) {}, func(*experiment.Apparatus, testbed.Setup) {})
	allowed := map[string]int{}
	for _, samples := range b.Samples {
		for _, x := range samples {
			if x.Status == http.StatusOK {
				allowed[p.Study.Treatments[x.Target].Name]++
			}
		}
	}
	if n := allowed["library"]; n != sent(b, treatment(p, "library"), "") {
		t.Errorf("%d of %d requests were allowed by the wide limit", n, sent(b, treatment(p, "library"), ""))
	}
	if n := allowed["tight"]; n < 1 || n > 8 { // 3 of each user, and what comes back
		t.Errorf("%d requests were allowed by the tight limit", n)
	}
	for _, j := range b.Judged {
		if j.Wrong != "" {
			t.Errorf("%s was judged by another's parameters: %s", p.Study.Treatments[j.Treatment].Name, j.Wrong)
		}
	}
	if len(b.Judged) != 2 {
		t.Errorf("%d treatments were judged", len(b.Judged))
	}
}
