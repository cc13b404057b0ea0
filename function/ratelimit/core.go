package ratelimit

import (
	"math"
	"sync/atomic"
	"time"
)

// bucket is one user's token bucket in one word: the time, in units (gain per
// nanosecond), at which it would have been empty. At time t its level is
// min(full, gain·t − empty): nothing has to be written to refill it.
type bucket struct {
	empty atomic.Int64
	used  atomic.Int64 // when it was last asked, ns; kept by shelves that evict
}

const (
	// untouched is the empty time of a bucket that was never drawn from: so
	// long ago that it is full.
	untouched = math.MinInt64 / 2
	// dropped marks a bucket that is no longer on its shelf. Empty times only
	// grow, and none grows so far.
	dropped = math.MaxInt64
)

func newBucket() *bucket {
	b := new(bucket)
	b.empty.Store(untouched)
	return b
}

// Decision is what a bucket said to one request.
type Decision struct {
	Allowed   bool
	Limit     int64 // capacity, tokens
	Remaining int64 // whole tokens left
	// Next is how long it takes until a token is there, 0 when one is.
	Next time.Duration
}

// clock tells the time since some fixed start.
type clock func() time.Duration

// take takes a token when there is one. ok is false when the bucket has been
// dropped, and another has to be had.
//
// It is exact under concurrency. The order matters: the state is loaded first
// and the clock read after it. Empty times only grow, so a successful swap
// means that the state did not change in between, and the decision was the
// right one at the instant of the clock's reading. A refusal needs no swap:
// whatever others did between load and reading left no more tokens than were
// seen. So sorting all decisions by their readings gives a history of the
// model.
//
// at is the reading that the decision was made at.
func (b *bucket) take(l *limit, now clock) (d Decision, at time.Duration, ok bool) {
	for {
		empty := b.empty.Load()
		if empty == dropped {
			return Decision{}, 0, false
		}
		at = now()
		t := l.gain * int64(at)
		start := max(empty, t-l.full)
		level := t - start
		if level < l.token {
			return l.decision(false, level), at, true
		}
		if b.empty.CompareAndSwap(empty, start+l.token) {
			return l.decision(true, level-l.token), at, true
		}
	}
}

// drop takes the bucket out of use if it is full, and reports whether it was:
// a full bucket is as good as none.
func (b *bucket) drop(l *limit, now clock) bool {
	empty := b.empty.Load()
	return empty != dropped && l.gain*int64(now())-empty >= l.full && b.empty.CompareAndSwap(empty, dropped)
}

// discard takes the bucket out of use whatever it holds.
func (b *bucket) discard() { b.empty.Store(dropped) }

func (l *limit) decision(allowed bool, level int64) Decision {
	d := Decision{Allowed: allowed, Limit: l.tokens, Remaining: max(level, 0) / l.token}
	if level < l.token {
		d.Next = time.Duration((l.token - level + l.gain - 1) / l.gain)
	}
	return d
}
