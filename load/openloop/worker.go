package openloop

import (
	"time"

	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

// sendBatch is how many overdue requests are written before responses are
// looked at again.
const sendBatch = 16

// worker is one thread's engine: everything it touches while a load runs is
// its own.
type worker struct {
	poller     *poller
	epoch      time.Time
	clock      time.Duration // the last reading of now
	buffer     []byte
	conns      []conn
	pools      []pool
	requests   requests
	population load.Population
	headOnly   []bool // per request: it asks by HEAD
	pacer      pacer

	// Of the load that runs.
	arrivals
	closed      *closed       // nil: it is open
	turns       turns         // of an open load
	renewAt     time.Duration // when a pool's connection is next renewed
	turn        load.Share    // which arrivals are its own
	dirty       []int32       // slots whose connections have something to write
	timeout     time.Duration
	outstanding int
	tally       tally
	failed      error // what ends the load
	saturated   bool
	opened      int
	sent        int64 // bytes of requests
	received    int64 // bytes of responses
	lastError   error // of the last connection that could not be opened

	handshakes handshakes
}

func (w *worker) now() time.Duration {
	w.clock = time.Since(w.epoch)
	return w.clock
}

// start carries a request out on an idle connection.
func (w *worker) start(p *pool, slot, arrival int32) {
	if w.closed != nil {
		arrival = w.behindOthers(arrival)
	}
	w.tally.sent++
	w.removeIdle(p, slot)
	*w.link(arrival) = onSlot(slot)
	w.requests.number = w.number(arrival)
	p.protocol.start(slot, arrival)
}

// behindOthers moves an arrival of a closed load that had to wait for its
// connection behind those that were taken up meanwhile: it is intended when it
// is written, and deadlines have the order of the arrivals.
func (w *worker) behindOthers(arrival int32) int32 {
	if arrival == placeOf(w.next-1) {
		return arrival
	}
	s := w.sample(arrival)
	place, err := w.place(*s)
	if err != nil {
		w.failed = err
		return arrival
	}
	s.Class = moved
	w.sample(place).Intended = w.clock
	return place
}

// flush writes what the connections have gathered since the last look.
func (w *worker) flush() {
	for i := 0; i < len(w.dirty); i++ { // it may grow
		w.pools[w.conns[w.dirty[i]].pool].protocol.writable(w.dirty[i])
	}
	w.dirty = w.dirty[:0]
}

// offer carries out this thread's part of the load that was dealt.
func (w *worker) offer(began, duration time.Duration, canceled func() bool) error {
	var err error
	w.beginRenewals(began)
	if w.closed != nil {
		w.closed.until = began + duration
		err = w.runClosed(canceled)
	} else {
		w.turns.begin(began)
		err = w.run(canceled)
	}
	w.abandon()
	w.tally.publish()
	return err
}

// run carries out its turns of a schedule. Canceled is asked once a round.
func (w *worker) run(canceled func() bool) error {
	w.pacer.begin(w.now())
	for !canceled() {
		now := w.now()
		for batch := 0; batch < sendBatch && w.turns.coming.Intended <= now && w.failed == nil; batch++ {
			w.takeUp(w.turns.coming)
			w.turns.advance()
			now = w.clock
		}
		w.joinHandshakes()
		w.renew(now)
		w.expire(now)
		w.flush()
		if w.failed != nil || w.turns.coming.Intended == noArrival && w.outstanding == 0 {
			break
		}
		if err := w.wait(now); err != nil {
			return err
		}
	}
	return w.failed
}

// takeUp gives an arrival its place and sees to it that it is sent.
func (w *worker) takeUp(s load.Sample) {
	arrival, err := w.place(s)
	if err != nil {
		w.failed = err
		return
	}
	w.dispatch(arrival)
}

// dispatch takes up an arrival.
func (w *worker) dispatch(arrival int32) {
	p := &w.pools[w.sample(arrival).Target]
	w.outstanding++
	if p.queued == 0 && p.idleHead != none && !p.fresh {
		slot := p.idleHead
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
		if slot := p.idleHead; slot != none && !p.fresh {
			arrival := w.popQueue(p)
			if arrival == none {
				return
			}
			w.start(p, slot, arrival)
			continue
		}
		if !p.bound && p.connecting*p.places >= p.queued {
			return // one is on its way for each
		}
		if p.empty == none && p.fresh && p.idleHead != none {
			w.drop(p.idleHead) // the server has not closed it
		}
		if p.empty == none {
			w.saturated = true
			return
		}
		if p.bound {
			w.connectFor(p, w.popQueue(p))
			continue
		}
		if w.connect(p) == none {
			if arrival := w.popQueue(p); arrival != none {
				w.settle(arrival, load.Refused)
			}
		}
	}
}

// connectFor opens a connection that is one arrival's alone.
func (w *worker) connectFor(p *pool, arrival int32) {
	if w.closed != nil {
		arrival = w.behindOthers(arrival)
	}
	w.tally.sent++
	s := w.sample(arrival)
	if s.Written = w.now(); w.closed != nil {
		s.Intended = s.Written
	}
	slot := w.connect(p)
	if slot == none {
		s.Written = never
		w.settle(arrival, load.Refused)
		return
	}
	c := &w.conns[slot]
	c.arrival, c.active = arrival, 1
	*w.link(arrival) = onSlot(slot)
}

// settle gives an arrival its outcome.
func (w *worker) settle(arrival int32, class load.Class) {
	s := w.sample(arrival)
	s.Class = class
	if !s.Whole() {
		s.Failed = time.Since(w.epoch) // the round's clock stays
	}
	w.outstanding--
	w.tally.count(s)
	if w.closed != nil {
		w.settled(s)
	}
}

// expire settles what has run out of time. Deadlines have the order of the
// arrivals, so one cursor finds them.
func (w *worker) expire(now time.Duration) {
	for w.oldest < w.next {
		s := w.sample(placeOf(w.oldest))
		if s.Class == pending {
			if s.Intended+w.timeout > now {
				return
			}
			w.timeOut(placeOf(w.oldest))
		}
		w.passOldest(now)
	}
}

func (w *worker) timeOut(arrival int32) {
	p := &w.pools[w.sample(arrival).Target]
	if at := *w.link(arrival); at < none {
		p.protocol.cancel(-2-at, arrival)
	} else {
		w.leaveLine(p, arrival)
	}
	w.settle(arrival, load.Timeout)
}

// deadline is when the oldest arrival runs out of time.
func (w *worker) deadline() time.Duration {
	if w.oldest == w.next {
		return noArrival
	}
	return w.sample(placeOf(w.oldest)).Intended + w.timeout
}

// wait handles events until the next arrival or deadline, at the latest.
func (w *worker) wait(now time.Duration) error {
	until, at := min(w.deadline(), w.renewAt), w.turns.coming.Intended
	w.tally.tell(now, min(until, at))
	if at != noArrival && at <= until {
		return w.waitForArrival(now, at)
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
		w.flush()
	}
	w.joinHandshakes()
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
		if w.conns[slot].active > 0 {
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
		for p.open < p.standing() && w.connect(p) != none {
		}
		for p.open > p.standing() && p.idleHead != none {
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
		if p := &w.pools[i]; p.open-p.connecting < p.standing() {
			return p.target, nil
		}
	}
	return none, nil
}
