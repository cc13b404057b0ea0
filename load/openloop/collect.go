package openloop

import (
	"cmp"
	"slices"
	"time"

	"github.com/taremesh/tare/load"
)

const (
	// holdBack is how many samples the child keeps to itself: a load of no more
	// sends none while it runs, since sending would disturb what is measured.
	holdBack = 1 << 20
	// slack is how many more it keeps while the parent is slow, before they go
	// to a file.
	slack = 1 << 18
	// look is how often the collector looks at what the threads have done.
	look = 100 * time.Millisecond
	// looks is how many of them pass between two words of progress.
	looks = 10
)

// receiver takes what comes of a load.
type receiver interface {
	// samples takes the next ones, in order, and never waits.
	samples([]load.Sample) error
	// room says whether samples can be taken without being put aside.
	room() bool
	// wait waits for room.
	wait()
	// progress is told how far the load is; it never waits.
	progress(load.Progress)
}

// collector takes the threads' samples and brings them into the order of their
// intended times. It runs beside the threads, which never wait for it.
type collector struct {
	workers []*worker
	closed  bool
	until   time.Duration // answers after it are not in the throughput
	out     receiver

	held      [][]*chunk      // per thread, in order; the first is being emptied
	at        []int           // per thread: what of the first was taken
	waiting   int             // samples held
	turn      int             // of an open load: the thread whose sample is next
	reached   []time.Duration // of a closed load, per thread: no sample to come precedes it
	streaming bool            // more than the child holds back have come
	batch     []load.Sample
	err       error // of the receiver: what comes later is not wanted

	kept, sent, whole int
}

func (e *engine) newCollector(l load.Load, began time.Duration, out receiver) *collector {
	c := &collector{
		workers: e.workers, closed: l.Closed, until: noArrival, out: out,
		held: make([][]*chunk, len(e.workers)), at: make([]int, len(e.workers)), reached: make([]time.Duration, len(e.workers)),
	}
	if l.Each == 0 {
		c.until = began + l.Duration
	}
	return c
}

// watch looks at the threads until they have ended. It cancels the load when
// nobody takes its samples.
func (c *collector) watch(e *engine, began time.Duration, ended <-chan struct{}) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for i := 1; ; i++ {
		select {
		case <-ended:
			return
		case <-ticker.C:
		}
		c.gather()
		c.stream(e.holdBack)
		if c.err != nil {
			e.cancel()
		}
		if i%looks == 0 {
			c.out.progress(e.progress(time.Since(e.epoch) - began))
		}
	}
}

// stream emits what it can when more has come than is held back.
func (c *collector) stream(holdBack int) {
	c.streaming = c.streaming || c.waiting > holdBack
	for c.streaming && (c.out.room() || c.waiting > holdBack+slack) && c.flush(false) {
	}
}

// finish emits all that is left, after the threads have ended.
func (c *collector) finish() error {
	for _, w := range c.workers {
		w.end()
	}
	c.gather()
	for c.flush(true) {
		c.out.wait()
	}
	return c.err
}

// gather takes over what the threads have handed on, and sees to it that they
// have empty chunks for as long again. It makes new ones only while more are held
// than ever before: from then on those that were emptied are enough.
func (c *collector) gather() {
	for k, w := range c.workers {
		from := len(c.held[k])
		for full := w.full.takeAll(); full != nil; full = full.below {
			c.held[k] = append(c.held[k], full)
			c.waiting += full.used
		}
		slices.Reverse(c.held[k][from:])
		for wanted := min(len(c.held[k])-from+1, lead); int(w.free.Load()) < wanted; {
			fresh := new(chunk)
			fresh.touch(chunkSamples)
			w.giveBack(fresh)
		}
	}
}

// flush emits what comes next; false when that is not known yet, or there is
// none. Ended: the threads will hand on no more.
func (c *collector) flush(ended bool) bool {
	switch {
	case c.closed:
		return c.flushClosed(ended)
	case len(c.workers) > 1:
		return c.flushDealt(ended)
	case len(c.held[0]) == 0:
		return false
	}
	full := c.held[0][0]
	c.pass(full.samples[:full.used])
	c.release(0)
	return true
}

// flushDealt emits a batch of an open load: samples come from the threads in
// turn, as the arrivals were dealt.
func (c *collector) flushDealt(ended bool) bool {
	c.batch = c.batch[:0]
	for out := 0; out < len(c.workers) && len(c.batch) < chunkSamples; c.turn++ {
		k := c.turn % len(c.workers)
		if len(c.held[k]) == 0 {
			if !ended {
				break
			}
			out++
			continue
		}
		out = 0
		full := c.held[k][0]
		c.batch = append(c.batch, full.samples[c.at[k]])
		if c.at[k]++; c.at[k] == full.used {
			c.release(k)
		}
	}
	if len(c.batch) == 0 {
		return false
	}
	c.pass(c.batch)
	return true
}

// flushClosed emits what no sample of a closed load can precede any more. A
// thread writes its requests nearly in the order in which it takes them up, and
// takes none up before its last chunk's until.
func (c *collector) flushClosed(ended bool) bool {
	for {
		least := 0
		for k := range c.workers {
			if c.reached[k] < c.reached[least] {
				least = k
			}
		}
		n, _ := slices.BinarySearchFunc(c.batch, c.reached[least], func(s load.Sample, at time.Duration) int { return cmp.Compare(s.Intended, at) })
		switch {
		case n > 0:
			n = min(n, chunkSamples)
			c.pass(c.batch[:n])
			c.batch = c.batch[:copy(c.batch, c.batch[n:])]
			return true
		case len(c.held[least]) > 0:
			c.sortIn(least)
		case !ended || c.reached[least] == noArrival:
			return false
		default:
			c.reached[least] = noArrival
		}
	}
}

// sortIn takes a thread's next chunk into the batch.
func (c *collector) sortIn(k int) {
	full := c.held[k][0]
	c.batch = append(c.batch, full.samples[:full.used]...)
	c.reached[k] = full.until
	c.release(k)
	order := func(a, b load.Sample) int { return cmp.Compare(a.Intended, b.Intended) }
	if !slices.IsSortedFunc(c.batch, order) {
		slices.SortFunc(c.batch, order)
	}
}

// release gives an empty chunk back to its thread.
func (c *collector) release(k int) {
	full := c.held[k][0]
	c.waiting -= full.used
	c.held[k], c.at[k] = slices.Delete(c.held[k], 0, 1), 0
	c.workers[k].giveBack(full)
}

// throughput is the whole answers per second of a closed load that took so long.
func (c *collector) throughput(l load.Load, wall time.Duration) float64 {
	if l.Each == 0 {
		wall = min(wall, l.Duration)
	}
	if wall <= 0 {
		return 0
	}
	return float64(c.whole) / wall.Seconds()
}

// pass counts samples and emits those that have an outcome.
func (c *collector) pass(samples []load.Sample) {
	kept := samples[:0]
	for i := range samples {
		s := &samples[i]
		if s.Class >= load.Classes {
			continue
		}
		if s.Written >= 0 {
			c.sent++
		}
		if s.LastByte >= 0 && s.LastByte <= c.until {
			c.whole++
		}
		if len(kept) == i {
			kept = samples[:i+1]
			continue
		}
		kept = append(kept, *s)
	}
	c.kept += len(kept)
	if c.err == nil && len(kept) > 0 {
		c.err = c.out.samples(kept)
	}
}
