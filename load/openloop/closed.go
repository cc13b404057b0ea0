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

// closed is a thread's part of a closed load: loops, one for each of the pools'
// standing connections and their places. What tells loops of a target apart is only which
// request they wait for.
type closed struct {
	until   time.Duration // no request is taken up from here on
	left    []int         // per pool: how many are still to be taken up; nil: by time
	senders *load.Senders
	others  int      // the draws of others between two of this thread
	loops   []uint16 // the target of each
	ready   []uint16 // the targets of loops that can take up their next request
	resting rests    // loops that think, or wait for retryPause
	think   *load.Sampler
	turn    load.Share // of the pauses
	paused  int        // pauses drawn
}

// pause is how long a loop rests after a request.
func (c *closed) pause(s *load.Sample) time.Duration {
	pause := time.Duration(0)
	if c.think != nil {
		pause = time.Duration(c.think.Draw(uint64(c.turn.K + c.turn.N*c.paused)))
		c.paused++
	}
	if !s.Whole() {
		pause = max(pause, retryPause)
	}
	return pause
}

type rest struct {
	target uint16
	until  time.Duration
}

// rests is a heap: the first is the first to wake.
type rests []rest

func (h *rests) push(r rest) {
	*h = append(*h, r)
	all := *h
	for i := len(all) - 1; i > 0; {
		parent := (i - 1) / 2
		if all[parent].until <= all[i].until {
			return
		}
		all[parent], all[i] = all[i], all[parent]
		i = parent
	}
}

func (h *rests) pop() rest {
	all := *h
	first, last := all[0], len(all)-1
	all[0] = all[last]
	*h = all[:last]
	for i := 0; ; {
		least := 2*i + 1
		if least >= last {
			return first
		}
		if least+1 < last && all[least+1].until < all[least].until {
			least++
		}
		if all[i].until <= all[least].until {
			return first
		}
		all[i], all[least] = all[least], all[i]
		i = least
	}
}

// dealClosed gives every thread its loops, its part of the count and its turns
// in the drawing of users.
func (e *engine) dealClosed(l load.Load) error {
	if err := l.Check(len(e.targets), e.population); err != nil {
		return err
	}
	for k, w := range e.workers {
		senders, err := load.NewSenders(l, e.population)
		if err != nil {
			return fmt.Errorf("deal a closed load: %w", err)
		}
		turn := shareOf(l.Share, len(e.workers), k)
		for range turn.K {
			senders.Next()
		}
		c := &closed{senders: senders, others: turn.N - 1, turn: turn}
		if c.think, err = l.Thinking(); err != nil {
			return fmt.Errorf("deal a closed load: %w", err)
		}
		if l.Each > 0 {
			c.left = slices.Repeat([]int{load.Share{K: k, N: len(e.workers)}.Of(l.Each)}, len(w.pools))
		}
		for i := range w.pools {
			if p := &w.pools[i]; len(l.Targets) == 0 || slices.Contains(l.Targets, p.target) {
				c.loops = append(c.loops, slices.Repeat([]uint16{uint16(p.target)}, p.base*p.places)...)
			}
		}
		c.ready = make([]uint16, 0, len(c.loops))
		c.resting = make(rests, 0, len(c.loops))
		w.closed, w.turns = c, turns{coming: load.Sample{Intended: noArrival}}
	}
	return nil
}

// runClosed carries out a closed load. Canceled is asked once a round.
func (w *worker) runClosed(canceled func() bool) error {
	c := w.closed
	w.pacer.begin(w.now())
	c.ready = append(c.ready, c.loops...)
	for !canceled() {
		now := w.now()
		w.tend(now)
		w.renew(now)
		w.goOn()
		w.flush()
		if w.failed != nil || w.outstanding == 0 && len(c.resting) == 0 {
			break
		}
		until := min(w.deadline(), w.renewAt)
		if len(c.resting) > 0 {
			until = min(until, c.resting[0].until)
		}
		w.tally.tell(now, until)
		events, errno := w.poller.sleep(until - now)
		if err := w.handle(events, errno); err != nil {
			return err
		}
	}
	return w.failed
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
	for len(c.ready) > 0 && w.failed == nil {
		target := c.ready[len(c.ready)-1]
		c.ready = c.ready[:len(c.ready)-1]
		if c.ended(target, w.clock) {
			continue
		}
		if c.left != nil {
			c.left[target]--
		}
		user, request := c.senders.Next()
		for range c.others {
			c.senders.Next()
		}
		w.takeUp(load.Sample{
			Intended: w.clock, Written: never, FirstByte: never, LastByte: never,
			User: uint32(user), Target: target, Request: uint16(request), Class: pending,
		})
	}
}

// settled sends a request's loop on, or to rest. One that would rest beyond the
// load's end has done its part.
func (w *worker) settled(s *load.Sample) {
	c := w.closed
	pause := c.pause(s)
	switch {
	case pause == 0:
		c.ready = append(c.ready, s.Target)
	case !c.ended(s.Target, w.clock) && (c.left != nil || w.clock+pause < c.until):
		c.resting.push(rest{s.Target, w.clock + pause})
	}
}

// tend wakes the loops that have rested and settles what has run out of time.
func (w *worker) tend(now time.Duration) {
	c := w.closed
	for len(c.resting) > 0 && c.resting[0].until <= now {
		c.ready = append(c.ready, c.resting.pop().target)
	}
	w.expire(now)
}
