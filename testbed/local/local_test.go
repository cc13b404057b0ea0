package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/internal/named"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/testbed/local"
	"github.com/taremesh/tare/workload"
)

func newTestbed(t *testing.T) *local.Testbed {
	t.Helper()
	l, err := process.NewLauncher("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	planes, err := named.NewSet[dataplane.DataPlane]("data plane", dataplane.DataPlane.Name, plane{l})
	if err != nil {
		t.Fatal(err)
	}
	return local.New(l, planes)
}

func topology(t *testing.T, name string, p part) testbed.Topology {
	t.Helper()
	p.Name = name
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return testbed.Topology{Name: name, Workload: workload.Workload{Command: []string{"play", "service"}},
		Service: workload.Config{Service: text}, Probe: testbed.Request{Method: "GET", Path: "/", Host: "test"}}
}

func proxied(x testbed.Topology) testbed.Topology {
	x.DataPlane, x.Proxy = "small", &dataplane.Proxy{}
	return x
}

func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func get(t *testing.T, addr string) string {
	t.Helper()
	res, err := http.Get("http://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// state is the kernel's letter for a process; empty: there is none.
func state(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return after[:1]
}

// until polls a condition of the kernel that gives no event.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	end, tick := time.NewTimer(20*time.Second), time.NewTicker(2*time.Millisecond)
	defer end.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("not after 20 s: %s", what)
		}
	}
}

func pids(s testbed.Setup, k int) []int {
	var all []int
	for i := range k {
		for _, p := range s.Processes(i) {
			all = append(all, p.PID)
		}
	}
	return all
}

func TestUpThenDown(t *testing.T) {
	ts := []testbed.Topology{topology(t, "direct", part{}), proxied(topology(t, "router", part{}))}
	s, err := newTestbed(t).Up(deadline(t, 30*time.Second), ts, []int{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	if via := get(t, s.Addr(0)) + "|" + get(t, s.Addr(1)); via != "|proxy" {
		t.Errorf("requests went by %q", via)
	}
	if n := len(s.Processes(0)); n != 1 {
		t.Errorf("%d processes of the direct treatment", n)
	}
	roles := []testbed.Role{}
	for _, p := range s.Processes(1) {
		roles = append(roles, p.Role)
	}
	if !slices.Equal(roles, []testbed.Role{testbed.ServiceRole, testbed.ProxyRole}) {
		t.Errorf("processes %v", roles)
	}
	for i := range ts {
		before, err := s.Stats(t.Context(), i)
		if err != nil || before.Served != 2 { // the probe, and the request above
			t.Errorf("treatment %d served %d, %v", i, before.Served, err)
		}
	}
	all := pids(s, 2)
	for range 2 { // again is nothing
		if err := s.Down(); err != nil {
			t.Error(err)
		}
	}
	for _, pid := range all {
		if got := state(pid); got != "" {
			t.Errorf("process %d is left in state %s", pid, got)
		}
	}
	if err := s.Err(); err != nil {
		t.Errorf("taking down is a death: %v", err)
	}
}

func TestPauseStopsAndResumeContinues(t *testing.T) {
	ts := []testbed.Topology{topology(t, "a", part{}), proxied(topology(t, "b", part{}))}
	s, err := newTestbed(t).Up(deadline(t, 30*time.Second), ts, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Down()
	if err := s.Pause(1); err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Processes(1) {
		until(t, fmt.Sprintf("the %s is stopped", p.Role), func() bool { return state(p.PID) == "T" })
	}
	if p := s.Processes(0)[0]; state(p.PID) == "T" {
		t.Error("the other treatment is stopped too")
	}
	get(t, s.Addr(0))
	if err := s.Resume(1); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s.Addr(1)); got != "proxy" {
		t.Errorf("after Resume: %q", got)
	}
}

// What is paused is taken down like all else.
func TestDownEndsWhatIsPaused(t *testing.T) {
	ts := []testbed.Topology{proxied(topology(t, "a", part{}))}
	s, err := newTestbed(t).Up(deadline(t, 30*time.Second), ts, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	all := pids(s, 1)
	if err := s.Pause(0); err != nil {
		t.Fatal(err)
	}
	if err := s.Down(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range all {
		if got := state(pid); got != "" {
			t.Errorf("process %d is left in state %s", pid, got)
		}
	}
}

func TestDiedNamesTheTreatment(t *testing.T) {
	for _, role := range []testbed.Role{testbed.ServiceRole, testbed.ProxyRole} {
		ts := []testbed.Topology{topology(t, "well", part{}), proxied(topology(t, "ill", part{}))}
		s, err := newTestbed(t).Up(deadline(t, 30*time.Second), ts, []int{0, 1})
		if err != nil {
			t.Fatal(err)
		}
		if s.Err() != nil {
			t.Fatalf("died before it was killed: %v", s.Err())
		}
		for _, p := range s.Processes(1) {
			if p.Role != role {
				continue
			}
			if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-s.Died():
		case <-deadline(t, 20*time.Second).Done():
			t.Fatalf("nobody noticed that the %s died", role)
		}
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), "treatment ill") || !strings.Contains(err.Error(), "killed") {
			t.Errorf("%s: %v", role, err)
		}
		// The others are reached though one is gone.
		if err := errors.Join(s.Pause(1, 0), s.Resume(1, 0)); err != nil {
			t.Errorf("pause past the dead: %v", err)
		}
		if err := s.Down(); err != nil {
			t.Error(err)
		}
	}
}

// What cannot stand up says why, in its own last words, and leaves nothing.
func TestUpSaysWhatFailed(t *testing.T) {
	nonsense := topology(t, "odd", part{})
	nonsense.Workload.Command = []string{"play", "nonsense"}
	lost := proxied(topology(t, "lost", part{}))
	lost.DataPlane = "envoi"
	for _, c := range []struct {
		name string
		x    testbed.Topology
		time time.Duration
		want []string
	}{
		{"crash at start", topology(t, "bad", part{CrashAtStart: "no more cheese"}), 20 * time.Second, []string{"the service of bad ended before it was ready", "exit status 1", "no more cheese"}},
		{"crash at the probe", topology(t, "bad", part{CrashAtProbe: "the cheese is hot"}), 20 * time.Second, []string{"probe bad", "the service of bad ended", "exit status 9", "the cheese is hot"}},
		{"crash behind a proxy", proxied(topology(t, "bad", part{CrashAtProbe: "the cheese is hot"})), 20 * time.Second, []string{"the service of bad ended", "the cheese is hot"}},
		{"500 for ever", topology(t, "sick", part{Status: 500}), 2 * time.Second, []string{"probe sick", "answered 500 Internal Server Error"}},
		{"a first line that is none", nonsense, 20 * time.Second, []string{"the service of odd", `"hello"`}},
		{"unknown data plane", lost, 20 * time.Second, []string{"the proxy of lost", "envoi", "known: small"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := children(t)
			s, err := newTestbed(t).Up(deadline(t, c.time), []testbed.Topology{topology(t, "fine", part{}), c.x}, []int{0, 1})
			if err == nil {
				s.Down()
				t.Fatal("it stands")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nlacks %q", err, want)
				}
			}
			if after := children(t); after > before {
				t.Errorf("%d children before, %d after", before, after)
			}
		})
	}
}

// children counts this process's, zombies included.
func children(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // not a process, or gone
		}
		_, after, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(after); len(f) > 1 && f[1] == fmt.Sprint(os.Getpid()) {
			n++
		}
	}
	return n
}

func TestCancelledUpLeavesNothing(t *testing.T) {
	before := children(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := newTestbed(t).Up(ctx, []testbed.Topology{topology(t, "a", part{}), topology(t, "b", part{})}, []int{0, 1})
	if !errors.Is(err, context.Canceled) || s != nil {
		t.Errorf("%v, %v", s, err)
	}
	if after := children(t); after != before {
		t.Errorf("%d children before, %d after", before, after)
	}
}

// Processes start in the order given. With several at a time the order is that
// of starting, not of being ready, so one at a time is looked at.
func TestStartsInOrder(t *testing.T) {
	file := t.TempDir() + "/started"
	var ts []testbed.Topology
	for _, name := range []string{"a", "b", "c", "d"} {
		ts = append(ts, topology(t, name, part{Started: file}))
	}
	b := newTestbed(t)
	b.OneAtATime()
	s, err := b.Up(deadline(t, 30*time.Second), ts, []int{2, 0, 3, 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Down()
	if text, err := os.ReadFile(file); err != nil || string(text) != "c\na\nd\nb\n" {
		t.Errorf("started %q, %v", text, err)
	}
}
