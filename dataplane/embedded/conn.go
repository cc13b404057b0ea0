package embedded

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/http1"
)

// conn is one downstream connection. Its goroutine reads a request, talks to
// the upstream itself and writes the response: nothing is handed over, and
// what it needs is allocated once.
type conn struct {
	p    *proxy
	tcp  *net.TCPConn // what in.src reads from: itself, or TLS over it
	from *entrance    // nil: none that can be drained
	shaken
	xfcc    string // said of the client
	unsure  bool   // it may yet turn out to be HTTP/2
	handed  bool   // it did
	in      reader
	req     http1.Request
	res     http1.Response
	x       exchange
	out     []byte
	stats   stats
	tallies []*tally // by cluster; under mu when it grows
	note    note

	table *table // that this exchange looks at
	way   *way   // of its route; nil: none

	visits   []visit             // plugins at work on this exchange, and filters that see its response
	told     []function.Finisher // filters that are told of its end
	view     view                // the response, as filters see it
	body     []byte              // taken in for plugins to see
	content  []byte              // what they made of it; theirs, until they have left
	gathered bool                // the request's body has been taken in, whole

	fate  outcome                  // of the last attempt at an endpoint
	probe interface{ open() bool } // whether the client is there
	head  bool                     // the method is HEAD; req's own slices end with its body

	beat  atomic.Uint64 // count of changes, and the phase in the low bits
	seen  uint64        // beat at the last sweep; the sweeper's
	still int           // sweeps since beat changed; the sweeper's

	whole      bool          // out has the request to its end
	headEnd    int           // of the head in out
	framing    int64         // the length that the head says
	rechunk    bool          // a body that was taken in is sent on in chunks
	chunks     http1.Chunks  // how much of the body was taken in so
	begun      bool          // something of the request has been sent
	bodyErr    error         // what became of its body
	patient    bool          // the route says how long there is time
	ruled      bool          // the route says when to try again
	again      int           // attempts beyond the first
	perRequest time.Duration // from the end of the request; 0: any time

	mu    sync.Mutex
	up    *upstream // what may be cancelled
	cut   cause     // why it was
	gone  bool      // the client
	alarm alarm
	wake  chan struct{} // ends a pause; nil: there was none yet
	// dialling ends the opening of a connection; nil: none is being opened.
	dialling func()
	token    uint64 // of the watch
}

// phase is what a connection waits for.
type phase uint64

const (
	resting   phase = iota // the first byte of a request
	reading                // the rest of a head
	waiting                // the upstream's response
	streaming              // a body, either way
	patient                // the response, as long as the route says
)

const phaseBits = 3

// mark says what the connection does now. The sweeper finds by it those that
// hang, which costs less than a deadline for every read.
func (c *conn) mark(p phase) {
	c.beat.Store((c.beat.Load()>>phaseBits+1)<<phaseBits | uint64(p))
}

// progress says that the phase goes on.
func (c *conn) progress() { c.beat.Add(1 << phaseBits) }

func (c *conn) serve() {
	for c.one() {
		c.in.shrink()
		if cap(c.out) > bodyBuffer {
			c.out = nil
		}
	}
	if c.handed {
		c.from.speakH2(&begun{Conn: c.in.src, first: bytes.Clone(c.in.unread())})
		return
	}
	c.in.src.Close()
}

// isH2 reports whether the client begins as one of HTTP/2 does.
func (c *conn) isH2() bool {
	c.unsure = false
	for {
		yes, more := speaksH2(c.in.unread())
		if !more {
			return yes
		}
		if c.in.fill() != nil {
			return false
		}
	}
}

// cutOff makes the end of the connection no end of a message.
func (c *conn) cutOff() {
	if s, ok := c.in.src.(interface{ SetLinger(int) error }); ok {
		_ = s.SetLinger(0)
		return
	}
	// Over TLS nothing is said any more.
	_ = c.tcp.SetLinger(0)
	_ = c.tcp.Close()
}

// ending reports whether this is the last exchange: the proxy ends, or its
// listener has changed.
func (c *conn) ending() bool {
	return c.p.ending.Load() || c.from != nil && c.from.draining.Load()
}

// one serves one request and reports whether another may follow.
func (c *conn) one() bool {
	next := c.exchange()
	if len(c.told) > 0 {
		c.tell()
	}
	if len(c.visits) > 0 || c.gathered {
		c.leave()
	}
	if c.note.log != nil {
		c.note.end()
	}
	return next
}

func (c *conn) exchange() bool {
	c.mark(resting)
	if c.in.r == c.in.w {
		if c.tcp != nil && c.ending() || !c.first() {
			return false
		}
	}
	if c.unsure && c.isH2() {
		c.handed = true
		return false
	}
	n, err := c.readHead()
	c.req.Allow = ""
	if c.from != nil && c.from.upgrades {
		c.req.Allow = websocket
	}
	c.req.Announce = c.announced()
	if err == nil {
		err = c.req.Parse(c.in.unread()[:n])
	}
	if err != nil {
		return c.refuse(err)
	}
	c.in.r += n
	c.head = string(c.req.Method) == http.MethodHead
	c.stats.requests.Add(1)
	t := c.p.table.Load()
	c.note.watched = t.watched
	c.note.begin(t.log, &c.req)
	c.vouch()
	c.x.begin(&c.req)
	c.table, c.way = t, t.match(&c.x)
	c.gathered, c.rechunk, c.chunks = false, false, http1.Chunks{}
	switch ok := c.filter(); {
	case c.x.unfit:
		return c.reply(http.StatusInternalServerError, unfitHeader)
	case !ok:
		return c.reply(c.x.status, c.x.body)
	}
	return c.follow()
}

// first waits for the first bytes of a request. What has come already when the
// proxy begins to end is served yet.
func (c *conn) first() bool {
	err := c.in.fill()
	if err == nil || !c.ending() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err == nil
	}
	come, ok := c.probe.(*probe)
	if !ok || come.quiet() || !come.open() {
		return false
	}
	return c.in.src.SetReadDeadline(time.Time{}) == nil && c.in.fill() == nil
}

// readHead finds the end of the head; what is there already is looked at first,
// so that the phase changes only for one that comes in pieces.
func (c *conn) readHead() (int, error) {
	from := 0
	n, err := http1.End(c.in.unread(), &from)
	if n > 0 || err != nil {
		return n, err
	}
	c.mark(reading)
	return c.in.head()
}

const unfitHeader = "a filter set a header that cannot be sent"

// filter takes the request through the chain of its route, which a filter may
// have looked for again.
func (c *conn) filter() bool {
	chain := c.chain()
	for i := range chain {
		if chain[i].off {
			continue
		}
		if !c.pass(chain[i]) {
			if c.x.status == 0 {
				c.x.status = http.StatusInternalServerError
			}
			return false
		}
		if c.x.rematch {
			c.x.rematch = false
			c.way = c.table.match(&c.x)
			chain = c.chain()
		}
	}
	return true
}

// chain is that of the route, or where there is none, of the listener. They are
// of one length.
func (c *conn) chain() []link {
	if c.way == nil {
		return c.table.chain
	}
	return c.way.chain
}

// refuse answers a head that was not understood, and ends the connection.
func (c *conn) refuse(err error) bool {
	var e *http1.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, os.ErrDeadlineExceeded):
		e = &http1.Error{Status: http.StatusRequestTimeout, Reason: "request timeout"}
	default:
		return false // the client is gone
	}
	c.stats.requests.Add(1)
	c.stats.malformed.Add(1)
	c.note.begin(c.p.table.Load().log, nil)
	c.x.begin(&c.req)
	c.req.Close, c.req.Length, c.head = true, http1.Chunked, false
	return c.reply(e.Status, e.Reason)
}

// reply answers in the upstream's place.
func (c *conn) reply(status int, body string) bool {
	keep := !c.req.Close && !c.ending() && c.skippable()
	body = c.local(status, body)
	encoded := body != "" && !c.res.NoBody && c.encoded() && !c.req.Old()
	c.res.Reason = reasons[c.res.Status]
	b := c.res.AppendStatus(c.out[:0])
	switch {
	case encoded:
		b = http1.AppendFraming(b, http1.Chunked)
	case c.res.Status != http.StatusNoContent:
		b = http1.AppendFraming(b, c.res.Length)
	}
	b = c.appendOwn(b, !keep)
	switch {
	case encoded:
		b = append(b, c.encodedBody(body)...)
	case !c.res.NoBody:
		b = append(b, body...)
	}
	if !c.head {
		c.note.sent = int64(len(body))
	}
	c.out = b
	c.gave(c.res.Status)
	if _, err := c.in.src.Write(b); err != nil {
		return false
	}
	c.note.done = true
	if !keep {
		c.linger()
		return false
	}
	return c.skip()
}

// gave notes the status of the answer.
func (c *conn) gave(status int) {
	c.stats.answered(status)
	c.note.status = status
}

// appendOwn ends a response head: the filters' fields, what this connection
// does next, the empty line.
func (c *conn) appendOwn(b []byte, last bool) []byte {
	for i := range c.x.added {
		b = append(b, c.x.added[i].Name...)
		b = append(b, ':', ' ')
		b = append(b, c.x.added[i].Value...)
		b = append(b, '\r', '\n')
	}
	switch {
	case last:
		b = append(b, "connection: close\r\n"...)
	case c.req.Old():
		b = append(b, "connection: keep-alive\r\n"...)
	}
	return append(b, '\r', '\n')
}

// mostSkipped is the largest body that is read only to be dropped.
const mostSkipped = 64 << 10

// skippable reports whether the request's body can be dropped, so that the
// connection can go on. One that waits for 100 may or may not come.
func (c *conn) skippable() bool {
	if c.req.Length == 0 {
		return true
	}
	return c.req.Length > 0 && c.req.Length <= mostSkipped && !c.req.Continue
}

func (c *conn) skip() bool {
	left := int(c.req.Length)
	for left > 0 {
		c.mark(reading)
		if c.in.r == c.in.w && c.in.fill() != nil {
			return false
		}
		n := min(left, c.in.w-c.in.r)
		c.in.r += n
		left -= n
	}
	return true
}

// lingerTime and mostLingered bound how long a client that is being refused
// may go on sending: to close at once would reset the connection, and could
// take the answer from it.
const (
	lingerTime   = time.Second
	mostLingered = 1 << 20
)

func (c *conn) linger() {
	if c.req.Length == 0 && c.in.r == c.in.w {
		return
	}
	half, ok := c.in.src.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.in.src.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	// However it ends, the connection is closed next.
	_, _ = io.CopyN(io.Discard, c.in.src, mostLingered)
}
