package embedded

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taremesh/tare/internal/http1"
)

// stream is one exchange of HTTP/2 as the rest of this plane sees it: a
// connection on which a request comes as HTTP/1.1 and is answered so. Thus
// everything that is done to requests is written once, and every head is held
// against the same strict parser, whatever brought it.
type stream struct {
	w http.ResponseWriter
	r *http.Request

	in     []byte // of the request, made and not read yet
	ended  bool   // the request's body
	chunks bool   // it comes in chunks
	asks   bool   // for WebSocket, by extended CONNECT: what comes and goes then is bytes

	out      []byte // of the response's head, not all there
	res      http1.Response
	dechunk  http1.Chunks
	left     int64 // of its body; Chunked
	headed   bool
	finished bool
	cut      bool // it cannot end well
	trailer  http.Header
	ending   func() bool // the connection shall end

	mu      sync.Mutex
	stopped bool // reading has been given up

	switched bool        // to WebSocket
	hungUp   atomic.Bool // and that has ended
}

// stream serves one exchange.
func (e *entrance) stream(w http.ResponseWriter, r *http.Request) {
	s := &stream{w: w, r: r, dechunk: http1.Chunks{Keep: true}}
	if status := s.request(e); status != 0 {
		w.WriteHeader(status)
		return
	}
	c := e.p.embody(s, e)
	if c == nil {
		panic(http.ErrAbortHandler) // the proxy ends
	}
	s.ending = c.ending
	stop := context.AfterFunc(r.Context(), func() { c.cancel(clientGone) })
	defer stop()
	c.one()
	e.p.leave(c)
	s.finish()
}

// request writes the head as HTTP/1.1; where it has no such form it returns the
// status to answer with.
func (s *stream) request(e *entrance) int {
	r := s.r
	method, target := r.Method, r.RequestURI
	if method == http.MethodConnect {
		if status := e.connect(r); status != 0 {
			return status
		}
		method, s.asks = http.MethodGet, true
	}
	if r.Host == "" || breaksLine(method) || breaksLine(target) || breaksLine(r.Host) {
		return http.StatusBadRequest
	}
	b := append(s.in, method...)
	b = append(append(append(b, ' '), target...), " HTTP/1.1\r\nhost: "...)
	b = append(append(b, r.Host...), "\r\n"...)
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		if lower == "host" && len(values) == 1 && values[0] == r.Host {
			continue // said twice
		}
		if name == protocolField && s.asks {
			continue
		}
		if !transferable(lower, values) {
			return http.StatusBadRequest
		}
		for _, v := range values {
			b = append(append(append(append(b, lower...), ": "...), v...), "\r\n"...)
		}
	}
	switch {
	case s.asks:
		b = append(b, "connection: Upgrade\r\nupgrade: "+websocket+"\r\n"...)
	case r.ContentLength > 0 || r.ContentLength == 0 && r.Header.Get("Content-Length") != "":
		if r.Header.Get("Content-Length") == "" {
			b = append(strconv.AppendInt(append(b, "content-length: "...), r.ContentLength, 10), "\r\n"...)
		}
	case r.ContentLength < 0:
		s.chunks = true
		b = append(announce(b, r.Trailer), "transfer-encoding: chunked\r\n"...)
	}
	s.in = append(b, "\r\n"...)
	return 0
}

// breaksLine reports whether a part of a request line would end it, or be two.
func breaksLine(part string) bool { return strings.ContainsAny(part, " \t\r\n\x00") }

// transferable refuses fields that are no part of HTTP/2 (RFC 9113, 8.2.2), and
// values that would be lines of their own.
func transferable(name string, values []string) bool {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host":
		return false
	case "te":
		return len(values) == 1 && values[0] == "trailers"
	}
	for _, v := range values {
		if strings.ContainsAny(v, "\r\n\x00") {
			return false
		}
	}
	return !strings.ContainsAny(name, "\r\n\x00: ")
}

// Read gives the request: its head, then its body as its head frames it.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.in) > 0 {
		n := copy(p, s.in)
		s.in = s.in[n:]
		return n, nil
	}
	if s.over() {
		return 0, s.readError(os.ErrDeadlineExceeded)
	}
	if s.ended || !s.chunks && s.r.ContentLength == 0 {
		return 0, io.EOF
	}
	if !s.chunks {
		n, err := s.r.Body.Read(p)
		return n, s.readError(err)
	}
	n, rest, err := readChunk(s.r.Body, p, func() []byte { return endOf(s.r.Trailer) })
	s.in = rest
	return n, s.readError(err)
}

func (s *stream) readError(err error) error {
	if err != nil && s.over() {
		if s.hungUp.Load() {
			return io.EOF
		}
		return os.ErrDeadlineExceeded
	}
	if err == io.EOF {
		s.ended = true
		return nil
	}
	return err
}

// over reports whether reading has been given up.
func (s *stream) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// Write takes the response.
func (s *stream) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !s.headed {
		rest, err := s.head(p)
		if err != nil {
			return 0, err
		}
		p = rest
	}
	if len(p) > 0 && !s.finished {
		if err := s.body(p); err != nil {
			return 0, err
		}
	}
	if s.headed && (!s.finished || s.left == http1.Chunked) {
		if err := http.NewResponseController(s.w).Flush(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// head takes what there is of a head, and returns what comes after it.
func (s *stream) head(p []byte) (rest []byte, err error) {
	s.out = append(s.out, p...)
	from := 0
	n, err := http1.End(s.out, &from)
	if err != nil || n == 0 {
		return nil, err
	}
	method := http1.OtherMethod
	switch {
	case s.asks:
		method = http1.Upgrade
	case s.r.Method == http.MethodHead:
		method = http1.HEAD
	}
	if err := s.res.Parse(s.out[:n], method); err != nil {
		return nil, err
	}
	rest = s.out[n:]
	if s.res.Interim() {
		rest, s.out = bytes.Clone(rest), s.out[:0] // Go sends 100 by itself
		return rest, nil
	}
	h := s.w.Header()
	h["Date"], h["Content-Type"] = nil, nil // those of the response, or none
	for _, f := range s.res.Fields {
		// Go's server would take the field Trailer for its own affair.
		if len(f.Name) > 0 && !http1.Is(f.Name, "trailer") {
			name := http.CanonicalHeaderKey(string(f.Name))
			h[name] = append(h[name], string(f.Value))
		}
	}
	switch {
	case s.res.NoBody && s.res.Announced >= 0:
		h.Set("Content-Length", strconv.FormatInt(s.res.Announced, 10))
	case s.res.Length >= 0 && !s.res.NoBody:
		h.Set("Content-Length", strconv.FormatInt(s.res.Length, 10))
	}
	if s.res.Status == http.StatusSwitchingProtocols {
		s.res.Status, s.res.Length, s.switched = http.StatusOK, http1.UntilEnd, true // which is how HTTP/2 says it
	}
	if s.ending != nil && s.ending() {
		h.Set("Connection", "close") // which HTTP/2 says by GOAWAY
	}
	s.left, s.headed = s.res.Length, true
	s.finished = s.left == 0
	s.w.WriteHeader(s.res.Status)
	return rest, nil
}

func (s *stream) body(p []byte) error {
	if s.left == http1.Chunked {
		return s.bodyChunks(p)
	}
	if s.left > 0 {
		p = p[:min(int64(len(p)), s.left)]
		s.left -= int64(len(p))
		s.finished = s.left == 0
	}
	_, err := s.w.Write(p)
	return err
}

func (s *stream) bodyChunks(p []byte) error {
	for len(p) > 0 && !s.dechunk.Done() {
		data, used, err := s.dechunk.Next(p)
		if err != nil {
			return err
		}
		if _, err := s.w.Write(data); err != nil {
			return err
		}
		p = p[used:]
	}
	if s.finished = s.dechunk.Done(); s.finished {
		s.trail(s.dechunk.Trailer())
	}
	return nil
}

// finish ends the exchange as it went.
func (s *stream) finish() {
	if s.cut || !s.headed || !s.finished && s.left != http1.UntilEnd {
		panic(http.ErrAbortHandler) // what the client has must not pass for the whole
	}
	for name, values := range s.trailer {
		for _, v := range values {
			s.w.Header().Add(http.TrailerPrefix+name, v)
		}
	}
}

// overtaken reports whether the response has ended before the request's body:
// nobody waits for the rest of that.
func (c *conn) overtaken(sent chan error) bool {
	_, ok := c.in.src.(*stream)
	return ok && sent != nil && len(sent) == 0
}

// open reports whether the client still waits.
func (s *stream) open() bool { return s.r.Context().Err() == nil }

// Close is finish's affair.
func (s *stream) Close() error { return nil }

// CloseWrite: nothing comes behind the response anyway. What was switched ends
// with it, both ways.
func (s *stream) CloseWrite() error {
	if !s.switched {
		return errors.New("a stream ends with its response")
	}
	s.hungUp.Store(true)
	return s.SetReadDeadline(past)
}

// SetLinger says that the response has been given up.
func (s *stream) SetLinger(int) error {
	s.cut = true
	return nil
}

// LocalAddr and RemoteAddr are those of the connection.
func (s *stream) LocalAddr() net.Addr {
	if a, ok := s.r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a
	}
	return &net.TCPAddr{}
}

// RemoteAddr is the client's.
func (s *stream) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", s.r.RemoteAddr)
	if err != nil {
		return &net.TCPAddr{}
	}
	return a
}

// SetDeadline and the others know two times: now, which wakes who waits, and
// never.
func (s *stream) SetDeadline(t time.Time) error {
	if err := s.SetWriteDeadline(t); err != nil {
		return err
	}
	return s.SetReadDeadline(t)
}

// SetReadDeadline ends reading.
func (s *stream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	s.stopped = !t.IsZero()
	s.mu.Unlock()
	return http.NewResponseController(s.w).SetReadDeadline(t)
}

// SetWriteDeadline ends writing.
func (s *stream) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(s.w).SetWriteDeadline(t)
}
