package ratelimit_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/cli"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/ratelimit"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/study"
)

// patience bounds every wait: only what hangs meets it.
const patience = 20 * time.Second

// TestMain makes the test binary tare when it is started as a proxy.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "proxy" {
		os.Exit(cli.Main(cli.State{Args: os.Args[1:], Getenv: os.Getenv, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

// onPlanes runs a test on every data plane: the same module in all.
func onPlanes(t *testing.T, test func(*testing.T, dataplane.DataPlane)) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	for _, plane := range b.DataPlanes.All() {
		t.Run(plane.Name(), func(t *testing.T) { test(t, plane) })
	}
}

// specFrom decodes parameters as a study gives them.
func specFrom(t *testing.T, params string) function.Spec {
	t.Helper()
	p, err := study.JSONParams("test", []byte(params))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := ratelimit.Function().Decode(p)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// wasmFilter is the module with the configuration that the parameters make.
func wasmFilter(t *testing.T, spec function.Spec) dataplane.Filter {
	t.Helper()
	config, err := ratelimit.Function().Wasm.Config(spec)
	if err != nil {
		t.Fatal(err)
	}
	return moduleFilter(t, ratelimit.Function().Wasm.Module, config)
}

func moduleFilter(t *testing.T, module, config []byte) dataplane.Filter {
	t.Helper()
	f, err := xds.WasmFilter("ratelimit", module, config)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// proxy is a proxy with one filter, before a service that counts.
type proxy struct {
	t      *testing.T
	addr   string
	served atomic.Int64
	client *http.Client
}

// names makes the proxies of one run of the tests differ.
var names atomic.Int64

// start starts a proxy that has not been configured.
func start(t *testing.T, plane dataplane.DataPlane, workers int) dataplane.Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	i, err := plane.Start(ctx, dataplane.Options{Name: fmt.Sprintf("wasm-%d", names.Add(1)), Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	})
	return i
}

// through configures the instance to put requests through the filter.
func through(t *testing.T, i dataplane.Instance, f dataplane.Filter) (*proxy, error) {
	t.Helper()
	p := &proxy{t: t}
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { p.served.Add(1) }))
	t.Cleanup(service.Close)
	var err error
	if p.addr, err = process.FreeAddr(); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	p.client = &http.Client{Transport: transport, Timeout: patience}
	wanted := dataplanetest.ToAll(p.addr, service.Listener.Addr().String())
	wanted.Filters = []dataplane.Filter{f}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return p, i.Configure(ctx, wanted)
}

func mustThrough(t *testing.T, plane dataplane.DataPlane, workers int, f dataplane.Filter) *proxy {
	t.Helper()
	p, err := through(t, start(t, plane, workers), f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answer is what a client sees.
type answer struct {
	status int
	header http.Header
	body   string
}

// get sends one request with header fields given as name, value, name …
func (p *proxy) get(path string, fields ...string) answer {
	r, err := http.NewRequest(http.MethodGet, "http://"+p.addr+path, nil)
	if err != nil {
		p.t.Error(err)
		return answer{}
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	res, err := p.client.Do(r)
	if err != nil {
		p.t.Error(err)
		return answer{}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Error(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func (p *proxy) as(path, user, subscription string) answer {
	return p.get(path, function.UserHeader, user, function.SubscriptionHeader, subscription)
}

// allowed sends n requests and counts those that got through.
func allowed(n int, send func() answer) (count int) {
	for range n {
		if send().status == http.StatusOK {
			count++
		}
	}
	return count
}

func TestWasmEnforces(t *testing.T) { onPlanes(t, enforces) }

func enforces(t *testing.T, plane dataplane.DataPlane) {
	p := mustThrough(t, plane, 1, wasmFilter(t, specFrom(t, `{"limits": {"Personal": "10/h", "Team": "20/h", "Club": "10/h"}, "others": "3/h", "paths": ["/pull", "/push"]}`)))
	for _, c := range []struct {
		name               string
		path               string
		user, subscription string
		want               int // of 25
	}{
		{"a user", "/pull", "ann", "Personal", 10},
		{"the same one, again", "/pull", "ann", "Personal", 0},
		{"with a query", "/pull?image=x", "ann", "Personal", 0},
		{"another user", "/pull", "bob", "Personal", 10},
		{"upgraded", "/pull", "ann", "Team", 20},
		{"moved to another subscription of the same rate", "/pull", "ann", "Club", 10},
		{"another path", "/push", "ann", "Personal", 10},
		{"a path without limit", "/auth", "ann", "Personal", 25},
		{"a path that only begins alike", "/pull/", "ann", "Personal", 25},
		{"an unlisted subscription", "/pull", "ann", "Gold", 3},
		{"no name: the bucket of all others", "/pull", "", "Personal", 0},
		{"nobody: the bucket of all others", "/pull", "", "", 0},
		{"nobody, on another path", "/push", "", "", 3},
	} {
		if got := allowed(25, func() answer { return p.as(c.path, c.user, c.subscription) }); got != c.want {
			t.Errorf("%s: %d of 25 allowed, want %d", c.name, got, c.want)
		}
	}
}

// TestWasmAnswersAsNative holds every answer against that of the native form:
// on Envoy, that is its own local rate limit.
func TestWasmAnswersAsNative(t *testing.T) { onPlanes(t, answersAsNative) }

func answersAsNative(t *testing.T, plane dataplane.DataPlane) {
	spec := specFrom(t, `{"limits": {"Personal": "3/h"}, "others": "1/h"}`)
	c, err := ratelimit.Function().Native.Config(spec)
	if err != nil {
		t.Fatal(err)
	}
	own := mustThrough(t, plane, 1, dataplane.Filter{Name: c.Name, Config: c.Routes["/pull"]})
	wasm := mustThrough(t, plane, 1, wasmFilter(t, spec))
	statuses := map[int]int{}
	for i := range 10 {
		user, subscription := "ann", []string{"Personal", "none"}[i%2]
		want, got := own.as("/pull", user, subscription), wasm.as("/pull", user, subscription)
		for _, h := range []http.Header{want.header, got.header} {
			for _, differs := range []string{"Date", "X-Envoy-Upstream-Service-Time"} {
				h.Del(differs)
			}
			// A second may pass between the two.
			for _, name := range []string{"X-Ratelimit-Reset", "Retry-After"} {
				if v := h.Get(name); len(v) == 4 {
					h.Set(name, v[:2]+"..")
				}
			}
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); d != "" {
			t.Errorf("request %d: native (-), module (+): %s", i, d)
		}
		statuses[got.status]++
	}
	if d := cmp.Diff(map[int]int{200: 4, 429: 6}, statuses); d != "" {
		t.Error(d)
	}
}

// TestWasmExactUnderConcurrency sends requests of the same users over many
// connections, so that both workers draw from the same buckets at once, and
// has the judge look at it.
func TestWasmExactUnderConcurrency(t *testing.T) { onPlanes(t, exactUnderConcurrency) }

func exactUnderConcurrency(t *testing.T, plane dataplane.DataPlane) {
	spec := specFrom(t, contendedParams)
	if err := contend(mustThrough(t, plane, 2, wasmFilter(t, spec)), spec); err != nil {
		t.Error(err)
	}
}

const contendedParams = `{"limits": {"Enterprise": "3000/h", "Personal": "1/h"}}`

// contend makes the requests of one caller collide from first to last, and
// those of many new callers in the first: making a bucket is the harder part.
// What the judge finds is the error.
func contend(p *proxy, spec function.Spec) error {
	const connections, requests, callers = 16, 300, 400
	start := time.Now()
	seen := make([][]function.Observation, connections)
	send := func(n int, c function.Caller) {
		o := function.Observation{Path: "/pull", Caller: c, Earliest: time.Since(start), Outcome: function.Refused}
		if a := p.as(o.Path, c.User, c.Subscription); a.status == http.StatusOK {
			o.Outcome = function.Allowed
		}
		o.Latest = time.Since(start)
		seen[n] = append(seen[n], o)
	}
	together := func(do func(n int)) {
		var wait sync.WaitGroup
		for n := range connections {
			wait.Go(func() { do(n) })
		}
		wait.Wait()
	}
	together(func(n int) {
		for range requests {
			send(n, function.Caller{User: "all", Subscription: "Enterprise"})
		}
	})
	for i := range callers {
		together(func(n int) { send(n, function.Caller{User: fmt.Sprint("user-", i), Subscription: "Personal"}) })
	}
	all := slices.Concat(seen...)
	slices.SortStableFunc(all, func(a, b function.Observation) int { return int(a.Earliest - b.Earliest) })
	return ratelimit.Function().Judge(spec, function.Evidence{Observations: all, Served: int(p.served.Load())})
}

// claimsFilter is the module that reads callers from a token's payload.
func claimsFilter(t *testing.T) dataplane.Filter {
	t.Helper()
	config, err := ratelimit.Function().Wasm.Config(specFrom(t, `{"limits": {"Personal": "2/h"}, "others": "3/h"}`))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(config, &fields); err != nil {
		t.Fatal(err)
	}
	fields[function.PayloadHeaderField] = "X-Payload"
	if config, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	return moduleFilter(t, ratelimit.Function().Wasm.Module, config)
}

func TestWasmReadsAForwardedPayload(t *testing.T) { onPlanes(t, readsAForwardedPayload) }

func readsAForwardedPayload(t *testing.T, plane dataplane.DataPlane) {
	p := mustThrough(t, plane, 1, claimsFilter(t))
	const claims = `{"iss": "hub", "sub": "%s", "subscription": "Personal", "aud": ["a"], "exp": 17}`
	ann, bob, eve := []byte(fmt.Sprintf(claims, "ann")), fmt.Sprintf(claims, "bob"), []byte(fmt.Sprintf(claims, "e\\u0076é"))
	for _, c := range []struct {
		name    string
		payload string
		want    int // of 5
	}{
		{"as Envoy writes it", base64.RawURLEncoding.EncodeToString(ann), 2},
		{"the same caller, padded", base64.URLEncoding.EncodeToString(ann), 0},
		{"the same caller, in the other alphabet", base64.StdEncoding.EncodeToString(ann), 0},
		{"another one, not encoded", bob, 2},
		{"beyond ASCII", base64.RawURLEncoding.EncodeToString(eve), 2},
		{"nothing to read: the bucket of all others", "%%%", 3},
		{"no claims: the bucket of all others", "e30", 0},
	} {
		if got := allowed(5, func() answer { return p.get("/pull", "x-payload", c.payload) }); got != c.want {
			t.Errorf("%s: %d of 5 allowed, want %d", c.name, got, c.want)
		}
	}
	// Where claims are forwarded nobody has cleared the headers x-user and
	// x-subscription: they are the client's own words.
	if got := allowed(5, func() answer { return p.as("/pull", "mallory", "Personal") }); got != 0 {
		t.Errorf("a client named itself, and %d of 5 were allowed", got)
	}
}

// TestWasmSurvivesAnything sends what no client of ours would.
func TestWasmSurvivesAnything(t *testing.T) { onPlanes(t, survivesAnything) }

func survivesAnything(t *testing.T, plane dataplane.DataPlane) {
	nested := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat(`{"a":`, 4000)))
	values := []string{"", " ", "\xff\xfe", "\x80", "a\tb", strings.Repeat("u", 20_000), nested,
		`{"sub":"\ud800"}`, `{"sub":`, `{"sub":{}}`, "=", "====", "A", "e30=", "eyJ", "Personal", "%00"}
	for name, filter := range map[string]dataplane.Filter{
		"headers": wasmFilter(t, specFrom(t, `{"limits": {"Personal": "1000/s"}, "others": "1000/s"}`)),
		"payload": claimsFilter(t),
	} {
		t.Run(name, func(t *testing.T) {
			p := mustThrough(t, plane, 1, filter)
			for _, a := range values {
				for _, b := range values {
					text := "GET /pull?\x7f HTTP/1.1\r\nhost: h\r\nx-user: " + a + "\r\nx-subscription: " + b + "\r\nx-payload: " + a + "\r\nx-payload: " + b + "\r\n\r\n"
					if status := p.raw(text); status >= 500 {
						t.Errorf("status %d for %.200q", status, text)
					}
				}
			}
			if got := p.as("/auth", "ann", "Personal").status; got != http.StatusOK {
				t.Errorf("afterwards: status %d", got)
			}
		})
	}
}

// raw sends bytes and returns the answer's status.
func (p *proxy) raw(text string) int {
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	if _, err := c.Write([]byte(text)); err != nil {
		p.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		p.t.Fatalf("no answer to %.200q: %v", text, err)
	}
	res.Body.Close()
	return res.StatusCode
}

// TestWasmReconfigured: buckets begin anew with another rate, and outlive a new
// configuration with the same.
func TestWasmReconfigured(t *testing.T) { onPlanes(t, reconfigured) }

func reconfigured(t *testing.T, plane dataplane.DataPlane) {
	i := start(t, plane, 1)
	for _, c := range []struct {
		limits string
		want   int // of 5
	}{{`"Personal": "3/h"`, 3}, {`"Personal": "4/h"`, 4}, {`"Personal": "3/h", "Team": "9/h"`, 0}, {`"Personal": "4/min"`, 4}} {
		p, err := through(t, i, wasmFilter(t, specFrom(t, `{"limits": {`+c.limits+`}}`)))
		if err != nil {
			t.Fatal(err)
		}
		if got := allowed(5, func() answer { return p.as("/pull", "ann", "Personal") }); got != c.want {
			t.Errorf("%s: %d of 5 allowed, want %d", c.limits, got, c.want)
		}
	}
}

// TestWasmRefusesConfiguration: the proxy refuses what the module refuses, and
// shows the module's own words.
func TestWasmRefusesConfiguration(t *testing.T) { onPlanes(t, refusesConfiguration) }

func refusesConfiguration(t *testing.T, plane dataplane.DataPlane) {
	const fields = "there are limits, others, paths and payload_header"
	i := start(t, plane, 1)
	for config, want := range map[string]string{
		``:  "no { here",
		`{`: "no \" here",
		`{"limits": {"P": "1/s"}, "others": "1/s", "paths": ["/"], "users": 3}`: `unknown field "users": ` + fields,
		`{"limits": {"P": "1/s"}, "paths": ["/"]}`:                              "others is missing: " + fields,
		`{"limits": {"P": "1/d"}, "others": "1/s", "paths": ["/"]}`:             `limits: "P": byte 22: "1/d" is no rate: write N/s, N/min or N/h`,
	} {
		_, err := through(t, i, moduleFilter(t, ratelimit.Function().Wasm.Module, []byte(config)))
		if err == nil || !strings.Contains(err.Error(), "ratelimit: configuration: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", config, err, want)
		}
	}
	if _, err := through(t, i, wasmFilter(t, ratelimit.DefaultSpec())); err != nil {
		t.Errorf("a right one, afterwards: %v", err)
	}
}

// The committed module is the one that its digest was taken of.
func TestWasmDigest(t *testing.T) {
	want, err := os.ReadFile("filter/ratelimit.wasm.sha256")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x  ratelimit.wasm\n", sha256.Sum256(ratelimit.Function().Wasm.Module)); got != string(want) {
		t.Errorf("filter/ratelimit.wasm is %s, its digest file says %s (make wasm)", got, want)
	}
}
