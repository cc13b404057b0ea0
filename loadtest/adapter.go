package loadtest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// What an adapter's tool is asked for, and how it is answered: one request in
// five waits for the long time, the others for the short one.
const (
	askedHost        = "named.test"
	askedPath        = "/asked?for=this"
	askedConnections = 4
	askedRate        = 100
	askedDuration    = 2 * time.Second
	shortDelay       = 10 * time.Millisecond
	longDelay        = 50 * time.Millisecond
)

// TestAdapter holds the settings of an adapter, with the real tool, against
// servers whose delays and counts are known. What a tool does not say is not
// asked of it; what it says must be so, as far as its resolution goes and a
// busy machine allows.
func TestAdapter(t *testing.T, a load.Adapter) {
	program, err := a.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(program.Digest) != 64 || program.Path == "" {
		t.Errorf("found %+v", program)
	}
	trials := []struct {
		name string
		run  func(t *testing.T, run adapterRun, s load.Setting)
	}{{"delays", toolDelays}, {"refusals", toolRefusals}, {"nobody", toolNobody}, {"canceled", toolCanceled}}
	// All at once, whatever go test's -parallel is: they mostly wait.
	var all sync.WaitGroup
	for _, s := range a.Settings {
		run := func(ctx context.Context, o load.Order) (load.Account, error) { return a.Run(ctx, program, s.Name, o) }
		for _, trial := range trials {
			all.Go(func() { t.Run(s.Name+"/"+trial.name, func(t *testing.T) { trial.run(t, run, s) }) })
		}
	}
	all.Wait()
	if _, err := a.Run(t.Context(), program, "no such setting", order("127.0.0.1:1")); err == nil {
		t.Error("no error for a setting that there is not")
	}
	bad := order("127.0.0.1:1")
	bad.Duration += time.Millisecond
	if _, err := a.Run(t.Context(), program, a.Settings[0].Name, bad); err == nil {
		t.Error("no error for an order that cannot be")
	}
}

type adapterRun = func(context.Context, load.Order) (load.Account, error)

func order(addr string) load.Order {
	return load.Order{
		Target:  load.Target{Name: "target", Addr: addr, Host: askedHost, Connections: askedConnections, MaxConnections: 4 * askedConnections},
		Request: load.Request{Method: http.MethodGet, Path: askedPath, Header: [][2]string{{"X-Asked", "for this: \"'"}}},
		Rate:    askedRate, Duration: askedDuration,
	}
}

// toolDelays: counts, rate, quantiles, CPU time.
func toolDelays(t *testing.T, run adapterRun, s load.Setting) {
	var seen, wrong atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.Host != askedHost || r.URL.RequestURI() != askedPath || r.Header.Get("X-Asked") != "for this: \"'" {
			wrong.Add(1)
		}
		wait := shortDelay
		if seen.Add(1)%5 == 0 {
			wait = longDelay
		}
		<-time.After(wait)
		w.Header().Set("Content-Length", "2")
		_, _ = w.Write([]byte("ok"))
	}))
	defer server.Close()
	a, err := run(t.Context(), order(server.Listener.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	if wrong.Load() > 0 {
		t.Errorf("%d of %d requests were not those asked for", wrong.Load(), seen.Load())
	}
	if len(a.Commands) == 0 || a.CPU <= 0 || a.Wall < askedDuration/2 {
		t.Errorf("commands %q, CPU %v in %v", a.Commands, a.CPU, a.Wall)
	}
	if a.Errors != nil && *a.Errors != 0 {
		t.Errorf("%d errors", *a.Errors)
	}
	checkCounts(t, a, s, int(seen.Load()))
	checkTimes(t, a, s)
}

func checkCounts(t *testing.T, a load.Account, s load.Setting, seen int) {
	t.Helper()
	if a.Requests == nil {
		t.Fatal("it does not say how many requests there were")
	}
	// Some warm up; some do not count what is under way at the end.
	if n := *a.Requests; n > seen || seen-n > 3*askedConnections {
		t.Errorf("it says %d requests, the server saw %d", n, seen)
	}
	seconds := askedDuration.Seconds()
	mean := (4*shortDelay + longDelay) / 5
	most := askedConnections * seconds / mean.Seconds()
	if s.Paced {
		most = askedRate * seconds
	}
	// A busy machine makes them fewer, and nothing makes them more.
	n := float64(*a.Requests)
	if n < 2*askedConnections || n > 1.1*most+3*askedConnections {
		t.Errorf("%v requests, at most about %v are expected", n, most)
	}
	if x := a.Throughput; x == nil || *x < 0.8*n/a.Wall.Seconds() || *x > 1.3*n/seconds {
		t.Errorf("a throughput of %v for %v requests in %v", x, n, a.Wall)
	}
	if per, ok := a.CPUPerRequest(); !ok || per <= 0 {
		t.Errorf("%v of CPU per request", per)
	}
}

func checkTimes(t *testing.T, a load.Account, s load.Setting) {
	t.Helper()
	if a.Max != nil && (*a.Max < longDelay-s.Resolution || *a.Max > 10*time.Second) {
		t.Errorf("maximum %v, one answer in five took %v", *a.Max, longDelay)
	}
	if a.Mean != nil && (*a.Mean < shortDelay || *a.Mean > 5*time.Second) {
		t.Errorf("mean %v", *a.Mean)
	}
	if (s.Resolution == 0) != (len(a.Quantiles) == 0) {
		t.Errorf("a resolution of %v and quantiles %v", s.Resolution, a.Quantiles)
	}
	previous := load.Quantile{}
	for _, q := range a.Quantiles {
		if q.Q <= previous.Q || q.At < previous.At {
			t.Errorf("quantile %v comes after %v", q, previous)
		}
		previous = q
	}
	if p50, ok := a.Quantile(0.5); ok && (p50 < shortDelay-s.Resolution || p50 > 5*time.Second) {
		t.Errorf("p50 %v, four answers in five took %v", p50, shortDelay)
	}
	// Below the long delay lies what a tool adds without measuring it.
	if p90, ok := a.Quantile(0.9); ok && *a.Requests >= 20 && (p90 < longDelay/2 || p90 > 5*time.Second) {
		t.Errorf("p90 %v, one answer in five took %v", p90, longDelay)
	}
}

// toolRefusals: answers that are no success are never shown as one.
func toolRefusals(t *testing.T, run adapterRun, _ load.Setting) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(shortDelay)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	a, err := run(t.Context(), order(server.Listener.Addr().String()))
	if err == nil && (a.Errors == nil || *a.Errors == 0) {
		t.Errorf("every answer had status 503, and it says %+v", a)
	}
}

// toolNobody: so is a target that is not there.
func toolNobody(t *testing.T, run adapterRun, _ load.Setting) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := run(t.Context(), order(addr))
	if err == nil && (a.Errors == nil || *a.Errors == 0) {
		t.Errorf("nobody listens at the target, and it says %+v", a)
	}
	if err != nil && strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("it had to be killed: %v", err)
	}
}

// toolCanceled: a run that nobody waits for ends.
func toolCanceled(t *testing.T, run adapterRun, _ load.Setting) {
	bounded, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	ctx, cancel := context.WithCancel(bounded)
	defer cancel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(http.StatusOK)
	}))
	defer server.Close()
	o := order(server.Listener.Addr().String())
	o.Duration = time.Hour
	if _, err := run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
