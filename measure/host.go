package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// HostCPU is how all CPUs of the host spent their time since it started. It
// comes from /proc/stat, which counts in ticks of 10 ms per CPU, many kernels
// by sampling at the tick: a difference is good to about 1 % over some
// seconds, and worthless over some milliseconds.
type HostCPU struct {
	Busy       time.Duration `json:"busy"`       // user, nice, system and interrupts
	Interrupts time.Duration `json:"interrupts"` // hard and soft; a part of Busy
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
	h, err := parseStat(text)
	if err != nil {
		return HostCPU{}, fmt.Errorf("read host CPU time: %w", err)
	}
	return h, nil
}

// tick is USER_HZ, which the kernel's interface fixes at 100 on every
// architecture that Go runs on.
const tick = 10 * time.Millisecond

// parseStat reads the first line of /proc/stat: cpu user nice system idle
// iowait irq softirq steal guest guest_nice. The guests are in user and nice.
func parseStat(text []byte) (HostCPU, error) {
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
	interrupts := t[5] + t[6]
	return HostCPU{
		Busy: t[0] + t[1] + t[2] + interrupts, Interrupts: interrupts,
		Idle: t[3], IOWait: t[4], Steal: t[7],
	}, nil
}
