package process_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/taremesh/tare/internal/process"
)

// allowed is how many cores a process may run on, by the kernel's account.
func allowed(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(text) {
		if mask, ok := strings.CutPrefix(string(line), "Cpus_allowed:"); ok {
			for _, digit := range strings.ReplaceAll(strings.TrimSpace(mask), ",", "") {
				n += strings.Count(fmt.Sprintf("%b", strings.IndexRune("0123456789abcdef", digit)), "1")
			}
		}
	}
	return n
}

// A child has the cores that it was started with, and the next one has all again.
func TestCores(t *testing.T) {
	all := allowed(t, os.Getpid())
	l, err := process.NewLauncher("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	for _, c := range []struct{ cores, want int }{{1, 1}, {0, all}, {all, all}, {1, 1}, {0, all}} {
		p, err := l.Start(process.Command{Name: "ready", Env: []string{role + "=ready"}, Input: []byte{}, Cores: c.cores})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Ready(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := allowed(t, p.PID()); got != c.want {
			t.Errorf("a child of %d cores may run on %d, want %d", c.cores, got, c.want)
		}
		p.Stop(0)
	}
	for _, n := range []int{-1, all + 1} {
		want := fmt.Sprintf("start greedy: %d cores are wanted, and %d are allowed", n, all)
		if _, err := l.Start(process.Command{Name: "greedy", Cores: n}); err == nil || err.Error() != want {
			t.Errorf("%d cores: %v, want %s", n, err, want)
		}
	}
	if now := allowed(t, os.Getpid()); now != all {
		t.Errorf("afterwards this process may run on %d cores", now)
	}
}
