package functiontest

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/collect"
)

// collecting is the collector of one try of a trial, and a folder of its own.
type collecting struct {
	collector *collect.Collector
	addr      string
	dir       string
}

// addrOf is where proxies tell their counters; empty: nobody wants them.
func (c *collecting) addrOf() string {
	if c == nil {
		return ""
	}
	return c.addr
}

// collectingFor replaces what parameters name of a trial's own; nil: nothing.
func collectingFor(t *testing.T, params string) (string, *collecting) {
	t.Helper()
	if !strings.Contains(params, function.TrialDir) && !strings.Contains(params, function.TrialCollector) {
		return params, nil
	}
	c := &collecting{collector: &collect.Collector{}, dir: t.TempDir()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.collector.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the trial's collector: %v", err)
		}
	})
	return strings.NewReplacer(function.TrialDir, c.dir, function.TrialCollector, c.addr).Replace(params), c
}

// collectPatience bounds the wait for what proxies tell in their own time.
const collectPatience = 12 * time.Second

// await waits until the trial says that all is there, then ends what tells, so
// that it tells the rest, and adds what came to the evidence.
func (c *collecting) await(t *testing.T, trial function.Trial, e *function.Evidence, end func()) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(collectPatience)
	e.Collected = c.gathered(t)
	for trial.Settled != nil && !trial.Settled(*e) {
		select {
		case <-tick.C:
			e.Collected = c.gathered(t)
			continue
		case <-limit:
		}
		break
	}
	end()
	e.Collected = c.gathered(t)
}

func (c *collecting) gathered(t *testing.T) *collect.Gathered {
	t.Helper()
	g := c.collector.Gathered()
	text, err := os.ReadFile(filepath.Join(c.dir, "log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	g.Lines = strings.SplitAfter(string(text), "\n")
	g.Lines = g.Lines[:len(g.Lines)-1]
	if rest := string(text[strings.LastIndexByte(string(text), '\n')+1:]); rest != "" {
		g.Lines = append(g.Lines, rest) // without its end
	}
	return &g
}
