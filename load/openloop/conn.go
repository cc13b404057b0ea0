package openloop

import (
	"fmt"

	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

// connect begins to open one more connection of a pool that has an empty slot.
// It returns the slot, or none.
func (w *worker) connect(p *pool) int32 {
	fd, err := unix.Socket(p.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.lastError = err
		return none
	}
	if err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err == nil {
		err = unix.Connect(fd, p.addr)
	}
	if err != nil && err != unix.EINPROGRESS {
		w.lastError = err
		_ = unix.Close(fd)
		return none
	}
	slot := p.empty
	c := &w.conns[slot]
	p.empty = c.next
	c.fd, c.state, c.arrival, c.next, c.prev = fd, connecting, none, none, none
	c.generation++
	c.rested, c.closing, c.served, c.watchWrite = false, false, false, true
	c.rest, c.body, c.active, c.wire = nil, nil, 0, 0
	p.open++
	p.connecting++
	w.opened++
	if err := w.poller.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLOUT, slot, c.generation); err != nil {
		w.lastError = err
		w.drop(slot)
		return none
	}
	return slot
}

// drop closes a connection and empties its slot. What was on it is the
// caller's to settle.
func (w *worker) drop(slot int32) {
	c := &w.conns[slot]
	p := &w.pools[c.pool]
	switch c.state {
	case empty:
		return
	case connecting, securing, greeting:
		p.connecting--
	case idle:
		w.removeIdle(p, slot)
	}
	if c.state == securing {
		c.secure.abandon() // its handshake has the descriptor until it ends
	} else {
		_ = unix.Close(c.fd) // also takes it out of the epoll
	}
	c.fd, c.state, c.arrival, c.rest, c.body, c.active, c.secure = -1, empty, none, nil, nil, 0, nil
	c.next, p.empty = p.empty, slot
	p.open--
}

// connected goes on where the kernel has settled a connection attempt.
func (w *worker) connected(slot int32) {
	c := &w.conns[slot]
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	secured := w.pools[c.pool].tls != nil
	if err == nil && !secured {
		err = w.watch(slot, false)
	}
	switch {
	case err != nil:
		w.unopened(slot, load.Refused, err)
	case secured:
		w.secure(slot)
	default:
		w.greet(slot)
	}
}

// greet lets the protocol begin on a connection that stands.
func (w *worker) greet(slot int32) {
	c := &w.conns[slot]
	c.state = greeting
	if w.pools[c.pool].protocol.greet(slot) {
		w.admit(slot)
	}
}

// admit puts a new connection to use.
func (w *worker) admit(slot int32) {
	c := &w.conns[slot]
	p := &w.pools[c.pool]
	p.connecting--
	c.rested = p.queued == 0 && !p.fresh
	w.pushIdle(p, slot)
	if p.fresh {
		w.useOnce(p, slot)
	}
	w.pump(p)
}

// unopened gives up a connection that could not be opened. Each failed attempt
// takes one request with it, so a target that is gone is asked once for each
// request and never in a circle.
func (w *worker) unopened(slot int32, class load.Class, err error) {
	w.lastError = err
	c := &w.conns[slot]
	p := &w.pools[c.pool]
	arrival := c.arrival
	w.drop(slot)
	if arrival == none {
		arrival = w.popQueue(p)
	} else if class == load.Refused {
		w.sample(arrival).Written = never // nothing of it was taken
	}
	if arrival != none {
		w.settle(arrival, class)
	}
	w.pump(p)
}

func (w *worker) watch(slot int32, write bool) error {
	c := &w.conns[slot]
	if c.watchWrite == write {
		return nil
	}
	c.watchWrite = write
	return w.poller.control(unix.EPOLL_CTL_MOD, c.fd, interest(write), slot, c.generation)
}

func interest(write bool) uint32 {
	if write {
		return unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLOUT
	}
	return unix.EPOLLIN | unix.EPOLLRDHUP
}

// write hands bytes to the connection; second may be empty.
func (c *conn) write(first, second []byte) (n int, errno unix.Errno) {
	if len(first) == 0 {
		first, second = second, nil
	}
	switch {
	case len(first) == 0:
		return 0, 0
	case c.secure != nil:
		return c.secure.write(first, second)
	case len(second) == 0:
		n, errno = writeNow(c.fd, first)
	default:
		n, errno = writeBothNow(c.fd, first, second)
	}
	c.wire += int64(n)
	return n, errno
}

// taken is how many bytes the kernel has taken of this connection.
func (c *conn) taken() int64 {
	if c.secure != nil {
		return c.secure.wire
	}
	return c.wire
}

// unreached says whether nothing from a place in the bytes onwards has reached
// the peer.
func (c *conn) unreached(from int64) bool {
	left, err := unix.IoctlGetInt(c.fd, unix.SIOCOUTQ)
	return err == nil && (left > 0 || c.taken() == from) && c.taken()-int64(left) <= from
}

// lost is the class of a request whose connection ended under it.
func (c *conn) lost() load.Class {
	if c.secure != nil && c.secure.refused() {
		return load.Handshake
	}
	return load.Reset
}

// putBack puts a request that did not reach the server first in line.
func (w *worker) putBack(p *pool, arrival int32) {
	s := w.sample(arrival)
	s.Written, s.FirstByte = never, never
	w.tally.sent--
	w.tally.sent--
	w.returnToQueue(p, arrival)
}

// refill puts a connection in the place of a lost one and serves the line.
func (w *worker) refill(p *pool) {
	if p.open < p.standing() {
		w.connect(p) // a failure shows when a request needs it
	}
	w.pump(p)
}

// discard drops a connection that has no request. One that never served is not
// replaced, so that a server that hangs up at once is not asked in a circle.
func (w *worker) discard(slot int32) {
	c := &w.conns[slot]
	if c.state == greeting {
		w.unopened(slot, c.refusal(), fmt.Errorf("the server closed the connection before it could be used"))
		return
	}
	p, served := &w.pools[c.pool], c.served
	w.drop(slot)
	if served {
		w.refill(p)
	}
}

// refusal is the class of a request whose connection never came to be.
func (c *conn) refusal() load.Class {
	if class := c.lost(); class != load.Reset {
		return class
	}
	return load.Refused
}

// ready handles what epoll says of a connection.
func (w *worker) ready(e *unix.EpollEvent) {
	slot := e.Fd
	c := &w.conns[slot]
	if c.generation != e.Pad || c.state == empty {
		return // an event of a connection that this round has closed
	}
	if c.state == connecting {
		w.connected(slot)
		return
	}
	const gone = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	c.closing = c.closing || e.Events&gone != 0
	if e.Events&unix.EPOLLOUT != 0 && c.watchWrite {
		if c.secure != nil && c.secure.flush() != 0 {
			w.read(slot) // the server may have answered before it stopped reading
			return
		}
		if !w.pools[c.pool].protocol.writable(slot) {
			return
		}
	}
	if e.Events&(unix.EPOLLIN|gone) != 0 {
		if c.secure != nil {
			c.secure.drained = false
		}
		w.read(slot)
	}
}

// read takes what a connection has to give.
func (w *worker) read(slot int32) {
	c := &w.conns[slot]
	p := w.pools[c.pool].protocol
	generation := c.generation
	for {
		n, errno := c.read(w.buffer)
		switch {
		case errno == unix.EAGAIN || errno == unix.EINTR:
			return
		case errno != 0 || n == 0:
			p.ended(slot, errno)
			return
		}
		if p.take(slot, w.buffer[:n]) && c.secure == nil || c.generation != generation || c.state == empty {
			return
		}
		if n < len(w.buffer) && !c.closing && c.secure == nil {
			return
		}
	}
}

func (c *conn) read(b []byte) (int, unix.Errno) {
	if c.secure != nil {
		return c.secure.read(b)
	}
	return readNow(c.fd, b)
}
