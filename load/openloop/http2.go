package openloop

import (
	"math/bits"
	"slices"
	"time"

	"github.com/taremesh/tare/load"
	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"
)

const (
	// http2Window is what we let the peer send: on a stream, and on a connection.
	http2Window = 1<<30 - 1
	// outBound is how much of bodies is prepared before the kernel takes it.
	outBound = 64 << 10
	// maxOut is how much may wait that the peer made us say.
	maxOut    = 4 << 20
	maxStream = 1<<31 - 1
)

// http2Protocol speaks HTTP/2 (RFC 9113): several requests on one connection.
type http2Protocol struct {
	w      *worker
	asked  asking
	places int
	window uint32 // http2Window
}

func newHTTP2(w *worker, target int, t load.Target) *http2Protocol {
	return &http2Protocol{w: w, asked: newAsking(w, target, t), places: places(t), window: http2Window}
}

// http2Conn is one connection's state. It is a frameTaker.
type http2Conn struct {
	p        *http2Protocol
	c        *conn
	slot     int32
	reader   frameReader
	encoder  encoder
	decoder  decoder
	streams  []stream // by number: see place
	next     uint32   // number of the next stream
	limit    int      // streams at a time
	window   int64    // what the peer lets us send on the connection
	initial  int64    // and on a new stream
	frame    int      // in one DATA frame
	unread   uint32   // bytes that came since we gave window back
	block    []byte   // a header block that comes in pieces
	blockOf  uint32   // its stream; 0: none comes
	blockEnd bool     // the stream ends with it
	now      time.Duration
	credit   int  // responses: how many streams may be refused and tried elsewhere
	settled  bool // the peer's first SETTINGS are here
	draining bool // no more streams
	blocked  bool // the kernel has not taken everything
	queued   bool // it is among the worker's dirty

	out     []byte
	done    int // of out: written
	written int64
	fresh   []fresh  // streams whose first byte is not written yet
	pending []uint32 // streams that have a body to send, and window
}

// fresh is a stream and the place of its first byte.
type fresh struct {
	stream uint32
	at     int64
}

// stream is one request under way.
type stream struct {
	number   uint32 // 0: there is none
	arrival  int32
	wire     int64 // bytes that the kernel had taken before the first; −1: it has not
	window   int64
	out      outgoing // still to be sent
	own      []byte   // memory for a body that differs each time
	received int64
	length   int64 // of the body, as the server said it; none: it did not
	unread   uint32
	status   uint16
	grpc     int32
	headed   bool // the final header is here
	head     bool // answers a HEAD request
	messages messages
}

// stream finds a stream that is under way, or nil.
func (x *http2Conn) stream(number uint32) *stream {
	st := &x.streams[int(number>>1)&(len(x.streams)-1)]
	if number == 0 || st.number != number {
		return nil
	}
	return st
}

// open makes a stream. Its number decides its place in the table, which has
// room for twice as many as are allowed: a number whose place is taken is left
// out, as RFC 9113 §5.1.1 lets us.
func (x *http2Conn) open(arrival int32) *stream {
	for {
		st := &x.streams[int(x.next>>1)&(len(x.streams)-1)]
		number := x.next
		x.next += 2
		if st.number == 0 {
			*st = stream{number: number, arrival: arrival, wire: -1, window: x.initial, length: none, grpc: none, own: st.own}
			return st
		}
	}
}

func (p *http2Protocol) greet(slot int32) bool {
	c := &p.w.conns[slot]
	if c.http2 == nil {
		size := 1 << bits.Len(uint(2*p.places))
		c.http2 = &http2Conn{p: p, c: c, slot: slot, streams: make([]stream, size)}
	}
	x := c.http2
	clear(x.streams)
	*x = http2Conn{
		p: p, c: c, slot: slot, streams: x.streams, reader: x.reader, decoder: x.decoder, next: 1, limit: p.places,
		window: firstWindow, initial: firstWindow, frame: maxFrameSize,
		out: x.out[:0], fresh: x.fresh[:0], pending: x.pending[:0], block: x.block[:0],
	}
	x.reader.reset()
	x.encoder.reset()
	x.decoder.reset()
	x.out = append(x.out, http2.ClientPreface...)
	x.out = appendSettings(x.out, http2.Setting{ID: http2.SettingEnablePush, Val: 0}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: p.window})
	if p.window > firstWindow {
		x.out = appendWindowUpdate(x.out, 0, p.window-firstWindow)
	}
	x.touch()
	return false
}

// touch has the connection written to at the end of this round.
func (x *http2Conn) touch() {
	if !x.queued {
		x.queued = true
		x.p.w.dirty = append(x.p.w.dirty, x.slot)
	}
}

func (x *http2Conn) hasPlace() bool {
	return x.settled && !x.draining && !x.blocked && int(x.c.active) < x.limit
}

func (p *http2Protocol) start(slot, arrival int32) {
	w := p.w
	c := &w.conns[slot]
	x := c.http2
	s := w.sample(arrival)
	st := x.open(arrival)
	st.head = w.headOnly[s.Request]
	st.out, st.own = p.asked.outgoing(s, st.own)
	x.fresh = append(x.fresh, fresh{st.number, x.written + int64(len(x.out)-x.done)})
	x.sendHead(st, s)
	if st.out.left > 0 {
		x.pending = append(x.pending, st.number)
	}
	if x.next > maxStream-1<<20 {
		x.draining = true // the numbers come to their end
	}
	c.active++
	c.state = busy
	x.draining = x.draining || w.pools[c.pool].fresh
	if x.hasPlace() {
		w.pushIdle(&w.pools[c.pool], slot)
	}
	x.touch()
}

// sendHead appends a request's HEADERS, and CONTINUATION where it is long.
func (x *http2Conn) sendHead(st *stream, s *load.Sample) {
	flags := http2.FlagHeadersEndHeaders
	if st.out.left == 0 {
		flags |= http2.FlagHeadersEndStream
	}
	at := len(x.out)
	x.out = appendFrameHeader(x.out, http2.FrameHeaders, flags, st.number, 0)
	x.out = x.encoder.begin(x.out)
	x.out = x.p.asked.appendBlock(x.out, &x.encoder, s)
	n := len(x.out) - at - frameHead
	if n <= x.frame {
		x.out[at], x.out[at+1], x.out[at+2] = byte(n>>16), byte(n>>8), byte(n)
		return
	}
	block := slices.Clone(x.out[at+frameHead:]) // such heads are rare
	x.out = appendFrameHeader(x.out[:at], http2.FrameHeaders, flags&^http2.FlagHeadersEndHeaders, st.number, x.frame)
	x.out = append(x.out, block[:x.frame]...)
	for block = block[x.frame:]; ; block = block[x.frame:] {
		if len(block) <= x.frame {
			x.out = appendFrameHeader(x.out, http2.FrameContinuation, http2.FlagContinuationEndHeaders, st.number, len(block))
			x.out = append(x.out, block...)
			return
		}
		x.out = appendFrameHeader(x.out, http2.FrameContinuation, 0, st.number, x.frame)
		x.out = append(x.out, block[:x.frame]...)
	}
}

// fill prepares bodies as far as the windows let us.
func (x *http2Conn) fill() {
	for len(x.pending) > 0 && x.window > 0 && len(x.out)-x.done < outBound {
		st := x.stream(x.pending[0])
		x.pending = x.pending[:copy(x.pending, x.pending[1:])]
		if st == nil {
			continue // it has ended
		}
		n := int(min(st.out.left, int64(x.frame), x.window, st.window))
		if n <= 0 {
			continue // its window brings it back
		}
		flags := http2.Flags(0)
		if int64(n) == st.out.left {
			flags = http2.FlagDataEndStream
		}
		x.out = appendFrameHeader(x.out, http2.FrameData, flags, st.number, n)
		x.out = st.out.append(x.out, n)
		st.window, x.window = st.window-int64(n), x.window-int64(n)
		if st.out.left > 0 {
			x.pending = append(x.pending, st.number)
		}
	}
}

func (p *http2Protocol) writable(slot int32) bool {
	w := p.w
	c := &w.conns[slot]
	x := c.http2
	if c.state != greeting && c.state != idle && c.state != busy {
		return true // gone since it was touched
	}
	x.queued = false
	for x.fill(); x.done < len(x.out); x.fill() {
		before, now := c.taken(), w.now()
		n, errno := c.write(x.out[x.done:], nil)
		x.advance(n, before, now)
		w.sent += int64(n)
		if errno == unix.EAGAIN || errno == unix.EINTR {
			break
		}
		if errno != 0 {
			// The server may have answered before it stopped reading.
			x.out, x.done, x.draining = x.out[:0], 0, true
			w.read(slot)
			return false
		}
	}
	pool := &w.pools[c.pool]
	x.blocked = x.done < len(x.out) || c.secure != nil && c.secure.pending()
	if w.watch(slot, x.blocked) != nil {
		p.ended(slot, unix.EIO)
		return false
	}
	if x.blocked && c.state == idle {
		w.removeIdle(pool, slot)
		c.state = busy
	}
	if c.state == busy && x.hasPlace() {
		w.pushIdle(pool, slot)
		w.pump(pool)
	}
	return true
}

// advance notes what was written: a stream's first byte may be in it.
func (x *http2Conn) advance(n int, before int64, now time.Duration) {
	x.done += n
	x.written += int64(n)
	if x.done == len(x.out) {
		x.out, x.done = x.out[:0], 0
	}
	w, passed := x.p.w, 0
	for passed < len(x.fresh) && x.fresh[passed].at < x.written {
		if st := x.stream(x.fresh[passed].stream); st != nil {
			s := w.sample(st.arrival)
			st.wire, s.Written = before, now
			if w.closed != nil {
				s.Intended = now
			}
		}
		passed++
	}
	if passed > 0 {
		x.fresh = x.fresh[:copy(x.fresh, x.fresh[passed:])]
	}
}

func (p *http2Protocol) take(slot int32, b []byte) bool {
	w := p.w
	c := &w.conns[slot]
	x := c.http2
	w.received += int64(len(b))
	x.now = w.now()
	err := x.reader.feed(b, x)
	if err == nil && len(x.out)-x.done > maxOut {
		err = errHTTP2 // it makes us speak, and does not listen
	}
	switch {
	case err != nil && c.state == greeting:
		w.unopened(slot, load.Malformed, err)
		return true
	case err != nil:
		p.abort(slot, load.Malformed)
		return true
	}
	return x.tidy()
}

// tidy brings the connection in order after frames, or a request given up;
// true when it is gone.
func (x *http2Conn) tidy() bool {
	w, c := x.p.w, x.c
	pool := &w.pools[c.pool]
	switch {
	case x.draining && c.active == 0 && c.state != greeting:
		w.drop(x.slot)
		if c.served {
			w.refill(pool)
		} else {
			w.pump(pool)
		}
		return true
	case c.state == greeting && x.settled:
		w.admit(x.slot)
		if !x.hasPlace() && c.state == idle {
			w.removeIdle(pool, x.slot)
			c.state = busy
		}
	case c.state == idle && !x.hasPlace():
		w.removeIdle(pool, x.slot)
		c.state = busy
	case c.state == busy && x.hasPlace():
		w.pushIdle(pool, x.slot)
	}
	if pool.queued > 0 {
		w.pump(pool)
	}
	return false
}

// abort drops a connection and gives all that was on it one class.
func (p *http2Protocol) abort(slot int32, class load.Class) {
	w := p.w
	c := &w.conns[slot]
	pool, x := &w.pools[c.pool], c.http2
	w.drop(slot)
	for i := range x.streams {
		if st := &x.streams[i]; st.number != 0 {
			s := w.sample(st.arrival)
			s.Status = st.status
			st.number = 0
			w.settle(st.arrival, class)
		}
	}
	w.refill(pool)
}

func (p *http2Protocol) ended(slot int32, errno unix.Errno) {
	w := p.w
	c := &w.conns[slot]
	x := c.http2
	if c.active == 0 {
		w.discard(slot)
		return
	}
	var unsent []int32
	for i := range x.streams {
		st := &x.streams[i]
		if st.number == 0 || !c.rested || w.sample(st.arrival).FirstByte >= 0 {
			continue
		}
		if st.wire < 0 || errno != unix.ECONNRESET && c.unreached(st.wire) {
			unsent = append(unsent, st.arrival)
			st.number = 0
		}
	}
	pool := &w.pools[c.pool]
	w.putAllBack(pool, unsent)
	p.abort(slot, c.lost())
}

// putAllBack puts requests that did not reach the server first in line, in
// their order.
func (w *worker) putAllBack(p *pool, arrivals []int32) {
	slices.Sort(arrivals)
	for _, arrival := range slices.Backward(arrivals) {
		w.putBack(p, arrival)
	}
}

func (p *http2Protocol) retire(slot int32) {
	x := p.w.conns[slot].http2
	x.draining = true
	x.tidy()
}

func (p *http2Protocol) cancel(slot, arrival int32) {
	x := p.w.conns[slot].http2
	for i := range x.streams {
		if st := &x.streams[i]; st.number != 0 && st.arrival == arrival {
			x.giveUp(st, http2.ErrCodeCancel)
		}
	}
	x.tidy()
}

// giveUp ends a stream from our side.
func (x *http2Conn) giveUp(st *stream, code http2.ErrCode) {
	x.out = appendReset(x.out, st.number, code)
	x.touch()
	x.free(st)
}

func (x *http2Conn) free(st *stream) {
	st.number, st.out = 0, outgoing{}
	x.c.active--
}
