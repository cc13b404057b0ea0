package openloop

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

// The opcodes of RFC 6455 §5.2.
const (
	wsContinuation = 0x0
	wsBinary       = 0x2
	wsClose        = 0x8
	wsPing         = 0x9
	wsPong         = 0xa
	wsFinal        = 0x80
	wsMasked       = 0x80
	wsMaxControl   = 125
)

const wsGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

var (
	errWebSocket = errors.New("the server does not speak WebSocket")
	errClosing   = errors.New("the server closes the WebSocket")
)

// socket is a connection's state of WebSocket.
type socket struct {
	answer  []byte // to the upgrade, until it is whole
	head    [14]byte
	n       int  // of head
	control bool // the frame is one
	begun   bool // a message is under way
	left    uint64
	payload []byte   // of a control frame
	out     [14]byte // the head of what is sent
}

// webSocket is a serial protocol: a message that must come back. The upgrade is
// made once, when a connection opens, with the path of the first kind of request
// and the header of the first user. The mask of what is sent is 0, which leaves
// bodies as they are: masks guard proxies from the pages of strangers (RFC 6455
// §10.3), which ours are not.
type webSocket struct {
	w       *worker
	upgrade []byte
	accept  []byte // what the server must say
}

func newWebSocket(w *worker, t load.Target) *webSocket {
	var key [16]byte
	r := &webSocket{w: w}
	_, _ = rand.Read(key[:]) // it never fails
	nonce := base64.StdEncoding.EncodeToString(key[:])
	sum := sha1.Sum([]byte(nonce + wsGUID))
	r.accept = base64.StdEncoding.AppendEncode(nil, sum[:])
	host := t.Host
	if host == "" {
		host = t.Addr
	}
	path := "/"
	if len(w.population.Requests) > 0 {
		path = w.population.Requests[0].Path
	}
	r.upgrade = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: tare\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", path, host, nonce)
	if len(w.population.Users) > 0 {
		r.upgrade = appendHeader(r.upgrade, w.population.Users[0].Header)
	}
	r.upgrade = append(r.upgrade, "\r\n"...)
	return r
}

func (r *webSocket) greet(slot int32) bool {
	c := &r.w.conns[slot]
	c.socket = &socket{}
	n, errno := c.write(r.upgrade, nil)
	if errno != 0 && errno != unix.EAGAIN && errno != unix.EINTR {
		return false // its end is told
	}
	if c.rest = r.upgrade[n:]; len(c.rest) > 0 || c.secure != nil && c.secure.pending() {
		_ = r.w.watch(slot, true) // where this fails the request times out
	}
	return false
}

// upgraded reads the answer to the upgrade.
func (r *webSocket) upgraded(slot int32, b []byte) bool {
	c := &r.w.conns[slot]
	s := c.socket
	s.answer = append(s.answer, b...)
	end := bytes.Index(s.answer, []byte("\r\n\r\n"))
	if end < 0 && len(s.answer) < maxHeader {
		return true
	}
	if err := r.agreed(s.answer[:max(end, 0)]); err != nil {
		r.w.unopened(slot, load.Malformed, err)
		return true
	}
	rest := s.answer[end+4:]
	if s.answer = nil; len(rest) > 0 {
		if _, _, err := r.frame(c, rest); err != nil {
			r.w.unopened(slot, load.Malformed, err)
			return true
		}
	}
	r.w.admit(slot)
	return true
}

func (r *webSocket) agreed(head []byte) error {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 101")) {
		return fmt.Errorf("the server does not upgrade to WebSocket: it answers %.80q", line)
	}
	for line := range bytes.SplitSeq(rest, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if foldEqual(name, "sec-websocket-accept") && bytes.Equal(trim(value), r.accept) {
			return nil
		}
	}
	return errWebSocket
}

// request is a frame of a sample's body.
func (r *webSocket) request(c *conn, _ *load.Sample) prepared {
	body := c.awaited
	return prepared{head: appendSocketHead(c.socket.out[:0], wsBinary, len(body)), body: body}
}

func appendSocketHead(b []byte, opcode byte, n int) []byte {
	b = append(b, wsFinal|opcode)
	switch {
	case n <= wsMaxControl:
		b = append(b, wsMasked|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, wsMasked|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, wsMasked|127), uint64(n))
	}
	return append(b, 0, 0, 0, 0)
}

func (r *webSocket) reset(c *conn, s *load.Sample) { c.await(r.w.requests.of(s)) }

func (r *webSocket) feed(c *conn, b []byte) (int, bool, error) { return r.frame(c, b) }

// frame reads frames; whole says that the awaited message came to its end.
func (r *webSocket) frame(c *conn, b []byte) (used int, whole bool, err error) {
	s := c.socket
	for used < len(b) {
		if s.left == 0 {
			n, ready, err := s.header(b[used:])
			if used += n; err != nil || !ready {
				return used, false, err
			}
		}
		n := int(min(s.left, uint64(len(b)-used)))
		piece := b[used : used+n]
		used += n
		s.left -= uint64(n)
		if s.control {
			s.payload = append(s.payload, piece...)
		} else if err := c.cameBack(piece); err != nil {
			return used, false, err
		}
		if s.left > 0 {
			continue
		}
		final := s.head[0]&wsFinal != 0
		s.n = 0
		if s.control {
			if err := r.controlled(c); err != nil {
				return used, false, err
			}
			continue
		}
		if s.begun = !final; final {
			if len(c.awaited) > 0 {
				return used, false, errEcho
			}
			return used, true, nil
		}
	}
	return used, false, nil
}

// header reads a frame's head.
func (s *socket) header(b []byte) (n int, ready bool, err error) {
	for n < len(b) {
		s.head[s.n] = b[n]
		n++
		s.n++
		length := int(s.head[1] & 0x7f)
		want := 2
		switch {
		case s.n < 2:
			continue
		case length == 126:
			want = 4
		case length == 127:
			want = 10
		}
		if s.n < want {
			continue
		}
		opcode := s.head[0] & 0xf
		s.control = opcode >= wsClose
		switch {
		case s.head[0]&0x70 != 0, s.head[1]&wsMasked != 0, opcode > wsPong, opcode > wsBinary && opcode < wsClose,
			s.control && (length > wsMaxControl || s.head[0]&wsFinal == 0), !s.control && s.begun != (opcode == wsContinuation):
			return n, false, errWebSocket
		case length == 126:
			s.left = uint64(binary.BigEndian.Uint16(s.head[2:]))
		case length == 127:
			s.left = binary.BigEndian.Uint64(s.head[2:])
		default:
			s.left = uint64(length)
		}
		s.payload = s.payload[:0]
		return n, true, nil
	}
	return n, false, nil
}

// cameBack compares what came with what is awaited.
func (c *conn) cameBack(b []byte) error {
	if len(b) > len(c.awaited) || !bytes.Equal(b, c.awaited[:len(b)]) {
		return errEcho
	}
	c.awaited = c.awaited[len(b):]
	return nil
}

// controlled answers a ping, and notes that the server closes.
func (r *webSocket) controlled(c *conn) error {
	switch c.socket.head[0] & 0xf {
	case wsPing:
		if len(c.rest) > 0 {
			return nil // within a frame of our own: the next one is answered
		}
		pong := append(appendSocketHead(nil, wsPong, len(c.socket.payload)), c.socket.payload...)
		if n, _ := c.write(pong, nil); n < len(pong) {
			return errClosing // it does not read
		}
	case wsClose:
		return errClosing
	}
	return nil
}

func (*webSocket) end(*conn) bool { return false }

func (*webSocket) outcome(*conn) (uint16, load.Class, bool) { return 0, load.OK, false }

func (r *webSocket) unasked(slot int32, b []byte) bool {
	c := &r.w.conns[slot]
	if c.state == greeting {
		return r.upgraded(slot, b)
	}
	_, whole, err := r.frame(c, b)
	return err == nil && !whole
}
