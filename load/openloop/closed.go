package openloop

import (
	"fmt"
	"slices"
	"time"

	"github.com/taremesh/tare/load"
)

// retryPause is how long a connection's loop rests after a request without a
// whole response: a target that is gone is not asked in a circle.
const retryPause = 10 * time.Millisecond

// closed is a thread's part of a closed load. Each loop (one for each of the
// pools' standing connections) has a place in the worker's samples, where an
// open load has its arrivals. A request that has its outcome is copied to the
// record, and the loop's next request takes its place.
type closed struct {
	until   time.Duration // no request is taken up from here on
	left    []int         // per pool: how many are still to be taken up; nil: by time
	room    int           // in the record, less what is under way
	capped  bool          // the room was missing
	senders *load.Senders
	others  int           // the draws of other threads between two of this one
	ready   []int32       // places that the next request can take
	resting []rest        // places that wait for retryPause; the first to wake first
	tending time.Duration // no request times out before then
}

type rest struct {
	place int32
	until time.Duration
}

// record keeps samples in chunks, so that its growth never moves them, and
// keeps its memory from load to load.
type record struct {
	chunks [][]load.Sample
	used   int // chunks
}

const recordChunk = 1 << 14

func (r *record) add(s load.Sample) {
	if r.used == 0 || len(r.chunks[r.used-1]) == recordChunk {
		if r.used == len(r.chunks) {
			r.chunks = append(r.chunks, make([]load.Sample, 0, recordChunk))
		}
		r.chunks[r.used] = r.chunks[r.used][:0]
		r.used++
	}
	last := &r.chunks[r.used-1]
	*last = append(*last, s)
}

// dealClosed gives every thread its loops, its part of the count and of the
// room, and its turns in the drawing of users.
func (e *engine) dealClosed(l load.Load) error {
	if err := l.Check(len(e.targets), e.population); err != nil {
		return err
	}
	for k, w := range e.workers {
		senders, err := load.NewSenders(l, e.population)
		if err != nil {
			return fmt.Errorf("deal a closed load: %w", err)
		}
		for range k {
			senders.Next()
		}
		c := &closed{room: share(e.maxClosed, len(e.workers), k), senders: senders, others: len(e.workers) - 1}
		if l.Each > 0 {
			c.left = slices.Repeat([]int{share(l.Each, len(e.workers), k)}, len(w.pools))
		}
		w.closed, w.samples, w.record.used = c, w.samples[:0], 0
		for i := range w.pools {
			if p := &w.pools[i]; len(l.Targets) == 0 || slices.Contains(l.Targets, p.target) {
				for range p.base {
					w.samples = append(w.samples, load.Sample{Target: uint16(p.target)})
				}
			}
		}
		c.ready = make([]int32, 0, len(w.samples))
		c.resting = make([]rest, 0, len(w.samples))
	}
	return nil
}

// runClosed carries out a closed load. Canceled is asked once a round.
func (w *worker) runClosed(canceled func() bool) error {
	c := w.closed
	w.pacer.begin(w.now())
	for place := range w.samples {
		c.ready = append(c.ready, int32(place))
	}
	for !canceled() {
		now := w.now()
		w.tend(now)
		w.goOn()
		if w.outstanding == 0 && len(c.resting) == 0 {
			break
		}
		until := c.tending
		if len(c.resting) > 0 {
			until = min(until, c.resting[0].until)
		}
		events, errno := w.poller.sleep(until - now)
		if err := w.handle(events, errno); err != nil {
			return err
		}
	}
	w.abandon()
	return nil
}

// ended says that a target gets no more requests of this thread.
func (c *closed) ended(target uint16, now time.Duration) bool {
	if c.left != nil {
		return c.left[target] == 0
	}
	return now >= c.until
}

// goOn lets every loop that is ready take up its next request.
func (w *worker) goOn() {
	c := w.closed
	for len(c.ready) > 0 {
		place := c.ready[len(c.ready)-1]
		c.ready = c.ready[:len(c.ready)-1]
		target := w.samples[place].Target
		if c.ended(target, w.clock) {
			continue
		}
		if c.room == 0 {
			c.capped = true
			continue
		}
		c.room--
		if c.left != nil {
			c.left[target]--
		}
		w.samples[place] = load.Sample{
			Intended: w.clock, Written: never, FirstByte: never, LastByte: never,
			User: uint32(c.senders.Next()), Target: target, Class: pending,
		}
		for range c.others {
			c.senders.Next()
		}
		w.dispatch(place)
	}
}

// settled records a request and sends its loop on, or to rest.
func (w *worker) settled(place int32) {
	c, s := w.closed, w.samples[place]
	w.record.add(s)
	switch {
	case s.Whole():
		c.ready = append(c.ready, place)
	case !c.ended(s.Target, w.clock):
		c.resting = append(c.resting, rest{place, w.clock + retryPause})
	}
}

// tend wakes the loops that have rested and settles what has run out of time.
func (w *worker) tend(now time.Duration) {
	c := w.closed
	rested := 0
	for rested < len(c.resting) && c.resting[rested].until <= now {
		c.ready = append(c.ready, c.resting[rested].place)
		rested++
	}
	c.resting = slices.Delete(c.resting, 0, rested)
	if now < c.tending {
		return
	}
	c.tending = now + w.timeout
	for place := range w.samples {
		s := &w.samples[place]
		switch {
		case s.Class != pending:
		case s.Intended+w.timeout <= now:
			w.timeOut(int32(place))
		default:
			c.tending = min(c.tending, s.Intended+w.timeout)
		}
	}
}

// gather joins the threads' records in the order of their intended times.
func (e *engine) gather() []load.Sample {
	n := 0
	for _, w := range e.workers {
		for _, chunk := range w.record.chunks[:w.record.used] {
			n += len(chunk)
		}
	}
	all := make([]load.Sample, 0, n)
	for _, w := range e.workers {
		for _, chunk := range w.record.chunks[:w.record.used] {
			all = append(all, chunk...)
		}
	}
	slices.SortFunc(all, func(a, b load.Sample) int { return int(a.Intended - b.Intended) })
	return all
}

// account completes what is said of a closed load.
func (e *engine) account(l load.Load, samples []load.Sample, stats *load.Stats) {
	stats.Scheduled, stats.Margin = len(samples), 0
	span := stats.Wall
	if l.Each == 0 {
		span = min(span, l.Duration)
	}
	whole := 0
	for _, s := range samples {
		if s.Whole() && s.LastByte <= stats.Began+span {
			whole++
		}
	}
	if span > 0 {
		stats.Throughput = float64(whole) / span.Seconds()
	}
	for _, w := range e.workers {
		stats.Capped = stats.Capped || w.closed.capped
	}
}
