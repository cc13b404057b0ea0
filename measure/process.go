package measure

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CPU is the CPU time, user and system, that a process's threads have used
// since its start, those that ended included. It is the clock of
// clock_getcpuclockid(3): nanoseconds, about 0.2 µs a read. A process that is
// gone is an error.
func CPU(pid int) (time.Duration, error) {
	if pid <= 0 {
		return 0, fmt.Errorf("read CPU clock of process %d: no such process id", pid)
	}
	const sched = 2 // CPUCLOCK_SCHED: exact run time, not ticks
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
		return 0, fmt.Errorf("read CPU clock of process %d: %w", pid, gone(err))
	}
	return time.Duration(ts.Nano()), nil
}

// gone words the kernel's EINVAL for a clock of a process that is not there.
func gone(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return os.ErrProcessDone
	}
	return err
}

// ThreadCPU is the CPU time that the calling OS thread has used. The goroutine
// must be locked to its thread for a difference to mean anything. It is a raw
// system call: the Go scheduler takes no notice, and no processor away.
func ThreadCPU() time.Duration {
	var ts unix.Timespec
	// The clock of the calling thread always exists: there is no error to have.
	unix.RawSyscallNoError(unix.SYS_CLOCK_GETTIME, unix.CLOCK_THREAD_CPUTIME_ID, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}

// ErrNoWait says that the kernel does not account run-queue waiting.
var ErrNoWait = errors.New("the kernel keeps no run-queue wait (CONFIG_SCHED_INFO is off)")

// Wait is the time that a process's living threads were runnable and waited
// for a CPU, since each thread's start: was it starved. Threads that end while
// it reads are left out.
func Wait(pid int) (time.Duration, error) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("read run-queue wait of process %d: %w", pid, err)
	}
	var ran, waited time.Duration
	seen := false
	for _, t := range threads {
		text, err := os.ReadFile(dir + "/" + t.Name() + "/schedstat")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return 0, fmt.Errorf("read run-queue wait of process %d: %w", pid, err)
		}
		r, w, err := parseSchedstat(text)
		if err != nil {
			return 0, fmt.Errorf("read run-queue wait of process %d: %w", pid, err)
		}
		seen, ran, waited = true, ran+r, waited+w
	}
	if !seen {
		return 0, fmt.Errorf("read run-queue wait of process %d: %w", pid, noThread(dir))
	}
	if ran == 0 && waited == 0 {
		return 0, fmt.Errorf("read run-queue wait of process %d: %w", pid, ErrNoWait)
	}
	return waited, nil
}

// noThread tells a process without schedstat from one that ended just now.
func noThread(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return os.ErrProcessDone
	}
	return ErrNoWait
}

// parseSchedstat reads "ran waited slices": nanoseconds, nanoseconds, a count.
func parseSchedstat(text []byte) (ran, waited time.Duration, err error) {
	f := bytes.Fields(text)
	if len(f) < 2 {
		return 0, 0, fmt.Errorf("schedstat has %d fields, not 3: %q", len(f), text)
	}
	r, errR := strconv.ParseInt(string(f[0]), 10, 64)
	w, errW := strconv.ParseInt(string(f[1]), 10, 64)
	if err := errors.Join(errR, errW); err != nil {
		return 0, 0, fmt.Errorf("parse schedstat: %w", err)
	}
	return time.Duration(r), time.Duration(w), nil
}

// share is part / whole, 0 when the whole is.
func share(part, whole time.Duration) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
