package measure

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Event is what a Counter counts, in the kernel's own numbers
// (perf_event_open(2)).
type Event struct {
	Name         string
	Type, Config uint64
}

// Instructions are those that a process's threads retired.
var Instructions = Event{"instructions", unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_INSTRUCTIONS}

// ErrNotCounted says that this host does not count an event, or not for us.
// The error that wraps it says why, and what would help.
var ErrNotCounted = errors.New("not counted")

// Counter counts an event in one process: in all threads that it has when the
// counter is opened and in those that they start. The kernel saves and loads
// it at every switch of threads, which takes a fraction of a microsecond.
type Counter struct {
	event Event
	pid   int
	// UserOnly: the kernel's work for the process is left out, since this
	// process may not count it.
	UserOnly bool
	fds      []int // one for each thread
}

// openTries bounds how often a process may start threads while its counter is
// opened.
const openTries = 20

// Count begins to count an event in a process. Where it cannot, the error is
// ErrNotCounted with the reason, or os.ErrProcessDone.
func Count(pid int, e Event) (*Counter, error) {
	c := &Counter{event: e, pid: pid}
	err := c.open()
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		c.UserOnly = true
		err = c.open()
	}
	if err != nil {
		return nil, fmt.Errorf("count %s of process %d: %w", e.Name, pid, refusal(err))
	}
	return c, nil
}

// open opens the event in every thread. A thread that starts another one
// between the list and its own event would be missed, and one that does so
// after it is counted already: so the list must be the same before and after.
func (c *Counter) open() error {
	for range openTries {
		before, err := threads(c.pid)
		if err != nil {
			return err
		}
		if err := c.openThreads(before); err != nil {
			return errors.Join(err, c.Close())
		}
		after, err := threads(c.pid)
		if err != nil {
			return errors.Join(err, c.Close())
		}
		if slices.Equal(before, after) {
			return nil
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return fmt.Errorf("it started threads without a pause, %d times", openTries)
}

func (c *Counter) openThreads(tids []int) error {
	attr := unix.PerfEventAttr{Type: uint32(c.event.Type), Config: c.event.Config, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Read_format: unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING,
		Bits:        unix.PerfBitInherit | unix.PerfBitExcludeHv}
	if c.UserOnly {
		attr.Bits |= unix.PerfBitExcludeKernel
	}
	for _, tid := range tids {
		fd, err := unix.PerfEventOpen(&attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if errors.Is(err, unix.ESRCH) {
			continue // ended meanwhile: the second list tells
		}
		if err != nil {
			return err
		}
		c.fds = append(c.fds, fd)
	}
	return nil
}

// threads lists the threads of a process in ascending order.
func threads(pid int) ([]int, error) {
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil, os.ErrProcessDone
	}
	if err != nil {
		return nil, err
	}
	var tids []int
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			return nil, err
		}
		tids = append(tids, tid)
	}
	if len(tids) == 0 {
		return nil, os.ErrProcessDone
	}
	slices.Sort(tids)
	return tids, nil
}

// refusals are the kernel's ways of saying no, and what helps.
var refusals = []struct {
	errs []error
	why  string
}{
	{[]error{unix.ENOENT, unix.ENODEV, unix.EOPNOTSUPP, unix.EINVAL}, "this host has no such counter, as most virtual machines"},
	{[]error{unix.EACCES, unix.EPERM}, "the kernel permits it to none but privileged processes%s, or a container's profile forbids perf_event_open; lower kernel.perf_event_paranoid to 2 or give CAP_PERFMON"},
	{[]error{unix.ENOSYS}, "the kernel was built without performance events"},
	{[]error{unix.EMFILE, unix.ENFILE}, "too many files are open; raise the limit (ulimit -n)"},
}

// refusal words an error of opening.
func refusal(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return err
	}
	for _, r := range refusals {
		if !slices.ContainsFunc(r.errs, func(e error) bool { return errors.Is(err, e) }) {
			continue
		}
		why := r.why
		if strings.Contains(why, "%s") {
			level := readText(os.DirFS("/"), "proc/sys/kernel/perf_event_paranoid")
			if level != "" {
				level = " (perf_event_paranoid is " + level + ")"
			}
			why = fmt.Sprintf(why, level)
		}
		return fmt.Errorf("%w: %s: %w", ErrNotCounted, why, err)
	}
	return fmt.Errorf("%w: %w", ErrNotCounted, err)
}

// Read returns the count since Count. Where the kernel gave the event a
// counter for a part of the time only, the count is scaled up to all of it;
// without any time at all it is ErrNotCounted.
func (c *Counter) Read() (uint64, error) {
	var sum float64
	for _, fd := range c.fds {
		n, err := readCount(fd)
		if err != nil {
			return 0, fmt.Errorf("read %s of process %d: %w", c.event.Name, c.pid, err)
		}
		sum += n
	}
	return uint64(sum), nil
}

// readCount reads value, time enabled and time running of one thread's event
// and of the threads that came from it.
func readCount(fd int) (float64, error) {
	var buf [24]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return 0, err
	}
	if n != len(buf) {
		return 0, fmt.Errorf("%w: the kernel took the counter away", ErrNotCounted)
	}
	word := func(i int) uint64 { return binary.NativeEndian.Uint64(buf[8*i:]) }
	return scaled(word(0), word(1), word(2))
}

// scaled extends a count over the time that it ran to the time that it was to run.
func scaled(value, enabled, running uint64) (float64, error) {
	switch {
	case running == 0 && enabled > 0:
		return 0, fmt.Errorf("%w: other counters were in use all the time", ErrNotCounted)
	case running >= enabled: // also a thread that has not run yet
		return float64(value), nil
	}
	return float64(value) * (float64(enabled) / float64(running)), nil
}

// Close ends the counting.
func (c *Counter) Close() error {
	var errs []error
	for _, fd := range c.fds {
		errs = append(errs, unix.Close(fd))
	}
	c.fds = nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the counter of process %d: %w", c.pid, err)
	}
	return nil
}
