package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/taremesh/tare/internal/http1"
)

// carried is one exchange over HTTP/2 with an endpoint, as the rest of this
// plane sees it: a connection that takes a request of HTTP/1.1 and gives the
// response so. What is done to requests need not know what carries them.
type carried struct {
	by     *carriage
	conn   *http.ClientConn
	used   bool // it has carried others before
	placed bool // a place on it is reserved
	addr   string
	opened func() // to be called when a connection is opened
	life   context.Context
	cancel context.CancelFunc

	out     []byte // of the request's head, not all there
	headed  bool
	body    *io.PipeWriter // nil: none
	asks    bool           // for WebSocket, by extended CONNECT
	open    bool           // and has it: what comes and goes is bytes
	own     net.Conn       // which it has for itself; nil: it shares
	chunked bool
	chunks  http1.Chunks
	left    int64
	head    bool        // the method is HEAD
	trails  bool        // trailers of the request may come
	behind  http.Header // those
	inBand  bool        // those of the response are to stand in its chunks

	came chan answered
	got  bool // the response
	res  *http.Response
	in   []byte // of the response, made and not read yet
	over bool   // its body has been read to the end

	once sync.Once
}

type answered struct {
	res *http.Response
	err error
}

// carry begins an exchange with the address.
func (c *carriage) carry(addr string, opened func()) (*carried, error) {
	cc, used, err := c.place(addr, opened)
	if err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(context.Background())
	return &carried{by: c, conn: cc, used: used, placed: true, addr: addr, opened: opened, life: life, cancel: cancel, came: make(chan answered, 1)}, nil
}

// Write takes the request.
func (c *carried) Write(p []byte) (int, error) {
	n := len(p)
	if !c.headed {
		c.out = append(c.out, p...)
		from := 0
		end, err := http1.End(c.out, &from)
		if err != nil || end == 0 {
			return n, err
		}
		if err := c.begin(c.out[:end]); err != nil {
			return 0, err
		}
		p = c.out[end:]
	}
	if c.body == nil || len(p) == 0 {
		return n, nil
	}
	return n, c.send(p)
}

// begin sends the head.
func (c *carried) begin(head []byte) error {
	q := http1.Request{Allow: websocket}
	q.Announce = true
	if err := q.Parse(head); err != nil {
		return fmt.Errorf("send to %s: %w", c.addr, err)
	}
	u, err := url.ParseRequestURI(string(q.Target))
	if err != nil {
		return fmt.Errorf("send to %s: %w", c.addr, err)
	}
	if !strings.HasPrefix(u.Path, "//") {
		u = &url.URL{Opaque: string(q.Target)} // as it is
	}
	u.Scheme, u.Host = c.by.scheme(), c.addr
	r := &http.Request{Method: string(q.Method), URL: u, Host: string(q.Host), Header: http.Header{"User-Agent": nil}, Body: http.NoBody, ContentLength: q.Length}
	for _, f := range q.Fields {
		if len(f.Name) > 0 {
			name := http.CanonicalHeaderKey(string(f.Name))
			r.Header[name] = append(r.Header[name], string(f.Value))
		}
	}
	via := c.conn.RoundTrip
	if q.Upgrade {
		if via, err = c.ask(r); err != nil {
			return err
		}
	}
	if q.Length != 0 {
		c.chunked, c.left = q.Length == http1.Chunked, q.Length
		if c.chunked && c.trails {
			c.chunks.Keep, c.behind = true, http.Header{}
			r.Trailer = c.behind
		}
		r.Body, c.body = io.Pipe()
	}
	c.head, c.headed, c.placed = r.Method == http.MethodHead, true, false
	go func() {
		res, err := c.roundTrip(r.WithContext(c.life), via)
		c.came <- answered{res, err}
	}()
	return nil
}

// roundTrip asks once, and again when the connection turns out to have ended
// before it took the request.
func (c *carried) roundTrip(r *http.Request, via func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	res, err := via(r)
	if err == nil || !c.used || c.body != nil || !idempotent([]byte(r.Method)) || c.life.Err() != nil || isReset(err) {
		return res, err
	}
	cc, _, again := c.by.place(c.addr, c.opened)
	if again != nil {
		return nil, err
	}
	return cc.RoundTrip(r)
}

// errReset says that an endpoint ended an exchange and not the connection.
var errReset = errors.New("reset by the endpoint")

// isReset reports whether the other side has ended the stream, and not the
// connection.
func isReset(err error) bool { return strings.HasPrefix(err.Error(), "stream error: ") }

// send passes on what comes of the body.
func (c *carried) send(p []byte) error {
	if c.asks {
		_, err := c.body.Write(p)
		return err
	}
	if !c.chunked {
		if _, err := c.body.Write(p); err != nil {
			return err
		}
		if c.left -= int64(len(p)); c.left <= 0 {
			return c.body.Close()
		}
		return nil
	}
	for len(p) > 0 && !c.chunks.Done() {
		data, used, err := c.chunks.Next(p)
		if err != nil {
			return err
		}
		p = p[used:]
		if len(data) == 0 {
			continue
		}
		if _, err := c.body.Write(data); err != nil {
			return err
		}
	}
	if !c.chunks.Done() {
		return nil
	}
	if said := c.chunks.Trailer(); len(said) > 0 {
		// Only when the request has been begun may its trailers be touched.
		if _, err := c.body.Write(nil); err != nil {
			return err
		}
		http1.EachTrailer(said, func(name, value []byte) { c.behind.Add(string(name), string(value)) })
	}
	return c.body.Close()
}

// Read gives the response: its head, then its body as its head frames it.
func (c *carried) Read(p []byte) (int, error) {
	if !c.got {
		if err := c.await(); err != nil {
			return 0, err
		}
	}
	if len(c.in) > 0 {
		n := copy(p, c.in)
		c.in = c.in[n:]
		return n, nil
	}
	if c.over {
		return 0, io.EOF
	}
	if c.open {
		n, err := c.res.Body.Read(p)
		return n, c.fault(err)
	}
	if c.res.ContentLength >= 0 {
		n, err := c.res.Body.Read(p)
		c.over = err == io.EOF
		if c.over && n > 0 {
			err = nil
		}
		return n, c.fault(err)
	}
	n, rest, err := readChunk(c.res.Body, p, c.end)
	if err == io.EOF {
		c.over, err = true, nil
	}
	c.in = rest
	return n, c.fault(err)
}

// await takes the head of the response and writes it as HTTP/1.1.
func (c *carried) await() error {
	var a answered
	select {
	case a = <-c.came:
	case <-c.life.Done():
		return os.ErrDeadlineExceeded
	}
	if a.err != nil && isReset(a.err) {
		return c.fault(fmt.Errorf("ask %s: %w: %w", c.addr, errReset, a.err))
	}
	if a.err != nil {
		return c.fault(fmt.Errorf("ask %s: %w", c.addr, a.err))
	}
	c.got, c.res = true, a.res
	if c.open = c.asks && a.res.StatusCode == http.StatusOK; c.open {
		c.in = appendSwitched(nil, a.res.Header)
		return nil
	}
	b := append(strconv.AppendInt([]byte("HTTP/1.1 "), int64(a.res.StatusCode), 10), ' ')
	b = append(append(b, http.StatusText(a.res.StatusCode)...), "\r\n"...)
	b = announce(b, a.res.Trailer)
	b = appendHeader(b, a.res.Header)
	bodiless := c.head || a.res.StatusCode == http.StatusNoContent || a.res.StatusCode == http.StatusNotModified
	switch n, err := strconv.ParseInt(a.res.Header.Get("Content-Length"), 10, 64); {
	case bodiless && err == nil && a.res.StatusCode != http.StatusNoContent:
		b = http1.AppendFraming(b, n)
	case bodiless:
	case a.res.ContentLength >= 0:
		b = http1.AppendFraming(b, a.res.ContentLength)
	default:
		b = http1.AppendFraming(b, http1.Chunked)
	}
	c.over = bodiless || a.res.ContentLength == 0
	c.in = append(b, "\r\n"...)
	return nil
}

// appendHeader appends the fields but for the length, which is another's affair.
func appendHeader(b []byte, h http.Header) []byte {
	for name, values := range h {
		if name == "Content-Length" {
			continue
		}
		name = strings.ToLower(name)
		for _, v := range values {
			b = append(append(append(append(b, name...), ": "...), v...), "\r\n"...)
		}
	}
	return b
}

// fault is what an error means to whoever has been woken.
func (c *carried) fault(err error) error {
	if err != nil && c.life.Err() != nil {
		return os.ErrDeadlineExceeded
	}
	return err
}

// trailer waits for the end of the body, which has been read, and returns what
// came behind it.
func (c *carried) trailer() http.Header {
	if c.res == nil {
		return nil
	}
	if !c.over {
		// The length was known, so that the end was not waited for.
		if _, err := io.Copy(io.Discard, c.res.Body); err != nil {
			return nil
		}
		c.over = true
	}
	return c.res.Trailer
}

// Close ends the exchange, whatever has become of it.
func (c *carried) Close() error {
	c.once.Do(func() {
		if c.placed {
			c.conn.Release()
		}
		c.cancel()
		if c.own != nil {
			defer c.own.Close()
		}
		if c.body != nil {
			// What was not sent is not to pass for the whole.
			_ = c.body.CloseWithError(io.ErrUnexpectedEOF)
		}
		if c.res != nil {
			_ = c.res.Body.Close()
		}
	})
	return nil
}

// SetDeadline and the others know two times: now, which wakes who waits, and
// never.
func (c *carried) SetDeadline(t time.Time) error {
	if !t.IsZero() {
		c.cancel()
	}
	return nil
}

// SetReadDeadline is SetDeadline.
func (c *carried) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline is SetDeadline.
func (c *carried) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }

// LocalAddr is not known of one exchange.
func (c *carried) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is the endpoint's.
func (c *carried) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", c.addr)
	if err != nil {
		return &net.TCPAddr{}
	}
	return a
}

// sizeLine is the room for the size of a chunk, which is written with leading
// zeros, and for the end of its line.
const sizeLine = 8

// readChunk reads once from a body and gives what came as a chunk; rest is what
// did not fit into p. With the error io.EOF the last chunk is among them.
func readChunk(body io.Reader, p []byte, last func() []byte) (n int, rest []byte, err error) {
	if len(p) < 2*sizeLine {
		small := make([]byte, 4*sizeLine)
		n, more, err := readChunk(body, small, last)
		all := append(small[:n:n], more...)
		n = copy(p, all)
		return n, all[n:], err
	}
	n, err = body.Read(p[sizeLine : len(p)-2])
	if n > 0 {
		hex := strconv.AppendInt(nil, int64(n), 16)
		zeros := sizeLine - 2 - len(hex)
		for i := range zeros {
			p[i] = '0'
		}
		copy(p[zeros:], hex)
		copy(p[sizeLine-2:], "\r\n")
		copy(p[sizeLine+n:], "\r\n")
		n += sizeLine + 2
	}
	if err == io.EOF {
		end := last()
		fits := copy(p[n:], end)
		return n + fits, end[fits:], err
	}
	return n, nil, err
}
