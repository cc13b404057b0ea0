package openloop_test

import (
	"context"
	"errors"
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

	floor "github.com/taremesh/tare/internal/echo"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/openloop"
	"github.com/taremesh/tare/loadtest"
)

// The test binary is its own generator when this is set.
const childEnv = "TARE_OPENLOOP_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "echo": // a server for benchmarks, in a process of its own
		server, err := floor.Listen(floor.HTTP1)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		fmt.Println(server.Addr())
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "dies":
		fmt.Println(openloop.Protocol)
		_, _ = os.Stdin.Read(make([]byte, 1))
		fmt.Fprintln(os.Stderr, "out of luck")
		os.Exit(4)
	case "another version":
		fmt.Println("tare-generate/3")
		_, _ = io.Copy(io.Discard, os.Stdin)
	default:
		if err := openloop.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
}

func newGenerator(tb testing.TB, c openloop.Config) *openloop.Generator {
	tb.Helper()
	launcher, err := process.NewLauncher("")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(launcher.Close)
	if c.Launcher = launcher; c.Env == nil {
		// Under the race detector a process sleeps a second before it ends.
		c.Env = []string{childEnv + "=1", "GORACE=atexit_sleep_ms=0"}
	}
	return openloop.New(c)
}

func TestGenerateOverHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	defer server.Close()
	target, request, err := load.ParseTarget(server.URL + "/x")
	if err != nil {
		t.Fatal(err)
	}
	session, err := newGenerator(t, openloop.Config{}).Open(context.Background(), []load.Target{target}, load.Ask(request))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	samples, stats, err := load.Collect(context.Background(), session, load.Load{Rate: 2000, Duration: 500 * time.Millisecond, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) != stats.Scheduled || stats.Sent != stats.Scheduled || len(samples) < 800 {
		t.Fatalf("%d samples, stats %+v", len(samples), stats)
	}
	for i, s := range samples {
		if s.Class != load.OK || s.Status != 200 || s.Intended > s.Written || s.Written > s.FirstByte || s.FirstByte > s.LastByte {
			t.Fatalf("sample %d: %+v", i, s)
		}
	}
	t.Logf("%+v", stats)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	loadtest.TestGenerator(t, newGenerator(t, openloop.Config{}))
}

// Several threads on few cores: slow, but the same contract.
func TestConformanceOfThreads(t *testing.T) {
	t.Parallel()
	loadtest.TestGenerator(t, newGenerator(t, openloop.Config{Threads: 2}))
}

// Told to hold nothing back, the child streams.
func TestStream(t *testing.T) {
	t.Parallel()
	loadtest.TestStream(t, newGenerator(t, openloop.Config{HoldBack: 1}))
}

func TestStreamOfThreads(t *testing.T) {
	t.Parallel()
	loadtest.TestStream(t, newGenerator(t, openloop.Config{HoldBack: 1, Threads: 3}))
}

// There are 10,000 connections, each with a request under way at the
// same time: the server answers nobody before it holds them all.
func TestManyConnections(t *testing.T) {
	const n = 10_000
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var asked atomic.Int64
	all := make(chan struct{})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := make([]byte, 256)
				for {
					if _, err := c.Read(in); err != nil {
						return
					}
					if asked.Add(1) == n {
						close(all)
					}
					<-all
					if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
						return
					}
				}
			}()
		}
	}()
	target := load.Target{Name: "many", Addr: l.Addr().String(), Connections: n, MaxConnections: n}
	session, err := newGenerator(t, openloop.Config{}).Open(context.Background(), []load.Target{target}, load.Population{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for _, each := range []int{n, 2 * n} {
		samples, stats, err := load.Collect(context.Background(), session, load.Load{Closed: true, Each: each, Timeout: time.Minute})
		if err != nil || len(samples) != each || stats.Opened > n {
			t.Fatalf("%d samples, %+v, error %v", len(samples), stats, err)
		}
		for _, s := range samples {
			if s.Class != load.OK {
				t.Fatalf("%+v", s)
			}
		}
	}
}

func httpTarget(tb testing.TB, handler http.HandlerFunc) load.Target {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	target, _, err := load.ParseTarget(server.URL)
	if err != nil {
		tb.Fatal(err)
	}
	return target
}

func TestChildThatDies(t *testing.T) {
	for mode, want := range map[string]string{
		"dies":            "out of luck",
		"another version": `the child speaks "tare-generate/3", this program "tare-generate/6"`,
	} {
		target := httpTarget(t, func(http.ResponseWriter, *http.Request) {})
		g := newGenerator(t, openloop.Config{Env: []string{childEnv + "=" + mode}})
		if _, err := g.Open(context.Background(), []load.Target{target}, load.Population{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", mode, err, want)
		}
	}
}

func TestChildKilledUnderLoad(t *testing.T) {
	var session load.Session
	target := httpTarget(t, func(_ http.ResponseWriter, r *http.Request) {
		if err := syscall.Kill(session.PID(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
		<-r.Context().Done()
	})
	session, err := newGenerator(t, openloop.Config{}).Open(context.Background(), []load.Target{target}, load.Population{})
	if err != nil {
		t.Fatal(err)
	}
	l := load.Load{Rate: 1000, Each: 1000}
	for range 2 { // and it stays an error
		if samples, _, err := load.Collect(context.Background(), session, l); err == nil || !strings.Contains(err.Error(), "generator ended: signal: killed") || samples != nil {
			t.Errorf("%d samples, error %v, want that the generator was killed", len(samples), err)
		}
	}
	for range 2 {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestCloseEndsTheChild(t *testing.T) {
	target := httpTarget(t, func(http.ResponseWriter, *http.Request) {})
	session, err := newGenerator(t, openloop.Config{}).Open(context.Background(), []load.Target{target}, load.Population{})
	if err != nil {
		t.Fatal(err)
	}
	pid := session.PID()
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("the child %d before Close: %v", pid, err)
	}
	for range 2 {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the child %d after Close: %v", pid, err)
	}
	if _, _, err := load.Collect(context.Background(), session, load.Load{Rate: 1, Each: 1}); err == nil {
		t.Error("a load after Close: no error")
	}
}

func TestOpenCanceled(t *testing.T) {
	target := httpTarget(t, func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := newGenerator(t, openloop.Config{}).Open(ctx, []load.Target{target}, load.Population{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func Example() {
	launcher, err := process.NewLauncher("")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer launcher.Close()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	target, request, err := load.ParseTarget(server.URL + "/x")
	if err != nil {
		fmt.Println(err)
		return
	}
	// In tare the child is "tare generate"; here the test binary is its own.
	generator := openloop.New(openloop.Config{Launcher: launcher, Env: []string{childEnv + "=1"}})
	session, err := generator.Open(context.Background(), []load.Target{target}, load.Ask(request))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	samples, stats, err := load.Collect(context.Background(), session, load.Load{Rate: 1000, Each: 50, Seed: 1})
	fmt.Println(len(samples), stats.Sent, samples[0].Status, samples[0].Class, err)
	// Output: 50 50 404 client-error <nil>
}
