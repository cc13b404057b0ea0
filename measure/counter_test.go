package measure

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// taskClock is counted by the kernel alone, so there is one in every machine:
// CPU time in nanoseconds, another way to a figure that is known.
var taskClock = Event{"task clock", unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_TASK_CLOCK}

func TestCounterCountsAllThreadsOfAProcess(t *testing.T) {
	p := newPuppet(t)
	p.do("burn 5") // its threads are there
	cpu := mustCPU(t, p.pid)
	c, err := Count(p.pid, taskClock)
	if err != nil {
		t.Fatal(err)
	}
	first := mustRead(t, c)
	p.do("burn 40")
	counted := time.Duration(mustRead(t, c) - first)
	used := mustCPU(t, p.pid) - cpu
	if counted < 36*time.Millisecond || counted > used+5*time.Millisecond {
		t.Errorf("counted %v, the CPU clock says %v", counted, used)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

// Threads that are started after the counter are counted, ended ones too.
func TestCounterFollowsNewThreads(t *testing.T) {
	p := newPuppet(t)
	p.do("idle")
	c, err := Count(p.pid, taskClock)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	had := len(c.fds)
	p.do("threads 64")
	if n := mustRead(t, c); n < uint64(58*time.Millisecond) {
		t.Errorf("new threads burned 64 ms, and %v were counted", time.Duration(n))
	}
	if now, err := threads(p.pid); err != nil || len(c.fds) != had {
		t.Errorf("%d threads now, %d files, %v", len(now), len(c.fds), err)
	}
}

func mustRead(t *testing.T, c *Counter) uint64 {
	t.Helper()
	n, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Where this host counts instructions, a process that works has some; where it
// does not, the error says so and why. Never 0.
func TestInstructionsAreCountedOrRefused(t *testing.T) {
	p := newPuppet(t)
	p.do("idle")
	c, err := Count(p.pid, Instructions)
	if err != nil {
		if c != nil || !errors.Is(err, ErrNotCounted) || !strings.Contains(err.Error(), "instructions") || len(err.Error()) < 60 {
			t.Errorf("Count = %v, %v: want ErrNotCounted with a reason", c, err)
		}
		return
	}
	defer c.Close()
	p.do("burn 20")
	if n, err := c.Read(); err == nil && n < 1e6 {
		t.Errorf("%d instructions in 20 ms of work", n)
	} else if err != nil && !errors.Is(err, ErrNotCounted) {
		t.Error(err)
	}
}

// The kernel's own refusal of an event that no machine has.
func TestRefusalOfTheKernel(t *testing.T) {
	c, err := Count(os.Getpid(), Event{"unicorns", unix.PERF_TYPE_HARDWARE, 1 << 20})
	if c != nil || !errors.Is(err, ErrNotCounted) || !strings.Contains(err.Error(), "unicorns") {
		t.Errorf("Count = %v, %v", c, err)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{unix.ENOENT, "no such counter"}, {unix.EACCES, "CAP_PERFMON"}, {unix.EPERM, "perf_event_paranoid"},
		{unix.ENOSYS, "built without"}, {unix.EMFILE, "ulimit -n"}, {unix.EIO, "input/output"},
	} {
		err := refusal(c.err)
		if !errors.Is(err, ErrNotCounted) || !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "%") {
			t.Errorf("%v is worded %q, want %q in it", c.err, err, c.want)
		}
	}
}

func TestCounterOfAProcessThatIsGone(t *testing.T) {
	p := newPuppet(t)
	p.do("idle")
	p.end()
	for _, pid := range []int{p.pid, -1} {
		if _, err := Count(pid, taskClock); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("Count(%d): %v, want os.ErrProcessDone", pid, err)
		}
	}
}

func TestScaled(t *testing.T) {
	for _, c := range []struct {
		value, enabled, running uint64
		want                    float64
		bad                     bool
	}{{10, 0, 0, 10, false}, {0, 0, 0, 0, false}, {10, 5, 5, 10, false}, {10, 100, 25, 40, false}, {0, 100, 0, 0, true}} {
		got, err := scaled(c.value, c.enabled, c.running)
		if got != c.want || errors.Is(err, ErrNotCounted) != c.bad {
			t.Errorf("scaled(%d, %d, %d) = %v, %v", c.value, c.enabled, c.running, got, err)
		}
	}
}

func BenchmarkCounterRead(b *testing.B) {
	c, err := Count(os.Getpid(), taskClock)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for b.Loop() {
		if _, err := c.Read(); err != nil {
			b.Fatal(err)
		}
	}
}
