package balance

import (
	"context"
	"sync"
)

// Limits bound what a cluster has under way.
type Limits struct {
	Connections int // requests that hold a connection each
	Pending     int // requests that wait for one
	Requests    int // requests under way
	Retries     int // attempts after the first
	// Budget, if set, takes the place of Retries: a share of the requests under
	// way, in percent, and in any case Floor.
	Budget float64
	Floor  int
}

// DefaultLimits are Envoy's.
func DefaultLimits() Limits {
	return Limits{Connections: 1024, Pending: 1024, Requests: 1024, Retries: 3}
}

// Breaker counts what is under way and refuses what is above the limits. Its
// counts go on when the limits change.
type Breaker struct {
	mu       sync.Mutex
	limits   Limits
	requests int // hold a connection
	retries  int
	queue    []chan struct{} // who waits; closed when they may go
	refused  Refused
}

// Refused is how often each limit has refused.
type Refused struct{ Connections, Pending, Requests, Retries uint64 }

// NewBreaker makes a breaker.
func NewBreaker(l Limits) *Breaker { return &Breaker{limits: l} }

// Limit changes the limits.
func (b *Breaker) Limit(l Limits) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limits = l
	b.admit()
}

// Verdict is a breaker's on a request.
type Verdict uint8

// The verdicts.
const (
	Admitted Verdict = iota
	Overflow         // it is refused at once
	Waited           // it waited for its turn until its time was over
)

// Enter asks for a request to be let in. Without a free connection it waits, if
// that many may, until one is free or the context ends. What is Admitted is
// given back by Leave. The context is asked for only when there is something to
// wait for; it may be nil for one that does not wait.
func (b *Breaker) Enter(wait func() (context.Context, context.CancelFunc)) Verdict {
	b.mu.Lock()
	if b.requests < b.limits.Connections {
		defer b.mu.Unlock()
		return b.begin()
	}
	b.refused.Connections++
	if len(b.queue) >= b.limits.Pending || wait == nil {
		b.refused.Pending++
		b.mu.Unlock()
		return Overflow
	}
	turn := make(chan struct{})
	b.queue = append(b.queue, turn)
	b.mu.Unlock()
	ctx, cancel := wait()
	defer cancel()
	select {
	case <-turn:
		return Admitted
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, q := range b.queue {
		if q == turn {
			b.queue = append(b.queue[:i], b.queue[i+1:]...)
			return Waited
		}
	}
	b.leave() // its turn came at the same time
	return Waited
}

func (b *Breaker) begin() Verdict {
	if b.requests >= b.limits.Requests {
		b.refused.Requests++
		return Overflow
	}
	b.requests++
	return Admitted
}

// Leave gives back what Enter has let in.
func (b *Breaker) Leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leave()
}

func (b *Breaker) leave() {
	b.requests--
	b.admit()
}

// admit lets in who waits.
func (b *Breaker) admit() {
	for len(b.queue) > 0 && b.requests < min(b.limits.Connections, b.limits.Requests) {
		b.requests++
		close(b.queue[0])
		b.queue = b.queue[1:]
	}
}

// Retry asks for the right to try once more, which EndRetry gives back.
func (b *Breaker) Retry() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	most := b.limits.Retries
	if b.limits.Budget > 0 {
		most = max(b.limits.Floor, int(b.limits.Budget/100*float64(b.requests+len(b.queue))))
	}
	if b.retries >= most {
		b.refused.Retries++
		return false
	}
	b.retries++
	return true
}

// EndRetry gives back a right.
func (b *Breaker) EndRetry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.retries--
}

// Load is what is under way.
type Load struct {
	Requests, Waiting, Retries int
	Refused                    Refused
}

// Load says what is under way now.
func (b *Breaker) Load() Load {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Load{b.requests, len(b.queue), b.retries, b.refused}
}
