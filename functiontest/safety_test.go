package functiontest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/envoy"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/headermutation"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// TestSafety tries what becomes of other requests when a form is swapped, when
// it crashes, runs for ever or wants all memory, through real proxies of one
// worker, and holds the committed tries to it (atlas/safety.json; -update writes
// them). What a proxy may have of memory is bounded meanwhile.
func TestSafety(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	built := hostileModules(t)
	wasmGo := buildGoWasm(t)
	var mu sync.Mutex
	var all []atlas.Try
	t.Run("tries", func(t *testing.T) {
		for _, plane := range b.DataPlanes.All() {
			for _, p := range placement.All() {
				if p.Form == study.FormLibrary || p.On != nil && p.On(plane.Name()) != "" {
					continue
				}
				for _, what := range []string{"swap", "crash", "loop", "memory"} {
					k := safetyTry{plane: plane, place: p, what: what, hostile: built, wasmGo: wasmGo}
					t.Run(fmt.Sprintf("%s/%s/%s", plane.Name(), p.Form, what), func(t *testing.T) {
						t.Parallel()
						verdict, words := k.run(t)
						t.Logf("%s: %s", verdict, words)
						mu.Lock()
						defer mu.Unlock()
						all = append(all, atlas.Try{Form: p.Form, Plane: plane.Name(), Vector: atlas.Safety, What: what,
							Verdict: verdict, Words: words, Test: "functiontest.TestSafety"})
					})
				}
			}
		}
	})
	slices.SortFunc(all, func(a, b atlas.Try) int {
		return strings.Compare(a.Plane+" "+string(a.Form)+" "+a.What, b.Plane+" "+string(b.Form)+" "+b.What)
	})
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "../../atlas/safety.json", append(text, '\n'))
}

// safetyTry is one form on one plane and one thing that it does.
type safetyTry struct {
	plane   dataplane.DataPlane
	place   placement.Placement
	what    string
	hostile map[study.Form]string // dynamic modules, by form
	wasmGo  []byte
}

// answerWithin is a thousand times what an answer takes, and patience what a
// proxy may take to end.
const (
	answerWithin = 2 * time.Second
	patience     = 30 * time.Second
	// starting is what a proxy may take to compile a module of megabytes beside
	// others that do.
	starting = 2 * time.Minute
)

func (k safetyTry) run(t *testing.T) (atlas.Verdict, string) {
	switch {
	case k.what == "swap":
		return k.swap(t)
	case k.place.Form == study.FormNative:
		return k.withoutCode(t)
	}
	verdict, words := k.harm(t)
	return verdict, k.settled(words)
}

// What became of the others, and what stands for both where it is by chance
// which of the two comes: a module of WebAssembly takes page by page, up to the
// very bound of its Envoy. If the module is refused the next page it traps, and
// Envoy answers for it from then on; if Envoy itself is refused what it asks for
// next, then or later, it ends. Neither leaves a later request served.
//
// No other form leaves it to chance. A dynamic module that is refused memory ends
// its process, as Envoy does: whoever is first, the end is the same. A script
// takes a megabyte at a time, so that when it is refused one what is left is
// plenty for Envoy. The embedded plane bounds a module far below the bound of the
// process, and ends a script by its time; a service's process has a bound of its
// own.
const (
	ended    = "the proxy ended, and every connection with it"
	answered = "the next request was answered with 503"
	either   = "no later request was served: it was answered with 503, or the proxy ended, by chance of who asked for memory next"
)

// settled is what is kept of the words: the same every time.
func (k safetyTry) settled(words string) string {
	module := k.place.Form == study.FormWasm || k.place.Form == study.FormWasmGo
	if k.what == "memory" && module && k.plane.Name() == envoy.Name && (words == ended || words == answered) {
		return either
	}
	return words
}

// setting is a proxy in front of a service that answers.
type setting struct {
	addr  string
	proxy dataplane.Instance
	x     *testbed.Topology
}

func (k safetyTry) stand(t *testing.T, fn function.Function, spec function.Spec) *setting {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") }))
	t.Cleanup(service.Close)
	addr, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	s := &setting{addr: addr}
	s.x = k.topology(t, addr, service.Listener.Addr().String(), fn, spec)
	ctx, cancel := context.WithTimeout(t.Context(), starting)
	defer cancel()
	if s.proxy, err = k.plane.Start(ctx, dataplane.Options{Name: "safety-" + strings.ReplaceAll(t.Name(), "/", "-"), Workers: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.proxy.Stop() })
	if err := s.proxy.Configure(ctx, *s.x.Proxy); err != nil {
		t.Fatal(err)
	}
	for once(s.addr, nil, answerWithin) != "served" {
		if ctx.Err() != nil {
			t.Fatal("the proxy serves nothing")
		}
	}
	return s
}

func (k safetyTry) topology(t *testing.T, addr, service string, fn function.Function, spec function.Spec) *testbed.Topology {
	x := &testbed.Topology{Name: fn.Name, Proxy: &dataplane.Proxy{
		Listen:   addr,
		Hosts:    []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}}}},
		Clusters: []dataplane.Cluster{{Name: testbed.ServiceCluster, Endpoints: []string{service}}},
	}}
	if err := k.place.Place(x, fn, spec); err != nil {
		t.Fatal(err)
	}
	if x.Asked != nil {
		asked, stop := serveAsked(t, x.Asked.Serve)
		t.Cleanup(stop)
		x.Proxy.Clusters = append(x.Proxy.Clusters, dataplane.Cluster{Name: function.ExternalCluster, Endpoints: []string{asked}, HTTP2: true})
	}
	return x
}

func serveAsked(t *testing.T, serve func(context.Context, net.Listener) error) (addr string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = serve(ctx, l) // until stop
	}()
	return l.Addr().String(), func() {
		cancel()
		<-done
	}
}

// once sends one request on a connection of its own: "served", or what came.
func once(addr string, header http.Header, within time.Duration) string {
	client := &http.Client{Timeout: within, Transport: &http.Transport{DisableKeepAlives: true}}
	return send(client, addr, header)
}

func send(client *http.Client, addr string, header http.Header) string {
	r, err := http.NewRequest(http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return err.Error()
	}
	r.Header = header
	resp, err := client.Do(r)
	if err != nil {
		return "got no answer"
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return "got no answer"
	case resp.StatusCode != http.StatusOK || string(body) != "served":
		return fmt.Sprintf("was answered with %d", resp.StatusCode)
	}
	return string(body)
}

// swap changes the parameters of header mutation while clients send.
func (k safetyTry) swap(t *testing.T) (atlas.Verdict, string) {
	fn := headermutation.Function()
	spec := func(version int) function.Spec {
		return headermutation.Spec{Response: []headermutation.Mutation{{Op: headermutation.Set, Name: "x-version", Value: fmt.Sprint(version)}}}
	}
	s := k.stand(t, fn, spec(0))
	service := s.x.Proxy.Clusters[0].Endpoints[0]
	var sent, failed atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				sent.Add(1)
				if send(client, s.addr, nil) != "served" {
					failed.Add(1)
				}
			}
		})
	}
	const swaps = 2
	for version := 1; version <= swaps; version++ {
		x := k.topology(t, s.addr, service, fn, spec(version))
		ctx, cancel := context.WithTimeout(t.Context(), starting)
		err := s.proxy.Configure(ctx, *x.Proxy)
		for err == nil && versionOf(s.addr) != fmt.Sprint(version) {
			err = ctx.Err()
		}
		cancel()
		if err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("%d requests, %d failed", sent.Load(), failed.Load())
	if failed.Load() > 0 {
		return atlas.Refused, "requests failed while its parameters were changed"
	}
	return atlas.Shown, fmt.Sprintf("its parameters were changed %d times under load: no request failed, and new connections obeyed", swaps)
}

// versionOf is what a new connection sees.
func versionOf(addr string) string {
	client := &http.Client{Timeout: answerWithin, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + "/")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	return resp.Header.Get("x-version")
}

// mostMore is what a proxy may have for data beyond what it has: that ends before
// the machine's memory does. Our own ends hostile guests by their time, within
// which they can take some.
func mostMore(plane string) uint64 {
	if plane == envoy.Name {
		return 256 << 20
	}
	return 1 << 30
}

// bounded bounds the memory of a process.
func bounded(pid int, more uint64) error {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return err
	}
	var has uint64
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmData: %d kB", &has); err == nil {
			break
		}
	}
	limit := unix.Rlimit{Cur: has<<10 + more, Max: has<<10 + more}
	return unix.Prlimit(pid, unix.RLIMIT_DATA, &limit, nil)
}

// harm sends one request that makes the filter do its worst, and others beside
// it and behind it.
func (k safetyTry) harm(t *testing.T) (atlas.Verdict, string) {
	fn, after := k.hostileFunction(t)
	s := k.stand(t, fn, nil)
	if err := bounded(s.proxy.PID(), mostMore(k.plane.Name())); err != nil {
		t.Fatal(err)
	}
	within := answerWithin
	if k.what == "memory" { // to take it needs its time, and then the others have theirs
		within = patience
	}
	bad := make(chan string, 1)
	go func() { bad <- once(s.addr, http.Header{"X-Bad": {"1"}}, 2*within) }() // longer than a proxy waits for a service
	if after != nil {
		after()
	}
	others, itself := "served", ""
	for n := 0; n < 10 && others == "served"; {
		others = once(s.addr, nil, within)
		if itself == "" {
			select {
			case itself = <-bad:
			default:
				continue // others go on while it runs
			}
		}
		n++
	}
	if itself == "" {
		itself = <-bad
	}
	t.Logf("itself %s, others %s", itself, others)
	if others != "served" {
		if k.place.Form == study.FormExternal && k.what == "memory" {
			return atlas.Refused, k.again(t, s, others)
		}
		if others == "got no answer" && k.what != "loop" {
			select {
			case <-s.proxy.Done():
				return atlas.Refused, ended
			case <-time.After(patience): // it may take its time to end
			}
		}
		return atlas.Refused, fmt.Sprintf("the next request %s", others)
	}
	if itself == "served" {
		itself = "was served, as if the filter were not there"
	}
	return atlas.Shown, fmt.Sprintf("the request itself %s; others, beside it and after it, were served", itself)
}

// hostileFunction does nothing but what the header x-bad asks for. after, if
// set, is done when the request has been sent.
func (k safetyTry) hostileFunction(t *testing.T) (fn function.Function, after func()) {
	fn = function.Function{Name: "hostile"}
	nothing := func(function.Spec) ([]byte, error) { return []byte(k.what), nil }
	switch k.place.Form {
	case study.FormLua:
		fn.Lua = &function.Lua{Script: func(function.Spec) (string, error) { return hostileScript(k.what), nil }}
	case study.FormWasm:
		fn.Wasm = &function.Wasm{Module: hostileWasm(k.what), Config: func(function.Spec) ([]byte, error) { return nil, nil }}
	case study.FormWasmGo:
		fn.WasmGo = &function.Wasm{Module: k.wasmGo, Config: nothing}
	case study.FormDynmod:
		fn.Dynmod = &function.Dynmod{Module: k.hostile[study.FormDynmod], Config: nothing}
	case study.FormDynmodGo:
		fn.DynmodGo = &function.Dynmod{Module: k.hostile[study.FormDynmodGo], Config: nothing}
	case study.FormExternal:
		fn.External, after = hostileService(t, k.what)
	}
	return fn, after
}

// hostileModules builds dynamic modules that do as they are told, beside those
// that are there: Envoy looks in one folder.
func hostileModules(t *testing.T) map[study.Form]string {
	dir := envoy.FindModules(os.Getenv)
	names := map[study.Form]string{study.FormDynmod: "tare_hostile_rust", study.FormDynmodGo: "tare_hostile_go"}
	buildRust(t, filepath.Join(dir, "lib"+names[study.FormDynmod]+".so"))
	buildGo(t, filepath.Join(dir, "lib"+names[study.FormDynmodGo]+".so"))
	return names
}
