// Package dataplanetest holds every data plane against the contract of
// package dataplane.
//
// Run starts proxies of the plane before upstreams of its own and sends them
// requests over raw connections. It looks at what a client and an upstream can
// see, so it knows nothing of any plane; what is a plane's own, such as which
// malformed requests it refuses with which words, is tested there.
//
// The package's own tests send the same traffic through both planes and compare
// what clients and services see. What differs is listed, each with its reason, in
// differences.json, and what h2spec finds in h2spec.json; a difference that is not
// listed fails them.
package dataplanetest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/internal/process"
)

// patience bounds every wait: only a plane that hangs meets it.
const patience = 10 * time.Second

// Run runs the contract's tests on the plane.
func Run(t *testing.T, plane dataplane.DataPlane) {
	s := suite{plane: plane}
	for _, c := range []check{
		{"forwards status, headers and bodies", s.forwards},
		{"keeps connections open on both sides", s.keepsAlive},
		{"answers 404 where no route matches", s.unknown},
		{"takes the first route that matches", s.routes},
		{"balances in turn, exactly", s.balances},
		{"takes a new configuration while it runs", s.updates},
		{"keeps the old configuration when it refuses a new one", s.refuses},
		{"answers 503 without an upstream", s.down},
		{"writes an access log", s.logs},
		{"refuses an access log that cannot be", s.logsRefused},
		{"says that it was killed", s.killed},
		{"stops, and again", s.stops},
		{"has its name alone until it is stopped", s.named},
	} {
		t.Run(c.name, c.test)
	}
}

type check struct {
	name string
	test func(*testing.T)
}

// RunThrough runs the tests that send traffic with a filter in every chain,
// which must let everything through as it is.
func RunThrough(t *testing.T, plane dataplane.DataPlane, f dataplane.Filter) {
	s := suite{plane, []dataplane.Filter{f}}
	for _, c := range []check{
		{"forwards status, headers and bodies", s.forwards},
		{"keeps connections open on both sides", s.keepsAlive},
		{"takes the first route that matches", s.routes},
		{"balances in turn, exactly", s.balances},
		{"takes a new configuration while it runs", s.updates},
		{"answers 503 without an upstream", s.down},
		{"writes an access log", s.logs},
	} {
		t.Run(c.name, c.test)
	}
}

type suite struct {
	plane   dataplane.DataPlane
	filters []dataplane.Filter
}

// names makes the instances of one run of the tests differ.
var names atomic.Int64

// start starts a fresh instance, which inherits the files, and gives it an
// address of its own.
func (s suite) start(t *testing.T, files ...*os.File) (i dataplane.Instance, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	i, err := s.plane.Start(ctx, dataplane.Options{Name: fmt.Sprintf("conformance-%d", names.Add(1)), Files: files})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	})
	addr, err = process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return i, addr
}

func configure(t *testing.T, i dataplane.Instance, p dataplane.Proxy) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return i.Configure(ctx, p)
}

func (s suite) mustConfigure(t *testing.T, i dataplane.Instance, p dataplane.Proxy) {
	t.Helper()
	p.Filters = s.filters
	if err := configure(t, i, p); err != nil {
		t.Fatal(err)
	}
}

// upstream is a server that answers with its name.
type upstream struct {
	addr   string
	seen   atomic.Int64 // requests
	opened atomic.Int64 // connections
}

func serve(t *testing.T, h http.HandlerFunc) *upstream {
	t.Helper()
	u := &upstream{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.seen.Add(1)
		h(w, r)
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			u.opened.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	u.addr = srv.Listener.Addr().String()
	return u
}

func named(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }
}

// ToAll is a proxy on addr that sends every request to the endpoints in turn.
func ToAll(addr string, endpoints ...string) dataplane.Proxy {
	return dataplane.Proxy{
		Listen:   addr,
		Hosts:    []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: "service"}}}},
		Clusters: []dataplane.Cluster{{Name: "service", Endpoints: endpoints}},
	}
}

// client has connections of its own, which are gone when the test ends.
func client(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get returns status and body.
func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func wantGet(t *testing.T, c *http.Client, url string, status int, body string) {
	t.Helper()
	gotStatus, gotBody := get(t, c, url)
	if gotStatus != status || gotBody != body {
		t.Errorf("GET %s: got %d %q, want %d %q", url, gotStatus, gotBody, status, body)
	}
}

func (s suite) forwards(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read body: %v", err)
		}
		w.Header().Set("X-Asked", r.Method+" "+r.URL.RequestURI()+" "+r.Host+" "+r.Header.Get("X-Mine"))
		w.WriteHeader(http.StatusTeapot)
		if len(body) > 1000 {
			w.(http.Flusher).Flush() // no length known: chunked
		}
		_, _ = w.Write(body)
	})
	i, addr := s.start(t)
	s.mustConfigure(t, i, ToAll(addr, u.addr))
	c := client(t)
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		for _, size := range []int{0, 1, 64, 5_000, 300_000} {
			for _, known := range []int64{int64(size), -1} {
				body := strings.Repeat("tare", size/4+1)[:size]
				r, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/a/b?c=d", io.NopCloser(strings.NewReader(body)))
				if err != nil {
					t.Fatal(err)
				}
				r.ContentLength = known
				if size == 0 {
					r.Body = http.NoBody
				}
				r.Host, r.Header = "example.test", http.Header{"X-Mine": {"yes"}}
				res, err := c.Do(r)
				if err != nil {
					t.Fatalf("%s with %d bytes, length %d: %v", method, size, known, err)
				}
				got, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != http.StatusTeapot || string(got) != body {
					t.Errorf("%s with %d bytes, length %d: got status %d, %d bytes, error %v", method, size, known, res.StatusCode, len(got), err)
				}
				if want := method + " /a/b?c=d example.test yes"; res.Header.Get("X-Asked") != want {
					t.Errorf("%s: the upstream was asked %q, want %q", method, res.Header.Get("X-Asked"), want)
				}
			}
		}
	}
}

// keepsAlive: many requests in turn are one connection of the client's and one
// to the upstream.
func (s suite) keepsAlive(t *testing.T) {
	u := serve(t, named("u"))
	i, addr := s.start(t)
	s.mustConfigure(t, i, ToAll(addr, u.addr))
	var dialled atomic.Int64
	tr := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	c := &http.Client{Transport: tr, Timeout: patience}
	for range 50 {
		wantGet(t, c, "http://"+addr+"/", 200, "u")
	}
	if n := dialled.Load(); n != 1 {
		t.Errorf("the client opened %d connections", n)
	}
	if n := u.opened.Load(); n != 1 {
		t.Errorf("the proxy opened %d connections to the upstream", n)
	}
}

func (s suite) unknown(t *testing.T) {
	u := serve(t, named("u"))
	i, addr := s.start(t)
	p := ToAll(addr, u.addr)
	p.Hosts[0].Domains = []string{"known.test"}
	p.Hosts[0].Routes[0].Path = "/known"
	s.mustConfigure(t, i, p)
	c := client(t)
	for _, x := range []struct {
		host, path string
		status     int
	}{
		{"known.test", "/known", 200},
		{"KNOWN.test", "/known/more", 200},
		{"known.test", "/unknown", 404},
		{"other.test", "/known", 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+x.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = x.host
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != x.status {
			t.Errorf("%s%s: got %d, want %d", x.host, x.path, res.StatusCode, x.status)
		}
	}
	if n := u.seen.Load(); n != 2 {
		t.Errorf("the upstream saw %d requests, want the 2 that a route matches", n)
	}
}

func (s suite) routes(t *testing.T) {
	a, b, rest := serve(t, named("a")), serve(t, named("b")), serve(t, named("rest"))
	i, addr := s.start(t)
	s.mustConfigure(t, i, dataplane.Proxy{
		Listen: addr,
		Hosts: []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{
			{Path: "/a", Exact: true, Cluster: "a"},
			{Path: "/b/", Cluster: "b"},
			{Path: "/", Cluster: "rest"},
		}}},
		Clusters: []dataplane.Cluster{
			{Name: "a", Endpoints: []string{a.addr}},
			{Name: "b", Endpoints: []string{b.addr}},
			{Name: "rest", Endpoints: []string{rest.addr}},
		},
	})
	c := client(t)
	for path, want := range map[string]string{
		"/a": "a", "/a?q=/b/": "a", "/a/": "rest", "/ab": "rest",
		"/b/": "b", "/b/c": "b", "/b": "rest", "/?/b/": "rest",
	} {
		wantGet(t, c, "http://"+addr+path, 200, want)
	}
}

func (s suite) balances(t *testing.T) {
	const each, n = 30, 3
	var ups []*upstream
	var addrs []string
	for range n {
		u := serve(t, named("u"))
		ups, addrs = append(ups, u), append(addrs, u.addr)
	}
	i, addr := s.start(t)
	s.mustConfigure(t, i, ToAll(addr, addrs...))
	c := client(t)
	for range each * n {
		wantGet(t, c, "http://"+addr+"/", 200, "u")
	}
	for k, u := range ups {
		if got := u.seen.Load(); got != each {
			t.Errorf("endpoint %d of %d saw %d of %d requests, want %d", k, n, got, each*n, each)
		}
	}
}

func (s suite) updates(t *testing.T) {
	a, b := serve(t, named("a")), serve(t, named("b"))
	i, addr := s.start(t)
	s.mustConfigure(t, i, ToAll(addr, a.addr))
	c := client(t)
	wantGet(t, c, "http://"+addr+"/", 200, "a")
	s.mustConfigure(t, i, ToAll(addr, b.addr))
	wantGet(t, c, "http://"+addr+"/", 200, "b")
	p := ToAll(addr, a.addr)
	p.Clusters[0].Name, p.Hosts[0].Routes[0].Cluster = "other", "other"
	s.mustConfigure(t, i, p)
	wantGet(t, c, "http://"+addr+"/", 200, "a")
	p.Hosts[0].Routes[0].Path = "/only"
	s.mustConfigure(t, i, p)
	wantGet(t, c, "http://"+addr+"/", 404, "")
	wantGet(t, c, "http://"+addr+"/only", 200, "a")
}

func (s suite) refuses(t *testing.T) {
	a, b := serve(t, named("a")), serve(t, named("b"))
	i, addr := s.start(t)
	s.mustConfigure(t, i, ToAll(addr, a.addr))
	c := client(t)
	wantGet(t, c, "http://"+addr+"/", 200, "a")
	// An address that somebody else listens on.
	if err := configure(t, i, ToAll(b.addr, b.addr)); err == nil || !strings.Contains(err.Error(), b.addr) {
		t.Errorf("a taken address: got error %v, want one that names %s", err, b.addr)
	}
	wantGet(t, c, "http://"+addr+"/", 200, "a")
}

func (s suite) down(t *testing.T) {
	nobody, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	i, addr := s.start(t)
	s.mustConfigure(t, i, ToAll(addr, nobody))
	c := client(t)
	if status, body := get(t, c, "http://"+addr+"/"); status != http.StatusServiceUnavailable {
		t.Errorf("endpoint without a server: got %d %q, want 503", status, body)
	}
	s.mustConfigure(t, i, ToAll(addr))
	if status, body := get(t, c, "http://"+addr+"/"); status != http.StatusServiceUnavailable {
		t.Errorf("cluster without endpoints: got %d %q, want 503", status, body)
	}
}

func (s suite) killed(t *testing.T) {
	i, _ := s.start(t)
	if err := i.Err(); err != nil {
		t.Errorf("running: got error %v", err)
	}
	if err := syscall.Kill(i.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wait(t, i)
	if i.Err() == nil {
		t.Error("killed: got no error")
	}
}

func (s suite) stops(t *testing.T) {
	u := serve(t, named("u"))
	i, addr := s.start(t)
	s.mustConfigure(t, i, ToAll(addr, u.addr))
	wantGet(t, client(t), "http://"+addr+"/", 200, "u")
	for range 2 {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	}
	wait(t, i)
	if err := i.Err(); err != nil {
		t.Errorf("stopped: got error %v", err)
	}
	if r, err := client(t).Get("http://" + addr + "/"); err == nil {
		r.Body.Close()
		t.Error("stopped, but still serves")
	}
}

// named: with one name, each of two would be given the other's configuration.
func (s suite) named(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	o := dataplane.Options{Name: fmt.Sprintf("conformance-%d", names.Add(1))}
	first, err := s.plane.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Stop()
	if second, err := s.plane.Start(ctx, o); err == nil {
		_ = second.Stop()
		t.Fatal("two run with one name")
	}
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
	second, err := s.plane.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Stop()
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
	u := serve(t, named("u"))
	addr, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	s.mustConfigure(t, second, ToAll(addr, u.addr))
	wantGet(t, client(t), "http://"+addr+"/", 200, "u")
}

func wait(t *testing.T, i dataplane.Instance) {
	t.Helper()
	select {
	case <-i.Done():
	case <-time.After(patience):
		t.Fatal("it has not ended")
	}
}
