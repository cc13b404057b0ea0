package atlas_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/cli"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// stage is two services and what they saw.
type stage struct {
	home, other *httptest.Server
	asked       atomic.Pointer[http.Request] // the last request at home, with its body read
	body        atomic.Pointer[string]
	service     string // where what the proxies ask is served; empty: nowhere yet
	tries       string // what a request asks a module to try; empty: it knows
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{}
	s.home = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		body := string(text)
		s.body.Store(&body)
		s.asked.Store(r)
		w.Header().Set("X-Origin", "home")
		fmt.Fprint(w, "world")
	}))
	s.other = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Origin", "other")
		fmt.Fprint(w, "other")
	}))
	t.Cleanup(s.home.Close)
	t.Cleanup(s.other.Close)
	return s
}

func host(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

// seen is what one request showed at both ends.
type seen struct {
	status   int
	response http.Header
	answer   string      // the response's body
	request  http.Header // at home; nil: it did not get there
	body     string      // likewise
}

// ask sends a request with a header and a body through the proxy.
func (s *stage) ask(client *http.Client, addr string) (*seen, error) {
	s.asked.Store(nil)
	req, err := http.NewRequest(http.MethodPost, "http://"+addr+"/a", strings.NewReader("hello"))
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Ask", "one")
	req.Header.Set("X-Cluster", "service")
	if s.tries != "" {
		req.Header.Set("X-Try", s.tries)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	x := &seen{status: res.StatusCode, response: res.Header, answer: string(text)}
	if r := s.asked.Load(); r != nil {
		x.request, x.body = r.Header, *s.body.Load()
	}
	return x, err
}

var runs atomic.Int64

// up starts a proxy with the function in the form, and returns where it listens.
func (s *stage) up(t *testing.T, plane dataplane.DataPlane, form study.Form, f function.Function, workers int) (string, error) {
	t.Helper()
	addr, err := process.FreeAddr()
	if err != nil {
		return "", err
	}
	x := testbed.Topology{Name: f.Name, Proxy: &dataplane.Proxy{
		Listen: addr,
		Hosts: []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{
			{Path: "/elsewhere", Cluster: "other"}, {Path: "/", Cluster: testbed.ServiceCluster}}}},
		Clusters: []dataplane.Cluster{{Name: testbed.ServiceCluster, Endpoints: []string{host(s.home)}}, {Name: "other", Endpoints: []string{host(s.other)}}},
	}}
	k := slices.IndexFunc(placement.All(), func(p placement.Placement) bool { return p.Form == form })
	if err := placement.All()[k].Place(&x, f, nil); err != nil {
		return "", err
	}
	if x.Asked != nil {
		asked, err := s.serveAsked(t, x.Asked.Serve)
		if err != nil {
			return "", err
		}
		x.Proxy.Clusters = append(x.Proxy.Clusters, dataplane.Cluster{Name: function.ExternalCluster, Endpoints: []string{asked}, HTTP2: true})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // it may have megabytes to compile
	defer cancel()
	proxy, err := plane.Start(ctx, dataplane.Options{Name: fmt.Sprintf("try-%d", runs.Add(1)), Workers: workers})
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { proxy.Stop() })
	if err := proxy.Configure(ctx, *x.Proxy); err != nil {
		return "", err
	}
	return addr, await(ctx, addr)
}

// await waits until something listens: a proxy acknowledges just before.
func await(ctx context.Context, addr string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// byHeader lets the header x-cluster choose the cluster.
func byHeader(r *dataplane.Resources) error {
	return r.EachRoute(func(_ *routev3.Route, a *routev3.RouteAction) error {
		if a.GetCluster() == testbed.ServiceCluster {
			a.ClusterSpecifier = &routev3.RouteAction_ClusterHeader{ClusterHeader: "x-cluster"}
		}
		return nil
	})
}

var changing = regexp.MustCompile(`127\.0\.0\.1:\d+|try-\d+|\d+(\.\d+)?m?s`)

// words makes what a plane said the same every time.
func words(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return changing.ReplaceAllString(line, "…")
}

// attempt is one thing to try: a filter, and what must come of it.
type attempt struct {
	vector atlas.Vector
	what   string
	lua    string
	wasm   func() []byte
	asking func() *asking
	shape  dataplane.Shape
	// want says what is wrong with what was seen; empty: it was done. done says
	// what that shows.
	want func(*seen) string
	done string
	// run, if set, is done instead of one request.
	run func(t *testing.T, s *stage, up func(workers int) (string, error)) (string, error)
}

// try carries one out in a form on a plane.
func (a attempt) try(t *testing.T, plane dataplane.DataPlane, form study.Form) atlas.Try {
	t.Helper()
	f := function.Function{Name: "try"}
	switch form {
	case study.FormLua:
		f.Lua = &function.Lua{Script: func(function.Spec) (string, error) { return a.lua, nil }}
	case study.FormWasm:
		f.Wasm = &function.Wasm{Module: a.wasm(), Config: func(function.Spec) ([]byte, error) { return nil, nil }}
	}
	if a.shape != nil {
		f.Prepare = func(_ function.Spec, r *dataplane.Resources) error { return a.shape(r) }
	}
	wrong, err := "", error(nil)
	for range 2 { // a refusal is tried again: this machine may have been slow
		s := newStage(t)
		if form == study.FormExternal {
			f.External = a.asking().form(s)
		}
		up := func(workers int) (string, error) { return s.up(t, plane, form, f, workers) }
		if wrong, err = a.carry(t, s, up); err == nil && wrong == "" {
			break
		}
	}
	return a.verdict(plane, form, "atlas.TestTries", wrong, err)
}

// carry carries it out with the proxies that up gives.
func (a attempt) carry(t *testing.T, s *stage, up func(workers int) (string, error)) (wrong string, err error) {
	if a.run != nil {
		return a.run(t, s, up)
	}
	return a.once(s, up)
}

// verdict is what came of it.
func (a attempt) verdict(plane dataplane.DataPlane, form study.Form, test, wrong string, err error) atlas.Try {
	out := atlas.Try{Form: form, Plane: plane.Name(), Vector: cmp.Or(a.vector, atlas.Reach), What: a.what, Test: test}
	switch {
	case err != nil:
		out.Verdict, out.Words = atlas.Refused, words(err)
	case wrong != "":
		out.Verdict, out.Words = atlas.Refused, wrong
	default:
		out.Verdict, out.Words = atlas.Shown, a.done
	}
	return out
}

func (a attempt) once(s *stage, up func(int) (string, error)) (string, error) {
	addr, err := up(1)
	if err != nil {
		return "", err
	}
	x, err := s.ask(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}, addr)
	if err != nil {
		return "", err
	}
	return a.want(x), nil
}

// TestMain plays the proxies of the embedded plane, which are this program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "proxy" {
		os.Exit(cli.Main(cli.State{Args: os.Args[1:], Getenv: os.Getenv, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}
