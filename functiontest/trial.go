package functiontest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
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
				if at.Plane == nil && trial.Only == function.InProxy {
					continue
				}
				t.Run(at.Name(), func(t *testing.T) { one(t, at, fn, trial) })
			}
		})
	}
}

// one runs a trial in one place, then its mutants there.
func one(t *testing.T, at At, fn function.Function, trial function.Trial) {
	spec := decode(t, fn, trial.Params)
	seen := at.Try(t, fn, spec, trial)
	if err := fn.Judge(spec, seen); err != nil {
		t.Fatalf("%v\n%s", err, Describe(seen))
	}
	for _, m := range trial.Mutants {
		t.Run("mutant "+m.Name, func(t *testing.T) {
			var other function.Evidence
			if m.Spoil != nil {
				other = clone(t, seen)
				m.Spoil(&other)
			} else {
				other = at.Try(t, fn, decode(t, fn, m.Params), trial)
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
	trial := e.Trial
	e.Trial = nil // it may hold funcs
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var c function.Evidence
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	c.Trial = trial
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
	addr, err := a.stand(t, fn, spec, stage.addrs())
	if err != nil {
		t.Fatal(err)
	}
	stage.await(t, addr)
	stage.begin()
	observations := stage.perform(t, addr, trial.Requests)
	return stage.evidence(observations, &trial)
}

// stand brings the form up before the replicas and returns its address.
func (a At) stand(t *testing.T, fn function.Function, spec function.Spec, replicas []string) (string, error) {
	if a.Plane == nil {
		return standLibrary(t, fn, spec, replicas)
	}
	addr, err := process.FreeAddr()
	if err != nil {
		return "", err
	}
	topology := testbed.Topology{Name: fn.Name, Proxy: &dataplane.Proxy{
		Listen:   addr,
		Hosts:    []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}}}},
		Clusters: []dataplane.Cluster{{Name: testbed.ServiceCluster, Endpoints: replicas}},
	}}
	if err := a.Placement.Place(&topology, fn, spec); err != nil {
		return "", err
	}
	if topology.Asked != nil {
		asked, err := standExternal(t, topology.Asked.Serve)
		if err != nil {
			return "", err
		}
		topology.Proxy.Clusters = append(topology.Proxy.Clusters, dataplane.Cluster{Name: function.ExternalCluster, Endpoints: []string{asked}, HTTP2: true})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	proxy, err := a.Plane.Start(ctx, dataplane.Options{Name: fmt.Sprintf("trial-%d", names.Add(1)), Workers: a.Workers})
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { proxy.Stop() })
	return addr, proxy.Configure(ctx, *topology.Proxy)
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
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := function.Caller{User: r.Header.Get(function.UserHeader), Subscription: r.Header.Get(function.SubscriptionHeader)}
		handler.ServeHTTP(w, r.WithContext(function.WithCaller(r.Context(), c)))
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), nil
}

// stage is the replicas of a trial and what reached them.
type stage struct {
	replicas []*replica

	mu         sync.Mutex
	start      time.Time
	deliveries []function.Delivery
	open       sync.WaitGroup
}

type replica struct {
	index   int
	plays   function.Replica
	addr    string
	mu      sync.Mutex
	counted map[string]int // requests so far, by path of plays.Paths; "" for the rest
}

func newStage(t *testing.T, plays []function.Replica) *stage {
	if len(plays) == 0 {
		plays = []function.Replica{{}}
	}
	s := &stage{start: time.Now()}
	for i, p := range plays {
		r := &replica{index: i, plays: p, counted: map[string]int{}}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.addr = l.Addr().String()
		s.replicas = append(s.replicas, r)
		if p.Down {
			l.Close()
			continue
		}
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		protocols.SetUnencryptedHTTP2(true)
		server := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { s.serve(r, w, q) })}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = server.Serve(l) // until Close
		}()
		t.Cleanup(func() {
			server.Close()
			<-done
		})
	}
	return s
}

func (s *stage) addrs() (all []string) {
	for _, r := range s.replicas {
		all = append(all, r.addr)
	}
	return all
}

// await returns when the address takes connections: a proxy acknowledges a
// listener just before it does. No request is sent, which a function would count.
func (s *stage) await(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("nothing listens on %s: %v", addr, err)
		}
	}
}

// begin is when the clock of the evidence starts.
func (s *stage) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start = time.Now()
	for i := range s.deliveries { // what came before: health checks
		s.deliveries[i].At = 0
	}
}

// next is the answer to a request, by how many came before it.
func (r *replica) next(path string) function.Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	answers, special := r.plays.Paths[path]
	if !special {
		path, answers = "", r.plays.Answers
	}
	k := r.counted[path]
	r.counted[path]++
	if len(answers) == 0 {
		return function.Answer{}
	}
	return answers[min(k, len(answers)-1)]
}

func (s *stage) serve(r *replica, w http.ResponseWriter, q *http.Request) {
	s.open.Add(1)
	defer s.open.Done()
	body, bodyErr := io.ReadAll(q.Body)
	d := function.Delivery{Of: -1, Replica: r.index, Message: function.Message{
		Method: q.Method, Target: q.RequestURI, Host: q.Host, Header: q.Header, Body: body}}
	if n, err := strconv.Atoi(q.Header.Get(function.TrialHeader)); err == nil {
		d.Of = n
	}
	s.mu.Lock()
	d.At = time.Since(s.start)
	i := len(s.deliveries)
	s.deliveries = append(s.deliveries, d)
	s.mu.Unlock()
	answer := r.next(q.URL.Path)
	cancelled := bodyErr != nil
	if answer.Delay > 0 && !cancelled {
		select {
		case <-time.After(answer.Delay):
		case <-q.Context().Done():
			cancelled = true
		}
	}
	if cancelled {
		s.mu.Lock()
		s.deliveries[i].Cancelled = time.Since(s.start)
		s.mu.Unlock()
		return
	}
	status := answer.Status
	if status == 0 {
		status = http.StatusOK
	}
	if answer.Reset {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	s.deliveries[i].Answered = status
	s.mu.Unlock()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.Header().Set(replicaHeader, strconv.Itoa(r.index))
	w.WriteHeader(status)
	if answer.Pause == 0 {
		_, _ = io.WriteString(w, answer.Body) // a client that is gone shows elsewhere
		return
	}
	if !trickle(w, q, answer) {
		s.mu.Lock()
		s.deliveries[i].Cancelled = time.Since(s.start)
		s.mu.Unlock()
	}
}

// trickle sends the body byte for byte, and reports whether somebody waited for it.
func trickle(w http.ResponseWriter, q *http.Request, answer function.Answer) bool {
	tick := time.NewTicker(answer.Pause)
	defer tick.Stop()
	for i := range len(answer.Body) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			return false
		}
		select {
		case <-tick.C:
		case <-q.Context().Done():
			return false
		}
		if _, err := io.WriteString(w, answer.Body[i:i+1]); err != nil {
			return false
		}
	}
	return true
}

// replicaHeader says in a response which replica made it.
const replicaHeader = "x-tare-replica"

// perform sends the requests, and returns what the client saw, in their order.
func (s *stage) perform(t *testing.T, addr string, requests []function.Request) []function.Observation {
	t.Helper()
	clients := map[string]*http.Client{} // by the address that they connect from
	for _, q := range requests {
		if clients[q.From] == nil {
			clients[q.From] = newClient(q.From)
			defer clients[q.From].CloseIdleConnections()
		}
	}
	var all []function.Observation
	for _, q := range requests {
		if q.After > 0 {
			<-time.After(q.After) // the trial's own time, part of what is tried
		}
		times, abreast := max(q.Times, 1), max(q.AtOnce, 1)
		first := len(all)
		all = append(all, make([]function.Observation, times*abreast)...)
		var wg sync.WaitGroup
		for lane := range abreast {
			wg.Go(func() {
				for k := range times {
					i := first + k*abreast + lane
					all[i] = s.send(clients[q.From], addr, q, i)
				}
			})
		}
		wg.Wait()
	}
	return all
}

// newClient connects from an address of this machine, the usual one if empty.
func newClient(from string) *http.Client {
	dialer := &net.Dialer{}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	return &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *stage) send(client *http.Client, addr string, q function.Request, i int) (o function.Observation) {
	ctx := context.Background()
	if q.Abandon > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, q.Abandon)
		defer cancel()
	}
	method, target := q.Method, q.Target
	if method == "" {
		method = http.MethodGet
	}
	if target == "" {
		target = "/"
	}
	path, _, _ := strings.Cut(target, "?")
	o = function.Observation{Path: path, Caller: q.Caller}
	var content io.Reader = strings.NewReader(q.Body)
	if q.Chunked {
		content = struct{ io.Reader }{content}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+addr+target, content)
	if err != nil {
		return o
	}
	for name, values := range q.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	for name, value := range map[string]string{function.UserHeader: q.Caller.User, function.SubscriptionHeader: q.Caller.Subscription} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	r.Header.Set(function.TrialHeader, strconv.Itoa(i))
	if q.Host != "" {
		r.Host = q.Host
	}
	o.Request = &function.Message{Method: method, Target: target, Host: r.Host, Header: r.Header.Clone(), Body: []byte(q.Body), From: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	if q.From != "" {
		o.Request.From = netip.MustParseAddr(q.From)
	}
	o.Earliest = time.Since(s.start)
	resp, err := client.Do(r)
	if err == nil {
		body, readErr := io.ReadAll(resp.Body)
		resp.Body.Close()
		if readErr == nil {
			o.Response = &function.Message{Status: resp.StatusCode, Header: resp.Header, Body: body}
			o.Outcome = outcome(resp.StatusCode)
		}
	}
	o.Latest = time.Since(s.start)
	return o
}

// evidence waits for the replicas to have done with every request.
func (s *stage) evidence(seen []function.Observation, trial *function.Trial) function.Evidence {
	s.open.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	e := function.Evidence{Observations: seen, Served: -1, Trial: trial}
	e.Deliveries = append(e.Deliveries, s.deliveries...)
	return e
}
