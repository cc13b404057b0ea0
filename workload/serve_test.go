package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// start runs Run in this process and returns its address and its end.
func start(t *testing.T, ctx context.Context, cfg Config, s Service) (addr string, ended <-chan error) {
	t.Helper()
	ready, end := make(chan Ready, 1), make(chan error, 1)
	go func() { end <- Run(ctx, cfg, s, func(r Ready) { ready <- r }) }()
	select {
	case r := <-ready:
		return r.Addr, end
	case err := <-end:
		t.Fatalf("the service ended before it was ready: %v", err)
	}
	return "", nil
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

var teapot = Service{
	Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }),
	Stats:   func() Stats { return Stats{Served: 3, Worked: 2, WorkCPU: 1} },
}

func TestRunServesAndEndsWithItsContext(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	addr, ended := start(t, ctx, Config{Listen: "127.0.0.1:0"}, teapot)
	if got := runtime.GOMAXPROCS(0); got != 1 {
		t.Errorf("GOMAXPROCS is %d with workers unset, want 1", got)
	}
	if code, _ := get(t, "http://"+addr+"/any"); code != http.StatusTeapot {
		t.Errorf("the handler answered %d", code)
	}
	code, body := get(t, "http://"+addr+StatsPath)
	var stats Stats
	if err := json.Unmarshal([]byte(body), &stats); code != http.StatusOK || err != nil {
		t.Fatalf("stats: %d %q, %v", code, body, err)
	}
	if d := cmp.Diff(Stats{Served: 3, Worked: 2, WorkCPU: 1}, stats); d != "" {
		t.Error(d)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("GOMAXPROCS is %d afterwards, was %d", got, before)
	}
}

func TestSIGTERMLetsRunningRequestsFinish(t *testing.T) {
	arrived, goOn := make(chan struct{}), make(chan struct{})
	slow := Service{Stats: teapot.Stats, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-goOn
		_, _ = io.WriteString(w, "finished")
	})}
	addr, ended := start(t, t.Context(), Config{Listen: "127.0.0.1:0", Workers: 2}, slow)
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + addr)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-arrived
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// The listener closes first: from then on the signal has been seen.
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for tick := time.NewTicker(time.Millisecond); ; {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			tick.Stop()
			break
		}
		c.Close()
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("the listener is still open after SIGTERM")
		}
	}
	close(goOn)
	if got := <-answer; got != "finished" {
		t.Errorf("the running request got %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// Connections that never sent anything do not hold up the end: http.Server by
// itself waits five seconds for them, which would be reported as an error.
func TestUnusedConnectionsDoNotHoldUpTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr, ended := start(t, ctx, Config{Listen: "127.0.0.1:0"}, teapot)
	for range 10 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	get(t, "http://"+addr) // accepted after those
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = Serve(t.Context(), l.Addr().String(), teapot, func(Ready) { t.Error("ready on a port that is taken") })
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("error %v does not name the address", err)
	}
}

func TestReadConfig(t *testing.T) {
	got, err := ReadConfig(strings.NewReader(`{"listen":"127.0.0.1:0","workers":2,"service":{"a":1},"functions":[{"name":"f","spec":{}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen: "127.0.0.1:0", Workers: 2, Service: json.RawMessage(`{"a":1}`),
		Functions: []Placed{{Name: "f", Spec: json.RawMessage(`{}`)}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"", "{", `{"listne":"x"}`, `{"workers":-1}`, `{"workers":"2"}`} {
		if _, err := ReadConfig(strings.NewReader(bad)); err == nil {
			t.Errorf("ReadConfig(%q): want an error", bad)
		}
	}
}

func TestAnnounceIsOneLine(t *testing.T) {
	var out bytes.Buffer
	Announce(&out)(Ready{Addr: "127.0.0.1:1"})
	if got, want := out.String(), "{\"addr\":\"127.0.0.1:1\"}\n"; got != want {
		t.Errorf("announced %q, want %q", got, want)
	}
}

func TestWrapPutsTheFirstOutermost(t *testing.T) {
	var order []string
	mark := func(name string) Middleware {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				order = append(order, name)
				next.ServeHTTP(w, r)
			})
		}
	}
	h := Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { order = append(order, "own") }), []Middleware{mark("a"), mark("b")})
	h.ServeHTTP(nil, nil)
	if d := cmp.Diff([]string{"a", "b", "own"}, order); d != "" {
		t.Error(d)
	}
}
