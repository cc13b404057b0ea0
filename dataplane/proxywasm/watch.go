package proxywasm

import (
	"runtime"
	"time"
)

const (
	// slice is how much a guest may do before it is looked at again, in units of
	// package meter: some hundreds of microseconds, and a few milliseconds
	// where each instruction is as slow as it can be.
	slice = 400_000
	// work is how many bytes host functions may handle before the guest is
	// looked at, and callWork what a call of one counts beside its bytes.
	work     = 1 << 18
	callWork = 64
	// patience is how long a guest may run before others are let in for longer
	// than a turn: a goroutine that yields is at the end of the queue, but the
	// network is asked for news only when nothing can run.
	patience = 2 * time.Millisecond
	// nap is for how long. A shorter one would be over before the network is asked.
	nap = 50 * time.Microsecond
)

// watch measures how long a call of the guest has run. It looks at no clock
// until the guest has used up two slices, so that a call that is soon over costs
// nothing.
type watch struct {
	limit time.Duration
	looks int           // how often the guest was looked at in this call
	since time.Time     // when the guest ran on
	spent time.Duration // how long it had run by then
	rest  time.Duration // when it is next let sleep, in time spent
	work  int
}

func (w *watch) begin() {
	w.looks, w.work = 0, 0
}

// charge counts the work of a host function.
func (w *watch) charge(bytes int) {
	w.work += bytes + callWork
	if w.work >= work {
		w.work = 0
		w.check()
	}
}

// check ends a guest that has run for too long, and lets others run. The panic
// is the engine's way to unwind a guest; the engine recovers it.
func (w *watch) check() {
	switch w.looks++; w.looks {
	case 1: // a count runs out in calls that are soon over, too
		return
	case 2:
		w.spent, w.rest, w.since = 0, patience, time.Now()
		return
	}
	now := time.Now()
	w.spent += now.Sub(w.since)
	switch {
	case w.spent > w.limit:
		panic(ErrDeadline)
	case w.spent > w.rest:
		w.rest = w.spent + patience
		time.Sleep(nap)
	default:
		runtime.Gosched()
	}
	w.since = time.Now()
}
