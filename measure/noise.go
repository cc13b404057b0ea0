package measure

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Noise is the host's own unrest: how late it wakes a thread that slept, and
// what its hypervisor took.
type Noise struct {
	Sleeps int `json:"sleeps"`
	// How much later than asked the thread ran again.
	P50 time.Duration `json:"wake_p50_ns"`
	P99 time.Duration `json:"wake_p99_ns"`
	Max time.Duration `json:"wake_max_ns"`
	// Steal is the share of all CPU time that the hypervisor took, 0 to 1, in
	// ticks of 10 ms; Busy is how busy the host was meanwhile.
	Steal float64 `json:"steal"`
	Busy  float64 `json:"busy"`
}

// The bounds of a noise measurement: a p99 wants some hundred sleeps of 1 ms,
// and nobody wants to wait long for it.
const (
	minNoise = 100 * time.Millisecond
	maxNoise = 10 * time.Second
	nap      = time.Millisecond
)

// MeasureNoise sleeps 1 ms at a time on a locked OS thread, for d brought into
// the bounds of 100 ms to 10 s, and tells how late the thread woke. The kernel's
// timer slack (50 µs unless changed) is part of it, as it is for every program.
func MeasureNoise(d time.Duration) (Noise, error) {
	d = min(max(d, minNoise), maxNoise)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := Host()
	if err != nil {
		return Noise{}, err
	}
	late, err := naps(d)
	if err != nil {
		return Noise{}, err
	}
	after, err := Host()
	if err != nil {
		return Noise{}, err
	}
	slices.Sort(late)
	host := after.Sub(before)
	return Noise{
		Sleeps: len(late), P50: quantile(late, 0.5), P99: quantile(late, 0.99), Max: late[len(late)-1],
		Steal: host.StealShare(), Busy: host.BusyShare(),
	}, nil
}

// naps sleeps over and over until d has passed, at least once, and returns how
// late each sleep ended.
func naps(d time.Duration) ([]time.Duration, error) {
	late := make([]time.Duration, 0, d/nap+1)
	wish := unix.NsecToTimespec(nap.Nanoseconds())
	for start := time.Now(); len(late) == 0 || time.Since(start) < d; {
		from := time.Now()
		err := unix.Nanosleep(&wish, nil)
		if err == unix.EINTR {
			continue // a signal of the Go runtime: not the host's doing
		}
		if err != nil {
			return nil, fmt.Errorf("sleep %s: %w", nap, err)
		}
		late = append(late, time.Since(from)-nap)
	}
	return late, nil
}

// quantile is the smallest value that at least the share q of the sorted
// values does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}
