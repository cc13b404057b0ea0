package openloop

import (
	"time"

	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

// pending marks a sample whose outcome is not known yet. It never leaves the
// engine.
const pending = load.Class(255)

// never is a time that never came.
const never = time.Duration(-1)

// sendBatch is how many overdue requests are written before responses are
// looked at again.
const sendBatch = 16

// worker is one thread's engine: everything it touches while a load runs is
// its own.
type worker struct {
	poller   *poller
	epoch    time.Time
	clock    time.Duration // the last reading of now
	buffer   []byte
	conns    []conn
	pools    []pool
	requests requests
	headOnly []bool // per target: it is asked by HEAD
	pacer    pacer

	// Of the load that runs.
	closed      *closed // nil: it is open
	record      record  // of a closed load
	samples     []load.Sample
	inLine      []int32 // the next in line, per arrival
	timeout     time.Duration
	next        int // first arrival not yet taken up
	oldest      int // no arrival before it is pending
	outstanding int
	saturated   bool
	opened      int
	sent        int64 // bytes of requests
	received    int64 // bytes of responses
	lastError   error // of the last connection that could not be opened
}

func (w *worker) now() time.Duration {
	w.clock = time.Since(w.epoch)
	return w.clock
}

// offer carries out this thread's part of the load that was dealt.
func (w *worker) offer(began, duration time.Duration, canceled func() bool) error {
	if w.closed != nil {
		w.closed.until = began + duration
		return w.runClosed(canceled)
	}
	for i := range w.samples {
		w.samples[i].Intended += began
	}
	return w.run(canceled)
}

// run carries out the samples' requests. Canceled is asked once a round.
func (w *worker) run(canceled func() bool) error {
	w.pacer.begin(w.now())
	for !canceled() {
		now := w.now()
		for batch := 0; batch < sendBatch && w.next < len(w.samples) && w.samples[w.next].Intended <= now; batch++ {
			w.dispatch(int32(w.next))
			w.next++
			now = w.clock
		}
		w.expire(now)
		if w.next == len(w.samples) && w.outstanding == 0 {
			break
		}
		if err := w.wait(now); err != nil {
			return err
		}
	}
	w.abandon()
	return nil
}

// dispatch takes up an arrival.
func (w *worker) dispatch(arrival int32) {
	p := &w.pools[w.samples[arrival].Target]
	w.outstanding++
	if p.queued == 0 && p.idleHead != none {
		slot := p.idleHead
		w.removeIdle(p, slot)
		w.start(p, slot, arrival)
		return
	}
	w.pushQueue(p, arrival)
	w.pump(p)
}

// pump serves a pool's line with its idle connections, and opens more while it
// may.
func (w *worker) pump(p *pool) {
	for p.queued > 0 {
		if slot := p.idleHead; slot != none {
			arrival := w.popQueue(p)
			if arrival == none {
				return
			}
			w.removeIdle(p, slot)
			w.start(p, slot, arrival)
			continue
		}
		if p.connecting >= p.queued {
			return // one is on its way for each
		}
		if p.empty == none {
			w.saturated = true
			return
		}
		if !w.connect(p) {
			if arrival := w.popQueue(p); arrival != none {
				w.settle(arrival, load.Refused)
			}
		}
	}
}

// settle gives an arrival its outcome.
func (w *worker) settle(arrival int32, class load.Class) {
	w.samples[arrival].Class = class
	w.outstanding--
	if w.closed != nil {
		w.settled(arrival)
	}
}

// expire settles what has run out of time. Deadlines have the order of the
// arrivals, so one cursor finds them.
func (w *worker) expire(now time.Duration) {
	for w.oldest < w.next {
		s := &w.samples[w.oldest]
		if s.Class == pending {
			if s.Intended+w.timeout > now {
				return
			}
			w.timeOut(int32(w.oldest))
		}
		w.oldest++
	}
}

func (w *worker) timeOut(arrival int32) {
	p := &w.pools[w.samples[arrival].Target]
	for slot := p.first; slot < p.end; slot++ {
		if w.conns[slot].arrival == arrival {
			w.drop(slot)
			w.settle(arrival, load.Timeout)
			w.refill(p)
			return
		}
	}
	w.leaveLine(p, arrival)
	w.settle(arrival, load.Timeout)
}

// wait handles events until the next arrival or deadline, at the latest.
func (w *worker) wait(now time.Duration) error {
	until := time.Duration(1<<63 - 1)
	if w.oldest < w.next {
		until = w.samples[w.oldest].Intended + w.timeout
	}
	if w.next < len(w.samples) && w.samples[w.next].Intended <= until {
		return w.waitForArrival(now, w.samples[w.next].Intended)
	}
	events, errno := w.poller.sleep(until - now)
	return w.handle(events, errno)
}

func (w *worker) handle(events []unix.EpollEvent, errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	for i := range events {
		w.ready(&events[i])
		if w.closed != nil {
			w.goOn()
		}
	}
	return nil
}

// waitForArrival sleeps until the margin before an intended time, and spins
// from there.
func (w *worker) waitForArrival(now, intended time.Duration) error {
	margin := w.pacer.allowed(now)
	if sleep := intended - now - margin; sleep > 0 {
		events, errno := w.poller.sleep(sleep)
		if len(events) == 0 && errno == 0 {
			w.pacer.slept(w.now() - (now + sleep))
		}
		return w.handle(events, errno)
	}
	if margin == 0 {
		events, errno := w.poller.poll()
		return w.handle(events, errno)
	}
	began := cpuTime(unix.CLOCK_THREAD_CPUTIME_ID)
	for {
		events, errno := w.poller.poll()
		if len(events) > 0 || errno != 0 {
			w.pacer.spun(cpuTime(unix.CLOCK_THREAD_CPUTIME_ID) - began)
			return w.handle(events, errno)
		}
		if w.now() >= intended {
			w.pacer.spun(cpuTime(unix.CLOCK_THREAD_CPUTIME_ID) - began)
			return nil
		}
	}
}

// abandon leaves what has no outcome: its connections are closed, since an
// answer may still come on them.
func (w *worker) abandon() {
	for slot := range w.conns {
		if c := &w.conns[slot]; c.state == busy {
			w.drop(int32(slot))
		}
	}
	for i := range w.pools {
		p := &w.pools[i]
		p.queueHead, p.queueTail, p.queued = none, none, 0
	}
	w.outstanding = 0
}

// stand brings every pool to its size and waits until it stands or the time has
// come. Connections that a burst added are closed: pools that have grown apart
// would not be equally warm. It returns the first target that lacks a connection, or none.
func (w *worker) stand(until time.Duration, canceled func() bool) (int, error) {
	events, errno := w.poller.poll() // connections that were closed in between
	if err := w.handle(events, errno); err != nil {
		return none, err
	}
	for i := range w.pools {
		p := &w.pools[i]
		for p.open < p.base && w.connect(p) {
		}
		for p.open > p.base && p.idleHead != none {
			w.drop(p.idleHead)
		}
	}
	for !canceled() {
		waiting := 0
		for i := range w.pools {
			waiting += w.pools[i].connecting
		}
		left := until - w.now()
		if waiting == 0 || left <= 0 {
			break
		}
		events, errno := w.poller.sleep(left)
		if err := w.handle(events, errno); err != nil {
			return none, err
		}
	}
	for i := range w.pools {
		if p := &w.pools[i]; p.open-p.connecting < p.base {
			return p.target, nil
		}
	}
	return none, nil
}
