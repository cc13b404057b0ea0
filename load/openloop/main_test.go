package openloop_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/openloop"
	"github.com/taremesh/tare/loadtest"
)

// The test binary is its own generator when this is set.
const childEnv = "TARE_OPENLOOP_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := openloop.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func newGenerator(tb testing.TB, c openloop.Config) *openloop.Generator {
	tb.Helper()
	launcher, err := process.NewLauncher("")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(launcher.Close)
	c.Launcher, c.Env = launcher, append(c.Env, childEnv+"=1")
	return openloop.New(c)
}

func TestGenerateOverHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	defer server.Close()
	target, err := load.ParseTarget(server.URL + "/x")
	if err != nil {
		t.Fatal(err)
	}
	session, err := newGenerator(t, openloop.Config{}).Open(context.Background(), []load.Target{target}, load.Population{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	samples, stats, err := session.Generate(context.Background(), load.Load{Rate: 2000, Duration: 500 * time.Millisecond, Seed: 1})
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
