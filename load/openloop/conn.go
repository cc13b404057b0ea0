package openloop

import (
	"time"

	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

// connect begins to open one more connection of a pool that has an empty slot.
func (w *worker) connect(p *pool) bool {
	fd, err := unix.Socket(p.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.lastError = err
		return false
	}
	if err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err == nil {
		err = unix.Connect(fd, p.addr)
	}
	if err != nil && err != unix.EINPROGRESS {
		w.lastError = err
		_ = unix.Close(fd)
		return false
	}
	slot := p.empty
	c := &w.conns[slot]
	p.empty = c.next
	c.fd, c.state, c.arrival, c.next, c.prev = fd, connecting, none, none, none
	c.generation++
	c.rested, c.closing, c.watchWrite, c.rest = false, false, true, nil
	c.body = nil
	c.response.reset(false)
	p.open++
	p.connecting++
	w.opened++
	if err := w.poller.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLOUT, slot, c.generation); err != nil {
		w.lastError = err
		w.drop(slot)
		return false
	}
	return true
}

// drop closes a connection and empties its slot. What was on it is the
// caller's to settle.
func (w *worker) drop(slot int32) {
	c := &w.conns[slot]
	p := &w.pools[c.pool]
	switch c.state {
	case empty:
		return
	case connecting:
		p.connecting--
	case idle:
		w.removeIdle(p, slot)
	}
	_ = unix.Close(c.fd) // also takes it out of the epoll
	c.fd, c.state, c.arrival, c.rest, c.body = -1, empty, none, nil, nil
	c.next, p.empty = p.empty, slot
	p.open--
}

// connected settles a connection attempt.
func (w *worker) connected(slot int32) {
	c := &w.conns[slot]
	p := &w.pools[c.pool]
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err == nil {
		err = w.watch(slot, false)
	}
	if err != nil {
		w.lastError = err
		w.drop(slot)
		// Each failed attempt takes one request with it, so a target that is
		// gone is asked once for each request and never in a circle.
		if arrival := w.popQueue(p); arrival != none {
			w.settle(arrival, load.Refused)
		}
		w.pump(p)
		return
	}
	p.connecting--
	c.rested = p.queued == 0
	w.pushIdle(p, slot)
	w.pump(p)
}

func (w *worker) watch(slot int32, write bool) error {
	c := &w.conns[slot]
	if c.watchWrite == write {
		return nil
	}
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP)
	if write {
		events |= unix.EPOLLOUT
	}
	c.watchWrite = write
	return w.poller.control(unix.EPOLL_CTL_MOD, c.fd, events, slot, c.generation)
}

// start writes a request on an idle connection that was taken from the pool.
func (w *worker) start(p *pool, slot, arrival int32) {
	c := &w.conns[slot]
	s := &w.samples[arrival]
	c.state, c.arrival = busy, arrival
	c.response.reset(w.headOnly[p.target])
	request := w.requests.byTarget[p.target][s.User]
	if s.Written = w.now(); w.closed != nil {
		s.Intended = s.Written
	}
	body := w.requests.bodies[p.target]
	n, errno := 0, unix.Errno(0)
	if body == nil {
		n, errno = writeNow(c.fd, request)
	} else {
		n, errno = writeBothNow(c.fd, request, body)
	}
	w.sent += int64(n)
	switch {
	case n == len(request)+len(body):
	case errno == 0 || errno == unix.EAGAIN || errno == unix.EINTR:
		if c.rest = request[min(n, len(request)):]; len(c.rest) > 0 {
			c.body = body
		} else {
			c.rest = body[n-len(request):]
		}
		if err := w.watch(slot, true); err != nil {
			w.lose(slot, true)
		}
	default: // the server had closed it: nothing was sent
		w.lose(slot, c.rested)
	}
}

// lose drops a busy connection that broke before its response was whole. An
// unsent request goes to another connection, any other is Reset.
func (w *worker) lose(slot int32, unsent bool) {
	c := &w.conns[slot]
	p := &w.pools[c.pool]
	arrival := c.arrival
	w.drop(slot)
	if unsent {
		s := &w.samples[arrival]
		s.Written, s.FirstByte = never, never
		w.returnToQueue(p, arrival)
	} else {
		w.settle(arrival, load.Reset)
	}
	w.refill(p)
}

// refill puts a connection in the place of a lost one and serves the line.
func (w *worker) refill(p *pool) {
	if p.open < p.base {
		w.connect(p) // a failure shows when a request needs it
	}
	w.pump(p)
}

// unsent says whether the peer closed the connection before the request on it
// reached it: a FIN that the server sends later acknowledges the request.
func (w *worker) unsent(c *conn) bool {
	if !c.rested || w.samples[c.arrival].FirstByte >= 0 {
		return false
	}
	left, err := unix.IoctlGetInt(c.fd, unix.SIOCOUTQ)
	return err == nil && left > 0 && left >= w.written(c)
}

// written is how much of the request on a connection the kernel has taken: one
// with a body may have reached the server in part.
func (w *worker) written(c *conn) int {
	target := w.pools[c.pool].target
	whole := len(w.requests.byTarget[target][w.samples[c.arrival].User]) + len(w.requests.bodies[target])
	return whole - len(c.rest) - len(c.body)
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
	if e.Events&unix.EPOLLOUT != 0 && len(c.rest) > 0 && !w.writeRest(slot) {
		return
	}
	if e.Events&(unix.EPOLLIN|gone) != 0 {
		w.read(slot)
	}
}

// writeRest goes on writing a request; false when that broke the connection.
func (w *worker) writeRest(slot int32) bool {
	c := &w.conns[slot]
	n, errno := writeNow(c.fd, c.rest)
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
		return true
	case errno != 0:
		// The server may have answered before it stopped reading.
		c.rest, c.body = nil, nil
		w.read(slot)
		return false
	}
	w.sent += int64(n)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest, c.body = c.body, nil
	}
	if len(c.rest) == 0 {
		if w.watch(slot, false) != nil {
			w.lose(slot, false)
			return false
		}
	}
	return true
}

// read takes what a connection has to give.
func (w *worker) read(slot int32) {
	c := &w.conns[slot]
	for {
		n, errno := readNow(c.fd, w.buffer)
		switch {
		case errno == unix.EAGAIN || errno == unix.EINTR:
			return
		case c.state == idle:
			// Closed, or speaking unasked: not to be used again. One that
			// never served is not replaced, so that a server that hangs up at
			// once is not asked in a circle.
			p, served := &w.pools[c.pool], c.response.part == complete
			w.drop(slot)
			if served {
				w.refill(p)
			}
			return
		case errno != 0 || n == 0:
			w.ended(slot, errno)
			return
		}
		if w.take(slot, w.buffer[:n]) || n < len(w.buffer) && !c.closing {
			return
		}
	}
}

// ended handles the end of a busy connection.
func (w *worker) ended(slot int32, errno unix.Errno) {
	c := &w.conns[slot]
	if errno == 0 && w.samples[c.arrival].FirstByte >= 0 && c.response.end() {
		w.finish(slot, w.now())
		return
	}
	w.lose(slot, errno != unix.ECONNRESET && w.unsent(c))
}

// take feeds a piece of a response; true when the connection has left the
// request behind.
func (w *worker) take(slot int32, b []byte) bool {
	c := &w.conns[slot]
	now := w.now()
	s := &w.samples[c.arrival]
	if s.FirstByte < 0 {
		s.FirstByte = now
	}
	used, err := c.response.feed(b)
	w.received += int64(used)
	if err != nil {
		arrival, p := c.arrival, &w.pools[c.pool]
		s.Status = c.response.status
		w.drop(slot)
		w.settle(arrival, load.Protocol)
		w.refill(p)
		return true
	}
	if c.response.part != complete {
		return false
	}
	if used < len(b) || len(c.rest) > 0 {
		c.closing = true // bytes that nobody asked for, or an answer to half a request
	}
	w.finish(slot, now)
	return true
}

// finish settles a whole response and puts its connection to use again.
func (w *worker) finish(slot int32, now time.Duration) {
	c := &w.conns[slot]
	p := &w.pools[c.pool]
	s := &w.samples[c.arrival]
	s.LastByte, s.Status = now, c.response.status
	w.settle(c.arrival, classOf(c.response.status))
	c.arrival = none
	if c.response.close || c.closing {
		w.drop(slot)
		w.refill(p)
		return
	}
	c.rested = true
	w.pushIdle(p, slot)
	if p.queued > 0 {
		w.pump(p)
	}
}

func classOf(status uint16) load.Class {
	switch {
	case status < 400:
		return load.OK
	case status == 429:
		return load.Limited
	case status < 500:
		return load.ClientError
	}
	return load.ServerError
}
