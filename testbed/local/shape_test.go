package local_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/testbed"
)

// Replicas are processes of one service: the proxy balances over them, and
// their counts are one.
func TestReplicas(t *testing.T) {
	const replicas, requests = 3, 12
	x := proxied(topology(t, "many", part{}))
	x.Replicas = replicas
	s, err := newTestbed(t).Up(deadline(t, 30*time.Second), []testbed.Topology{topology(t, "one", part{}), x}, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Down()
	services := 0
	for _, p := range s.Processes(1) {
		if p.Role == testbed.ServiceRole {
			services++
		}
	}
	if services != replicas || len(s.Processes(1)) != replicas+1 || len(s.Processes(0)) != 1 {
		t.Errorf("%d services of %d processes, want %d; the other treatment has %d", services, len(s.Processes(1)), replicas, len(s.Processes(0)))
	}
	for range requests {
		get(t, s.Addr(1))
	}
	if all, err := s.Stats(t.Context(), 1); err != nil || all.Served != requests+1 { // and the probe
		t.Errorf("served %d, %v", all.Served, err)
	}
	alone := topology(t, "alone", part{})
	alone.Replicas = 2
	if _, err := newTestbed(t).Up(deadline(t, 30*time.Second), []testbed.Topology{alone}, []int{0}); err == nil || !strings.Contains(err.Error(), "nothing balances over its 2 services") {
		t.Errorf("replicas without a proxy: %v", err)
	}
}

// Every process of a treatment has its cores, and no other's.
func TestCores(t *testing.T) {
	x := proxied(topology(t, "bound", part{}))
	x.Cores = 1
	ts := []testbed.Topology{x, proxied(topology(t, "free", part{}))}
	s, err := newTestbed(t).Up(deadline(t, 30*time.Second), ts, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Down()
	for i, want := range []int{1, runtime.NumCPU()} {
		for _, p := range s.Processes(i) {
			var set unix.CPUSet
			if err := unix.SchedGetaffinity(p.PID, &set); err != nil || set.Count() != want {
				t.Errorf("the %s of %s may run on %d cores, want %d; %v", p.Role, ts[i].Name, set.Count(), want, err)
			}
		}
	}
}

// A proxy's access log is a file of its own without a name, which goes with it.
func TestAccessLog(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	x := proxied(topology(t, "logged", part{}))
	x.Proxy.AccessLog = &dataplane.AccessLog{Format: "any"}
	s, err := newTestbed(t).Up(deadline(t, 30*time.Second), []testbed.Topology{x, proxied(topology(t, "not", part{}))}, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Down()
	for range 3 {
		get(t, s.Addr(0))
		get(t, s.Addr(1))
	}
	file := fmt.Sprintf("/proc/%d/fd/3", s.Processes(0)[1].PID)
	if text, err := os.ReadFile(file); err != nil || string(text) != "/\n/\n/\n/\n" { // the probe's too
		t.Errorf("the log is %q, %v", text, err)
	}
	if name, err := os.Readlink(file); err != nil || !strings.HasPrefix(name, os.TempDir()) || !strings.HasSuffix(name, " (deleted)") {
		t.Errorf("the log is the file %s, %v", name, err)
	}
	if x.Proxy.AccessLog.Path != "" {
		t.Error("the topology was changed")
	}
}
