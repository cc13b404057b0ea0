package openloop

import (
	"crypto/tls"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

type state uint8

// The states of a connection's slot.
const (
	empty state = iota
	connecting
	securing // TLS's handshake, on a goroutine
	greeting // what the protocol says before the first request
	idle     // it has a place for a request
	busy
)

const none = -1

// conn is one slot for a connection. Slots are reused; generation tells an
// event of the slot's last connection from one of this.
type conn struct {
	fd         int
	generation int32
	pool       int32
	arrival    int32 // the request on it where it carries one at a time, or none
	active     int32 // requests on it
	next, prev int32 // among the idle, or next among the empty
	state      state
	rested     bool // a request found it open, not opened for that request
	served     bool // a response came
	closing    bool // the server has closed its side
	watchWrite bool
	wire       int64  // bytes that the kernel has taken, in the clear
	began      int64  // bytes that it had taken before the request
	rest       []byte // of the request, where the kernel took only a part
	body       []byte // to be written after the rest
	awaited    []byte // of an echo: what is still to come back
	own        []byte // memory for a rest that had to be copied
	response   response
	secure     *secure    // TLS; nil: in the clear
	http2      *http2Conn // of HTTP/2, kept with the slot
	socket     *socket    // of WebSocket
}

// pool is one thread's share of a target's connections.
type pool struct {
	target     int
	family     int
	addr       unix.Sockaddr
	protocol   protocol
	tls        *tls.Config // nil: in the clear
	places     int         // requests that a connection may carry at a time
	bound      bool        // each connection is opened for one arrival
	fresh      bool        // each request gets a connection of its own
	renewal    renewal
	base       int // connections that always stand
	first, end int32
	empty      int32 // head of the list of empty slots
	idleHead   int32 // rested longest
	idleTail   int32
	open       int // connecting, idle or busy
	connecting int

	queueHead, queueTail int32 // arrivals in line
	queued               int
}

// standing is how many connections stand when nothing is asked.
func (p *pool) standing() int {
	if p.bound || p.fresh {
		return 0
	}
	return p.base
}

// sockaddr resolves an address once.
func sockaddr(addr string) (unix.Sockaddr, int, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, 0, fmt.Errorf("resolve %s: %w", addr, err)
	}
	if ip := a.IP.To4(); ip != nil {
		s := &unix.SockaddrInet4{Port: a.Port}
		copy(s.Addr[:], ip)
		return s, unix.AF_INET, nil
	}
	s := &unix.SockaddrInet6{Port: a.Port}
	copy(s.Addr[:], a.IP.To16())
	if a.Zone != "" {
		zone, err := net.InterfaceByName(a.Zone)
		if err != nil {
			return nil, 0, fmt.Errorf("resolve %s: %w", addr, err)
		}
		s.ZoneId = uint32(zone.Index)
	}
	return s, unix.AF_INET6, nil
}

func (w *worker) addPool(t pool, most int) {
	p := pool{
		target: t.target, family: t.family, addr: t.addr, base: t.base,
		protocol: t.protocol, tls: t.tls, places: t.places, bound: t.bound, fresh: t.fresh, renewal: t.renewal,
		first: int32(len(w.conns)), empty: none, idleHead: none, idleTail: none,
		queueHead: none, queueTail: none,
	}
	for range most {
		w.conns = append(w.conns, conn{fd: -1, pool: int32(len(w.pools)), arrival: none, next: p.empty, prev: none})
		p.empty = int32(len(w.conns) - 1)
	}
	p.end = int32(len(w.conns))
	w.pools = append(w.pools, p)
}

// pushIdle puts a connection behind those that rest already.
func (w *worker) pushIdle(p *pool, slot int32) {
	c := &w.conns[slot]
	c.state, c.next, c.prev = idle, none, p.idleTail
	if p.idleTail == none {
		p.idleHead = slot
	} else {
		w.conns[p.idleTail].next = slot
	}
	p.idleTail = slot
}

func (w *worker) removeIdle(p *pool, slot int32) {
	c := &w.conns[slot]
	if c.prev == none {
		p.idleHead = c.next
	} else {
		w.conns[c.prev].next = c.next
	}
	if c.next == none {
		p.idleTail = c.prev
	} else {
		w.conns[c.next].prev = c.prev
	}
	c.next, c.prev = none, none
}

// onSlot is what a link says of an arrival that is under way on a slot's
// connection; in line it is the next in line.
func onSlot(slot int32) int32 { return -2 - slot }

func (w *worker) pushQueue(p *pool, arrival int32) {
	*w.link(arrival) = none
	if p.queueTail == none {
		p.queueHead = arrival
	} else {
		*w.link(p.queueTail) = arrival
	}
	p.queueTail = arrival
	p.queued++
}

// returnToQueue puts an arrival first in line.
func (w *worker) returnToQueue(p *pool, arrival int32) {
	*w.link(arrival) = p.queueHead
	p.queueHead = arrival
	if p.queueTail == none {
		p.queueTail = arrival
	}
	p.queued++
}

// popQueue returns the arrival that is first in line, or none.
func (w *worker) popQueue(p *pool) int32 {
	arrival := p.queueHead
	if arrival != none {
		w.leaveLine(p, arrival)
	}
	return arrival
}

// leaveLine takes an arrival out of the line. It is the first or, when it has
// timed out, near it.
func (w *worker) leaveLine(p *pool, arrival int32) {
	previous := int32(none)
	for at := p.queueHead; at != arrival; at = *w.link(at) {
		previous = at
	}
	if previous == none {
		p.queueHead = *w.link(arrival)
	} else {
		*w.link(previous) = *w.link(arrival)
	}
	if p.queueTail == arrival {
		p.queueTail = previous
	}
	p.queued--
}
