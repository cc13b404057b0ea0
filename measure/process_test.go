package measure

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be a child that does what its standard input
// says, line by line, and prints a line when it has done it.
func TestMain(m *testing.M) {
	if os.Getenv("MEASURE_TEST_CHILD") == "1" {
		child(os.Stdin, os.Stdout)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child: "burn N" uses N ms of CPU time, "threads N" does so on threads that
// are started for it and end, "hold N" holds N MiB more; the answer
// is the CPU clock of the child as it sees it itself.
func child(in io.Reader, out io.Writer) {
	var held [][]byte
	for lines := bufio.NewScanner(in); lines.Scan(); {
		verb, arg, _ := strings.Cut(lines.Text(), " ")
		n, _ := strconv.Atoi(arg)
		switch verb {
		case "burn":
			burn(time.Duration(n) * time.Millisecond)
		case "threads":
			burnOnNewThreads(time.Duration(n) * time.Millisecond)
		case "hold":
			held = append(held, touched(n<<20))
		}
		fmt.Fprintln(out, int64(ownClock()))
	}
	runtime.KeepAlive(held)
}

func burn(d time.Duration) {
	for end := ownClock() + d; ownClock() < end; {
	}
}

// newThreads is more threads than an idle Go program has.
const newThreads = 16

// burnOnNewThreads burns d in all on threads that live at once and then end.
func burnOnNewThreads(d time.Duration) {
	var ready, done sync.WaitGroup
	ready.Add(newThreads)
	for range newThreads {
		done.Go(func() {
			runtime.LockOSThread() // never unlocked: the thread ends with it
			ready.Done()
			ready.Wait()
			burnThread(d / newThreads)
		})
	}
	done.Wait()
}

// touched returns memory of which every page has been written.
func touched(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 1024 {
		b[i] = 1
	}
	return b
}

// ownClock is CLOCK_PROCESS_CPUTIME_ID: another way to a process's CPU clock.
func ownClock() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

type puppet struct {
	t   *testing.T
	pid int
	in  io.WriteCloser
	out *bufio.Reader
	end func()
}

func newPuppet(t *testing.T) *puppet {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "MEASURE_TEST_CHILD=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func() {
		if !ended {
			ended = true
			in.Close()
			cmd.Wait()
		}
	}
	t.Cleanup(end)
	return &puppet{t, cmd.Process.Pid, in, bufio.NewReader(out), end}
}

// do has the child carry out a line and returns its own CPU clock after it.
func (p *puppet) do(line string) time.Duration {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		p.t.Fatal(err)
	}
	answer, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(answer), 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return time.Duration(n)
}

func mustCPU(t *testing.T, pid int) time.Duration {
	t.Helper()
	d, err := CPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCPUOfSelfIsTheProcessClock(t *testing.T) {
	for range 1000 {
		low := ownClock()
		got := mustCPU(t, os.Getpid())
		if high := ownClock(); got < low || got > high {
			t.Fatalf("CPU(self) = %v, not between %v and %v", got, low, high)
		}
	}
}

func TestCPUOfChild(t *testing.T) {
	p := newPuppet(t)
	first := p.do("idle")
	before := mustCPU(t, p.pid)
	if before < first {
		t.Errorf("read from outside %v, the child itself saw %v before", before, first)
	}
	own := p.do("burn 50")
	after := mustCPU(t, p.pid)
	if after < own {
		t.Errorf("read from outside %v, the child itself saw %v before", after, own)
	}
	if used := after - before; used < 45*time.Millisecond {
		t.Errorf("the child burned 50 ms, read as %v", used)
	}
	if mine := mustCPU(t, os.Getpid()); mine == after {
		t.Error("the clock read is this process's")
	}
}

// The sum of the threads' run time in schedstat is the same figure by another
// way; it is brought up to date at ticks for threads that run, hence a child
// that waits for input.
func TestCPUIsTheSumOfSchedstat(t *testing.T) {
	p := newPuppet(t)
	p.do("burn 50")
	var low, high, sum time.Duration
	for try := 0; ; try++ {
		low = mustCPU(t, p.pid)
		sum = schedstatSum(t, p.pid)
		high = mustCPU(t, p.pid)
		if low == high || try == 1000 {
			break // nothing ran meanwhile
		}
	}
	if off := sum - low; off > time.Millisecond || off < -time.Millisecond {
		t.Errorf("CPU clock %v to %v, sum of schedstat %v", low, high, sum)
	}
}

func schedstatSum(t *testing.T, pid int) time.Duration {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/task", pid)
	threads, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	for _, th := range threads {
		text, err := os.ReadFile(dir + "/" + th.Name() + "/schedstat")
		if err != nil {
			t.Fatal(err)
		}
		ran, _, err := parseSchedstat(text)
		if err != nil {
			t.Fatal(err)
		}
		sum += ran
	}
	return sum
}

func TestThreadCPU(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, process := ThreadCPU(), ownClock()
	burnThread(20 * time.Millisecond)
	used := ThreadCPU() - before
	if used < 20*time.Millisecond {
		t.Errorf("burned 20 ms on this thread, read as %v", used)
	}
	if all := ownClock() - process; used > all {
		t.Errorf("this thread used %v, all threads %v", used, all)
	}
}

func burnThread(d time.Duration) {
	for end := ThreadCPU() + d; ThreadCPU() < end; {
	}
}

// Two threads on one CPU: at least one waits while the other runs.
func TestWaitSeesStarvation(t *testing.T) {
	a, b := newPuppet(t), newPuppet(t)
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	pinTo(t, a.pid, all)
	pinTo(t, b.pid, all)
	before := mustWait(t, a.pid) + mustWait(t, b.pid)
	fmt.Fprintln(a.in, "burn 100")
	fmt.Fprintln(b.in, "burn 100")
	for _, p := range []*puppet{a, b} {
		if _, err := p.out.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	// They overlap for all but the start of the second, which takes no 50 ms
	// of the first one's CPU time unless this process is starved: then the two
	// have waited for it, too, since all share that CPU with the host.
	if waited := mustWait(t, a.pid) + mustWait(t, b.pid) - before; waited <= 0 {
		t.Errorf("two children that burned 100 ms each on one CPU waited %v", waited)
	}
}

// pinTo moves every thread of a process to the first CPU of a set.
func pinTo(t *testing.T, pid int, set unix.CPUSet) {
	t.Helper()
	var one unix.CPUSet
	for cpu := 0; one.Count() == 0; cpu++ {
		if set.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, th := range threads {
		tid, _ := strconv.Atoi(th.Name())
		if err := unix.SchedSetaffinity(tid, &one); err != nil {
			t.Fatal(err)
		}
	}
}

func mustWait(t *testing.T, pid int) time.Duration {
	t.Helper()
	d, err := Wait(pid)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWaitToleratesThreadsThatVanish(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			ended := make(chan struct{})
			go func() {
				runtime.LockOSThread() // never unlocked: the thread ends with it
				close(ended)
			}()
			<-ended
		}
	}()
	for range 500 {
		mustWait(t, os.Getpid())
	}
	close(stop)
	<-stopped
}

func TestMemoryGrowsByWhatIsHeld(t *testing.T) {
	p := newPuppet(t)
	p.do("idle")
	before, err := MemoryOf(p.pid)
	if err != nil {
		t.Fatal(err)
	}
	const held = 32
	p.do(fmt.Sprintf("hold %d", held))
	after, err := MemoryOf(p.pid)
	if err != nil {
		t.Fatal(err)
	}
	grown := int64(after.Private) - int64(before.Private)
	if grown < held<<20 || grown > held<<20+8<<20 {
		t.Errorf("private memory grew by %d bytes for %d held", grown, held<<20)
	}
	for _, m := range []Memory{before, after} {
		if m.Private+m.Shared != m.RSS || m.Shared == 0 {
			t.Errorf("private %d + shared %d, RSS %d", m.Private, m.Shared, m.RSS)
		}
	}
}

// The figure to compare must not change when an identical process is started.
func TestPrivateDoesNotDependOnCopies(t *testing.T) {
	a := newPuppet(t)
	a.do("idle")
	alone, err := MemoryOf(a.pid)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		newPuppet(t).do("idle")
	}
	beside, err := MemoryOf(a.pid)
	if err != nil {
		t.Fatal(err)
	}
	if d := int64(beside.Private) - int64(alone.Private); d < -256<<10 || d > 1<<20 {
		t.Errorf("private memory %d alone, %d beside three copies", alone.Private, beside.Private)
	}
}

func TestGoneProcess(t *testing.T) {
	p := newPuppet(t)
	p.do("idle")
	p.end()
	for _, pid := range []int{p.pid, 0, -1} {
		if d, err := CPU(pid); err == nil {
			t.Errorf("CPU(%d) = %v, want an error", pid, d)
		}
		if d, err := Wait(pid); err == nil {
			t.Errorf("Wait(%d) = %v, want an error", pid, d)
		}
		if m, err := MemoryOf(pid); err == nil {
			t.Errorf("MemoryOf(%d) = %v, want an error", pid, m)
		}
	}
	if _, err := CPU(p.pid); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("CPU of a process that is gone: %v, want os.ErrProcessDone", err)
	}
}

func BenchmarkCPU(b *testing.B) {
	pid := os.Getpid()
	for b.Loop() {
		if _, err := CPU(pid); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkThreadCPU(b *testing.B) {
	for b.Loop() {
		ThreadCPU()
	}
}
