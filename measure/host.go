package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// HostCPU is how all CPUs of the host spent their time since it started. Idle,
// IOWait and Steal come from /proc/stat, in ticks of 10 ms per CPU. Busy is all
// other time of the CPUs that are online, by the monotonic clock: a tickless
// kernel measures idle time, but only samples what runs at each tick, and
// misses a good part of work in short bursts (a third, at 4,000 requests/s on
// two cores). A difference is good to 10 ms per CPU.
type HostCPU struct {
	Busy       time.Duration `json:"busy"`       // all that is not in the three below
	Interrupts time.Duration `json:"interrupts"` // hard and soft, sampled at ticks; a part of Busy
	Idle       time.Duration `json:"idle"`
	IOWait     time.Duration `json:"iowait"` // idle with a disk request under way
	Steal      time.Duration `json:"steal"`  // wanted, but the hypervisor ran something else
}

// Sub returns the time spent from before to h.
func (h HostCPU) Sub(before HostCPU) HostCPU {
	return HostCPU{
		Busy:       h.Busy - before.Busy,
		Interrupts: h.Interrupts - before.Interrupts,
		Idle:       h.Idle - before.Idle,
		IOWait:     h.IOWait - before.IOWait,
		Steal:      h.Steal - before.Steal,
	}
}

// Total is all CPU time there was, busy or not.
func (h HostCPU) Total() time.Duration { return h.Busy + h.Idle + h.IOWait + h.Steal }

// BusyShare is the busy part of all time, 0 to 1.
func (h HostCPU) BusyShare() float64 { return share(h.Busy, h.Total()) }

// StealShare is the stolen part of all time, 0 to 1.
func (h HostCPU) StealShare() float64 { return share(h.Steal, h.Total()) }

// Host reads how the host's CPUs spent their time.
func Host() (HostCPU, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return HostCPU{}, fmt.Errorf("read host CPU time: %w", err)
	}
	now, err := monotonic()
	if err != nil {
		return HostCPU{}, fmt.Errorf("read host CPU time: %w", err)
	}
	h, err := parseStat(text, now)
	if err != nil {
		return HostCPU{}, fmt.Errorf("read host CPU time: %w", err)
	}
	return h, nil
}

func monotonic() (time.Duration, error) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano()), err
}

// tick is USER_HZ, which the kernel's interface fixes at 100 on every
// architecture that Go runs on.
const tick = 10 * time.Millisecond

// parseStat reads /proc/stat at a time: its first line, cpu user nice system idle
// iowait irq softirq steal guest guest_nice, and how many CPUs are online.
func parseStat(text []byte, now time.Duration) (HostCPU, error) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 9 || string(fields[0]) != "cpu" {
		return HostCPU{}, fmt.Errorf("the first line of /proc/stat is not as expected: %q", line)
	}
	var t [8]time.Duration
	var errs error
	for i := range t {
		n, err := strconv.ParseInt(string(fields[i+1]), 10, 64)
		errs = errors.Join(errs, err)
		t[i] = time.Duration(n) * tick
	}
	if errs != nil {
		return HostCPU{}, fmt.Errorf("parse /proc/stat: %w", errs)
	}
	h := HostCPU{Interrupts: t[5] + t[6], Idle: t[3], IOWait: t[4], Steal: t[7]}
	cpus := bytes.Count(text, []byte("\ncpu"))
	h.Busy = time.Duration(cpus)*now - h.Idle - h.IOWait - h.Steal
	return h, nil
}
