package openloop

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

const (
	// handshakeTimeout is how long a server may take to shake hands.
	handshakeTimeout = 5 * time.Second
	// secureChunk is how much is encrypted at a time: the rest waits in the
	// clear for the kernel.
	secureChunk = 64 << 10
)

// errWouldBlock is what crypto/tls is told where the descriptor has nothing. It
// keeps its state on errors that say they are temporary.
type errWouldBlock struct{}

func (errWouldBlock) Error() string   { return "the descriptor would block" }
func (errWouldBlock) Timeout() bool   { return true }
func (errWouldBlock) Temporary() bool { return true }

// secure is TLS on a connection's descriptor. Its handshake blocks a goroutine;
// from there on the worker's thread has it alone, and nothing blocks.
type secure struct {
	fd        int
	tls       *tls.Conn
	deadline  time.Time   // of the handshake; zero: nothing blocks
	abandoned atomic.Bool // the worker wants no more of a handshake
	drained   bool        // the last read left nothing in the kernel
	wire      int64       // bytes that the kernel has taken
	rest      []byte      // encrypted, and not taken yet
	failed    unix.Errno  // of a write
	heard     bool        // the peer has sent something after the handshake
	alert     bool        // the peer would not have this session
}

// Read is for crypto/tls.
func (s *secure) Read(b []byte) (int, error) {
	for {
		if s.drained && s.deadline.IsZero() {
			return 0, errWouldBlock{}
		}
		n, errno := readNow(s.fd, b)
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			s.drained = true
			if s.deadline.IsZero() {
				return 0, errWouldBlock{}
			}
			if err := s.block(unix.POLLIN); err != nil {
				return 0, err
			}
		case errno != 0:
			return 0, errno
		case n == 0:
			return 0, io.EOF
		default:
			s.drained = n < len(b)
			return n, nil
		}
	}
}

// Write is for crypto/tls. It takes everything: what the kernel does not take
// is kept, because crypto/tls ends a session whose write has failed.
func (s *secure) Write(b []byte) (int, error) {
	s.rest = append(s.rest, b...)
	for {
		switch errno := s.flush(); {
		case errno != 0:
			return 0, errno
		case len(s.rest) == 0 || s.deadline.IsZero():
			return len(b), nil
		}
		if err := s.block(unix.POLLOUT); err != nil {
			return 0, err
		}
	}
}

// flush hands the kernel what it takes of what is kept.
func (s *secure) flush() unix.Errno {
	for len(s.rest) > 0 {
		n, errno := writeNow(s.fd, s.rest)
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			return 0
		case errno != 0:
			s.failed = errno
			return errno
		}
		s.wire += int64(n)
		s.rest = s.rest[:copy(s.rest, s.rest[n:])]
	}
	return 0
}

// block waits for the descriptor, during the handshake.
func (s *secure) block(events int16) error {
	left := time.Until(s.deadline)
	if left <= 0 {
		return fmt.Errorf("no TLS session after %v", handshakeTimeout)
	}
	if s.abandoned.Load() {
		return errors.New("the connection is not wanted any more")
	}
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: events}}, int(left.Milliseconds())+1)
	if err != nil && err != unix.EINTR {
		return err
	}
	return nil
}

// The rest of net.Conn, which crypto/tls does not need here.
func (*secure) Close() error                     { return nil }
func (*secure) LocalAddr() net.Addr              { return nil }
func (*secure) RemoteAddr() net.Addr             { return nil }
func (*secure) SetDeadline(time.Time) error      { return nil }
func (*secure) SetReadDeadline(time.Time) error  { return nil }
func (*secure) SetWriteDeadline(time.Time) error { return nil }

// abandon ends a handshake soon.
func (s *secure) abandon() {
	s.abandoned.Store(true)
	_ = unix.Shutdown(s.fd, unix.SHUT_RDWR)
}

func (s *secure) pending() bool { return len(s.rest) > 0 }

// refused says whether the peer ended the session before it said anything
// else: in TLS 1.3 a client learns only so what became of its certificate.
func (s *secure) refused() bool { return s.alert && !s.heard }

// read is of bytes in the clear, as readNow.
func (s *secure) read(b []byte) (int, unix.Errno) {
	n, err := s.tls.Read(b)
	if n > 0 {
		s.heard = true
		return n, 0
	}
	var block errWouldBlock
	var errno unix.Errno
	switch {
	case errors.As(err, &block):
		return 0, unix.EAGAIN
	case err == io.EOF:
		return 0, 0
	case errors.As(err, &errno):
		return 0, errno
	}
	s.alert = true
	return 0, unix.EPROTO
}

// write encrypts and writes, as writeBothNow: what it has encrypted counts as
// written. It takes nothing while the kernel has not taken the last.
func (s *secure) write(first, second []byte) (int, unix.Errno) {
	if errno := s.flush(); errno != 0 {
		return 0, errno
	}
	total := 0
	for _, b := range [2][]byte{first, second} {
		for len(b) > 0 && !s.pending() {
			n, err := s.tls.Write(b[:min(len(b), secureChunk)])
			total += n
			b = b[n:]
			if err != nil {
				if s.failed != 0 {
					return total, s.failed
				}
				return total, unix.EPIPE
			}
		}
		if len(b) > 0 {
			break
		}
	}
	if total == 0 {
		return 0, unix.EAGAIN
	}
	return total, 0
}

// handshakes are those of a worker's connections. A few at a time run: each
// takes a core for about a millisecond.
type handshakes struct {
	running sync.WaitGroup
	turns   chan struct{}
	any     atomic.Bool // of done
	mu      sync.Mutex
	done    []handshake
}

type handshake struct {
	secure     *secure
	slot       int32
	generation int32
	err        error
}

// secure begins the handshake on a connection that stands.
func (w *worker) secure(slot int32) {
	c := &w.conns[slot]
	p := &w.pools[c.pool]
	if err := w.poller.control(unix.EPOLL_CTL_DEL, c.fd, 0, slot, c.generation); err != nil {
		w.unopened(slot, load.Refused, err)
		return
	}
	if w.handshakes.turns == nil {
		w.handshakes.turns = make(chan struct{}, max(runtime.NumCPU(), 2))
	}
	s := &secure{fd: c.fd, deadline: time.Now().Add(handshakeTimeout)}
	s.tls = tls.Client(s, p.tls)
	c.state, c.secure = securing, s
	h := handshake{secure: s, slot: slot, generation: c.generation}
	w.handshakes.running.Go(func() {
		w.handshakes.turns <- struct{}{}
		h.err = s.tls.Handshake()
		<-w.handshakes.turns
		w.handshakes.mu.Lock()
		w.handshakes.done = append(w.handshakes.done, h)
		w.handshakes.any.Store(true)
		w.handshakes.mu.Unlock()
		w.poller.wake()
	})
}

// ended takes the handshakes that have ended.
func (h *handshakes) ended() []handshake {
	h.mu.Lock()
	defer h.mu.Unlock()
	done := h.done
	h.done = nil
	h.any.Store(false)
	return done
}

// joinHandshakes goes on with connections whose handshake has ended.
func (w *worker) joinHandshakes() {
	if !w.handshakes.any.Load() {
		return
	}
	for _, h := range w.handshakes.ended() {
		c := &w.conns[h.slot]
		if c.generation != h.generation || c.secure != h.secure {
			_ = unix.Close(h.secure.fd) // dropped in between
			continue
		}
		c.state, c.watchWrite = greeting, h.secure.pending()
		h.secure.deadline, h.secure.drained = time.Time{}, false
		if h.err != nil {
			w.unopened(h.slot, load.Handshake, fmt.Errorf("TLS: %w", h.err))
			continue
		}
		if err := w.poller.control(unix.EPOLL_CTL_ADD, c.fd, interest(c.watchWrite), h.slot, c.generation); err != nil {
			w.unopened(h.slot, load.Refused, err)
			continue
		}
		w.greet(h.slot)
	}
	if w.closed != nil {
		w.goOn()
	}
	w.flush()
}

// endHandshakes waits for those that nobody wants any more.
func (w *worker) endHandshakes() {
	w.handshakes.running.Wait()
	for _, h := range w.handshakes.ended() {
		_ = unix.Close(h.secure.fd)
	}
}
