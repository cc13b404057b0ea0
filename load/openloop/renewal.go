package openloop

import (
	"time"

	"github.com/taremesh/tare/load"
)

// How connections end otherwise than by the server's will.
//
// Fresh: a request gets a connection that is opened for it. HTTP/1.1 asks the
// server to close it (Connection: close), and leaves that to it: who closes first
// keeps the address for a minute, and a generator would run out of them. Until the
// server has closed it, a connection whose request is answered rests among the
// idle of its pool, where nothing takes it up; it goes when its slot is needed.
// Where a protocol has no such request, it is closed with the answer.
//
// Churn: at equal distances in time the next of a pool's connections, in the
// order of slots, is closed and another opened; a busy one when it has its
// answer.

// renewal is when a pool's connections are renewed.
type renewal struct {
	every  time.Duration // 0: never
	first  time.Duration // since the load began
	at     time.Duration // the next
	cursor int32         // the slot after the last that was renewed
}

// newRenewal is thread k's part: threads take turns.
func newRenewal(t load.Target, threads, k int) renewal {
	if t.Churn == 0 {
		return renewal{at: noArrival}
	}
	apart := float64(time.Second) / t.Churn
	return renewal{every: time.Duration(apart * float64(threads)), first: time.Duration(apart * (float64(k) + 0.5))}
}

func (w *worker) beginRenewals(began time.Duration) {
	w.renewAt = noArrival
	for i := range w.pools {
		if r := &w.pools[i].renewal; r.every > 0 {
			r.at = began + r.first
			w.renewAt = min(w.renewAt, r.at)
		}
	}
}

// renew renews the connections whose time has come.
func (w *worker) renew(now time.Duration) {
	if now < w.renewAt {
		return
	}
	w.renewAt = noArrival
	for i := range w.pools {
		p := &w.pools[i]
		for p.renewal.at <= now {
			w.renewNext(p)
			p.renewal.at += p.renewal.every
		}
		w.renewAt = min(w.renewAt, p.renewal.at)
	}
}

// renewNext closes the next connection of a pool that is open, and opens another.
func (w *worker) renewNext(p *pool) {
	slots := p.end - p.first
	for i := range slots {
		slot := p.first + (p.renewal.cursor+i)%slots
		if state := w.conns[slot].state; state == idle || state == busy {
			p.renewal.cursor = slot - p.first + 1
			p.protocol.retire(slot)
			w.refill(p)
			return
		}
	}
}

// useOnce gives the request that is first in line the connection that was opened
// for one; without any, since it has run out of time, the connection goes.
func (w *worker) useOnce(p *pool, slot int32) {
	if arrival := w.popQueue(p); arrival != none {
		w.start(p, slot, arrival)
		return
	}
	w.drop(slot)
}
