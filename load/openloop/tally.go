package openloop

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
)

// tellEvery is how old the figures that a busy thread shows may be.
const tellEvery = 50 * time.Millisecond

// tally counts a thread's requests. The thread has numbers of its own, and
// shows them now and then.
type tally struct {
	sent, done, failed int
	times              times
	told               time.Duration

	shown struct{ sent, done, failed atomic.Int64 }
	mu    sync.Mutex // of the times that are shown; the thread never waits for it
	since times
}

// count counts an outcome.
func (t *tally) count(s *load.Sample) {
	t.done++
	if s.Whole() {
		t.times[stepOf(s.Response())]++
	}
	if s.Class != load.OK && s.Class != load.Limited {
		t.failed++
	}
}

// tell shows the numbers when they are old, or would be at the next event.
func (t *tally) tell(now, until time.Duration) {
	old := now-t.told >= tellEvery
	if old && t.mu.TryLock() {
		t.since = t.times
		t.mu.Unlock()
	}
	if old {
		t.told = now
	}
	if old || until-now >= tellEvery {
		t.publish()
	}
}

func (t *tally) publish() {
	t.shown.sent.Store(int64(t.sent))
	t.shown.done.Store(int64(t.done))
	t.shown.failed.Store(int64(t.failed))
}

// clear begins anew.
func (t *tally) clear() {
	t.sent, t.done, t.failed, t.told, t.times = 0, 0, 0, 0, times{}
	t.publish()
	t.mu.Lock()
	t.since = times{}
	t.mu.Unlock()
}

// progress is how far the load is, after that time.
func (e *engine) progress(elapsed time.Duration) load.Progress {
	p := load.Progress{Elapsed: elapsed}
	var all times
	for _, w := range e.workers {
		w.tally.mu.Lock()
		for i, n := range w.tally.since {
			all[i] += n
		}
		w.tally.mu.Unlock()
		p.Sent += int(w.tally.shown.sent.Load())
		p.Done += int(w.tally.shown.done.Load())
		p.Failed += int(w.tally.shown.failed.Load())
	}
	p.P50, p.P99 = all.quantile(0.5), all.quantile(0.99)
	return p
}

// times counts answers by how long they took, in steps of an eighth of a
// doubling: to show a load under way, and for no report.
type times [8 * 61]uint64

func stepOf(d time.Duration) int {
	x := uint64(max(d, 8))
	doublings := bits.Len64(x) - 4 // above 8 ns
	return doublings<<3 | int(x>>doublings&7)
}

// quantile is about that quantile, to a sixteenth; 0 where the times do not
// support it.
func (t *times) quantile(q float64) time.Duration {
	n := 0
	for _, k := range t {
		n += int(k)
	}
	if ok, _ := stat.Supported(n, q); !ok {
		return 0
	}
	left := int(q * float64(n-1))
	for i, k := range t {
		if left -= int(k); left < 0 {
			doublings := i >> 3
			return time.Duration(8+i&7)<<doublings + time.Duration(1)<<doublings/2
		}
	}
	return 0 // not reached: left began below n
}
