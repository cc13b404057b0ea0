package functiontest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// Name says where it is: "native on envoy", "library".
func (a At) Name() string {
	if a.Plane == nil {
		return string(a.Placement.Form)
	}
	return fmt.Sprintf("%s on %s", a.Placement.Form, a.Plane.Name())
}

// Places are where the function can be tried: each of its forms on each of the
// planes that has it, and its library in an application.
func Places(fn function.Function, planes []dataplane.DataPlane) []At {
	var all []At
	for _, p := range placement.All() {
		switch {
		case !p.Has(fn):
		case p.Form == study.FormLibrary:
			all = append(all, At{Placement: p})
		default:
			for _, plane := range planes {
				if p.On == nil || p.On(plane.Name()) == "" {
					all = append(all, At{Plane: plane, Placement: p, Workers: 1})
				}
			}
		}
	}
	return all
}

// RunTrials holds every form of the function against its judge, in each of its
// trials and everywhere it can be, and the judge against the trials' mutants.
func RunTrials(t *testing.T, fn function.Function, planes []dataplane.DataPlane) {
	t.Helper()
	if len(fn.Trials) == 0 {
		t.Fatalf("function %s has no trials", fn.Name)
	}
	for _, trial := range fn.Trials {
		t.Run(trial.Name, func(t *testing.T) {
			if len(trial.Mutants) == 0 {
				t.Errorf("the trial has no mutants")
			}
			for _, at := range Places(fn, planes) {
				if at.Plane == nil && trial.Only == function.InProxy || at.Plane != nil && trial.Only == function.InApplication {
					continue
				}
				t.Run(at.Name(), func(t *testing.T) { one(t, at, fn, trial) })
			}
		})
	}
}

// one runs a trial in one place, then its mutants there. Library and native
// forms are told all of them. Of the other forms, some of which take seconds to
// start, one is enough to show that the trial looks at their work and not past
// it: the judge, which does not know where it is, has met the others.
func one(t *testing.T, at At, fn function.Function, trial function.Trial) {
	params, c := collectingFor(t, trial.Params)
	spec := decode(t, fn, params)
	at.collecting = c
	seen := at.Try(t, fn, spec, trial)
	if err := fn.Judge(spec, seen); err != nil {
		t.Fatalf("%v\n%s", err, Describe(seen))
	}
	told := 0
	for _, m := range trial.Mutants {
		if m.Spoil == nil {
			if told++; told > 1 && at.Placement.Form != study.FormLibrary && at.Placement.Form != study.FormNative {
				continue
			}
		}
		t.Run("mutant "+m.Name, func(t *testing.T) {
			var other function.Evidence
			if m.Spoil != nil {
				other = clone(t, seen)
				m.Spoil(&other)
			} else {
				at, params := at, m.Params
				params, at.collecting = collectingFor(t, params)
				other = at.Try(t, fn, decode(t, fn, params), trial)
			}
			if err := fn.Judge(spec, other); err == nil {
				t.Errorf("the judge finds nothing\n%s", Describe(other))
			}
		})
	}
}

func decode(t *testing.T, fn function.Function, text string) function.Spec {
	t.Helper()
	if text == "" {
		text = "{}"
	}
	return Traffic{Params: text}.Spec(t, fn)
}

func clone(t *testing.T, e function.Evidence) function.Evidence {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var c function.Evidence
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	c.Trial = e.Trial
	return c
}

// Describe shows evidence in lines, for a person who reads a failure.
func Describe(e function.Evidence) string {
	var b strings.Builder
	for i, o := range e.Observations {
		fmt.Fprintf(&b, "%3d %v–%v", i, o.Earliest.Round(time.Microsecond), o.Latest.Round(time.Microsecond))
		if r := o.Request; r != nil {
			fmt.Fprintf(&b, " %s %s%s %v", r.Method, r.Host, r.Target, r.Header)
		}
		if r := o.Response; r != nil {
			fmt.Fprintf(&b, " -> %d %v %.80q", r.Status, r.Header, r.Body)
		}
		b.WriteByte('\n')
	}
	for _, d := range e.Deliveries {
		fmt.Fprintf(&b, "    at %v replica %d got %s %s%s of %d %v, answered %d, cancelled %v\n", d.At.Round(time.Microsecond), d.Replica,
			d.Message.Method, d.Message.Host, d.Message.Target, d.Of, d.Message.Header, d.Answered, d.Cancelled)
	}
	return b.String()
}

// Try sends a trial's requests through a fresh instance that was told the spec,
// and returns what both ends saw.
func (a At) Try(t *testing.T, fn function.Function, spec function.Spec, trial function.Trial) function.Evidence {
	t.Helper()
	stage := newStage(t, trial.Replicas)
	s := standing{at: a, function: fn, spec: spec, replicas: stage.addrs(), mute: trial.Mute}
	addrs := make([]string, max(trial.Proxies, 1))
	for i := range addrs {
		var err error
		if addrs[i], err = s.up(t); err != nil {
			t.Fatal(err)
		}
		stage.await(t, addrs[i])
	}
	if a.Plane != nil {
		stage.change = func(params string) error { return s.change(t, decode(t, fn, params)) }
	}
	stage.begin()
	observations := stage.perform(t, addrs, trial.Requests)
	e := stage.evidence(observations, &trial)
	if a.collecting != nil {
		a.collecting.await(t, trial, &e, s.stop)
	}
	return e
}

// standing is what stands in a trial: proxies or applications alike before the
// same replicas.
type standing struct {
	at       At
	function function.Function
	spec     function.Spec
	replicas []string
	mute     bool   // the service that proxies ask takes no connections
	asked    string // its address; empty: it does not stand yet
	proxies  []proxyAt
}

// proxyAt is one of the proxies.
type proxyAt struct {
	addr  string
	proxy dataplane.Instance
}

// up brings one more of them up and returns its address.
func (s *standing) up(t *testing.T) (string, error) {
	if s.at.Plane == nil {
		return standLibrary(t, s.function, s.spec, s.replicas)
	}
	addr, err := process.FreeAddr()
	if err != nil {
		return "", err
	}
	topology, err := s.topology(t, s.spec, addr)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	proxy, err := s.at.Plane.Start(ctx, dataplane.Options{Name: fmt.Sprintf("trial-%d", names.Add(1)), Workers: s.at.Workers, Counters: s.at.collecting.addrOf()})
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { proxy.Stop() })
	s.proxies = append(s.proxies, proxyAt{addr, proxy})
	return addr, proxy.Configure(ctx, *topology.Proxy)
}

// change gives every proxy other parameters, and returns when all have taken them.
func (s *standing) change(t *testing.T, spec function.Spec) error {
	for _, p := range s.proxies {
		topology, err := s.topology(t, spec, p.addr)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := p.proxy.Configure(ctx, *topology.Proxy); err != nil {
			return err
		}
	}
	return nil
}

// topology is the form in a proxy at the address.
func (s *standing) topology(t *testing.T, spec function.Spec, addr string) (testbed.Topology, error) {
	topology := testbed.Topology{Name: s.function.Name, Proxy: &dataplane.Proxy{
		Listen:   addr,
		Hosts:    []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}}}},
		Clusters: []dataplane.Cluster{{Name: testbed.ServiceCluster, Endpoints: s.replicas}},
	}}
	if err := s.at.Placement.Place(&topology, s.function, spec); err != nil {
		return topology, err
	}
	if topology.Asked != nil {
		if err := s.ask(t, topology.Asked.Serve); err != nil {
			return topology, err
		}
		topology.Proxy.Clusters = append(topology.Proxy.Clusters, dataplane.Cluster{Name: function.ExternalCluster, Endpoints: []string{s.asked}, HTTP2: true})
	}
	return topology, nil
}

// stop ends the proxies.
func (s *standing) stop() {
	for _, p := range s.proxies {
		p.proxy.Stop()
	}
}

// ask stands the service up that proxies ask, once for all of them.
func (s *standing) ask(t *testing.T, serve func(context.Context, net.Listener) error) (err error) {
	switch {
	case s.asked != "":
	case s.mute:
		s.asked, err = process.FreeAddr()
	default:
		s.asked, err = standExternal(t, serve)
	}
	return err
}

// standExternal serves what a proxy asks, in this process.
func standExternal(t *testing.T, serve func(context.Context, net.Listener) error) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the service that the proxy asks: %v", err)
		}
	})
	return l.Addr().String(), nil
}

// standLibrary runs the library in an application in front of the replicas: as
// the middleware of one that is called, or the transport of one that calls.
func standLibrary(t *testing.T, fn function.Function, spec function.Spec, replicas []string) (string, error) {
	inner := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	t.Cleanup(inner.CloseIdleConnections)
	var transport http.RoundTripper = inner
	if fn.Library.Transport != nil {
		wrap, err := fn.Library.Transport(spec, replicas)
		if err != nil {
			return "", err
		}
		transport = wrap(inner)
		if c, ok := transport.(io.Closer); ok {
			t.Cleanup(func() { c.Close() })
		}
	}
	first := &url.URL{Scheme: "http", Host: replicas[0]}
	var handler http.Handler = &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(first)
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, context.DeadlineExceeded) {
				w.WriteHeader(http.StatusGatewayTimeout)
				return
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		},
	}
	if fn.Library.Middleware != nil {
		wrap, err := fn.Library.Middleware(spec)
		if err != nil {
			return "", err
		}
		handler = wrap(handler)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := function.Caller{User: r.Header.Get(function.UserHeader), Subscription: r.Header.Get(function.SubscriptionHeader)}
		handler.ServeHTTP(w, r.WithContext(function.WithCaller(r.Context(), c)))
	}))
	t.Cleanup(server.Close)
	if fn.Library.TLS == nil {
		server.Start()
		return server.Listener.Addr().String(), nil
	}
	config, err := fn.Library.TLS(spec)
	if err != nil {
		return "", err
	}
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are tried on purpose
	server.StartTLS()
	return server.Listener.Addr().String(), nil
}
