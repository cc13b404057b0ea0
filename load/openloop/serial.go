package openloop

import (
	"time"

	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

// serial is a protocol whose connections carry one request at a time.
type serial struct {
	w      *worker
	reader reader
}

// reader knows the bytes of a serial protocol.
type reader interface {
	// greet is as of protocol.
	greet(slot int32) bool
	// request is what goes over the wire for a sample.
	request(c *conn, s *load.Sample) prepared
	// reset makes ready for the response to a sample's request.
	reset(c *conn, s *load.Sample)
	// feed takes bytes and returns how many of them belonged to this response,
	// and whether it is whole.
	feed(c *conn, b []byte) (used int, whole bool, err error)
	// end says what the end of the connection means: a whole response or not.
	end(c *conn) bool
	// outcome of a response, as far as it came; last: the connection ends with it.
	outcome(c *conn) (status uint16, class load.Class, last bool)
	// unasked takes bytes that came without a request; false: the connection is
	// not to be used again.
	unasked(slot int32, b []byte) bool
}

func (p *serial) greet(slot int32) bool { return p.reader.greet(slot) }

func (p *serial) start(slot, arrival int32) {
	w := p.w
	c := &w.conns[slot]
	s := w.sample(arrival)
	c.state, c.arrival, c.active, c.began = busy, arrival, 1, c.taken()
	p.reader.reset(c, s)
	request := p.reader.request(c, s)
	if s.Written = w.now(); w.closed != nil {
		s.Intended = s.Written
	}
	n, errno := c.write(request.head, request.body)
	w.sent += int64(n)
	switch {
	case n == request.size():
		if c.secure != nil && c.secure.pending() && w.watch(slot, true) != nil {
			p.lose(slot, false)
		}
	case errno == 0 || errno == unix.EAGAIN || errno == unix.EINTR:
		c.keep(request, n)
		if err := w.watch(slot, true); err != nil {
			p.lose(slot, true)
		}
	default: // the server had closed it: nothing was sent
		p.lose(slot, c.rested)
	}
}

// lose drops a busy connection that broke before its response was whole. An
// unsent request goes to another connection, any other is Reset.
func (p *serial) lose(slot int32, unsent bool) {
	w := p.w
	c := &w.conns[slot]
	pool := &w.pools[c.pool]
	arrival, class := c.arrival, c.lost()
	w.drop(slot)
	if unsent {
		w.putBack(pool, arrival)
	} else {
		w.settle(arrival, class)
	}
	w.refill(pool)
}

// unsent says whether the peer closed the connection before the request on it
// reached it: a FIN that the server sends later acknowledges the request.
func (p *serial) unsent(c *conn) bool {
	return c.rested && p.w.sample(c.arrival).FirstByte < 0 && c.unreached(c.began)
}

// writable goes on writing a request.
func (p *serial) writable(slot int32) bool {
	w := p.w
	c := &w.conns[slot]
	if len(c.rest) > 0 {
		n, errno := c.write(c.rest, nil)
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
	}
	if len(c.rest) == 0 && (c.secure == nil || !c.secure.pending()) && w.watch(slot, false) != nil {
		p.broken(slot)
		return false
	}
	return true
}

// broken drops a connection that this machine failed.
func (p *serial) broken(slot int32) {
	if p.w.conns[slot].arrival != none {
		p.lose(slot, false)
		return
	}
	p.w.discard(slot)
}

// ended handles the end of a connection.
func (p *serial) ended(slot int32, errno unix.Errno) {
	w := p.w
	c := &w.conns[slot]
	switch {
	case c.arrival == none:
		w.discard(slot)
	case errno == 0 && w.sample(c.arrival).FirstByte >= 0 && p.reader.end(c):
		p.finish(slot, w.now())
	default:
		p.lose(slot, errno != unix.ECONNRESET && p.unsent(c))
	}
}

// take feeds a piece of a response; true when the connection has left the
// request behind.
func (p *serial) take(slot int32, b []byte) bool {
	w := p.w
	c := &w.conns[slot]
	if c.arrival == none {
		if c.state != empty && p.reader.unasked(slot, b) {
			return false
		}
		w.discard(slot)
		return true
	}
	now := w.now()
	s := w.sample(c.arrival)
	if s.FirstByte < 0 {
		s.FirstByte = now
	}
	used, whole, err := p.reader.feed(c, b)
	w.received += int64(used)
	if err != nil {
		arrival, pool := c.arrival, &w.pools[c.pool]
		s.Status, _, _ = p.reader.outcome(c)
		w.drop(slot)
		if err == errClosing {
			w.settle(arrival, load.Reset)
		} else {
			w.settle(arrival, load.Malformed)
		}
		w.refill(pool)
		return true
	}
	if !whole {
		return false
	}
	if used < len(b) || len(c.rest) > 0 {
		c.closing = true // bytes that nobody asked for, or an answer to half a request
	}
	p.finish(slot, now)
	return true
}

// finish settles a whole response and puts its connection to use again.
func (p *serial) finish(slot int32, now time.Duration) {
	w := p.w
	c := &w.conns[slot]
	pool := &w.pools[c.pool]
	s := w.sample(c.arrival)
	status, class, last := p.reader.outcome(c)
	s.LastByte, s.Status = now, status
	w.settle(c.arrival, class)
	c.arrival, c.active, c.served = none, 0, true
	if c.closing || last != pool.fresh {
		w.drop(slot)
		w.refill(pool)
		return
	}
	c.rested = true
	w.pushIdle(pool, slot)
	if pool.queued > 0 {
		w.pump(pool)
	}
}

func (p *serial) retire(slot int32) {
	if c := &p.w.conns[slot]; c.arrival != none {
		c.closing = true
		return
	}
	p.w.drop(slot)
}

func (p *serial) cancel(slot, _ int32) {
	pool := &p.w.pools[p.w.conns[slot].pool]
	p.w.drop(slot)
	p.w.refill(pool)
}

// httpReader reads HTTP/1.1.
type httpReader struct{ w *worker }

func (httpReader) greet(int32) bool { return true }

func (r httpReader) request(_ *conn, s *load.Sample) prepared { return r.w.requests.of(s) }

func (r httpReader) reset(c *conn, s *load.Sample) { c.response.reset(r.w.headOnly[s.Request]) }

func (httpReader) feed(c *conn, b []byte) (int, bool, error) {
	used, err := c.response.feed(b)
	return used, c.response.part == complete, err
}

func (httpReader) end(c *conn) bool { return c.response.end() }

func (httpReader) outcome(c *conn) (uint16, load.Class, bool) {
	return c.response.status, classOf(c.response.status), c.response.close
}

// unasked: a server that speaks out of turn is not to be trusted with a request.
func (httpReader) unasked(int32, []byte) bool { return false }

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
