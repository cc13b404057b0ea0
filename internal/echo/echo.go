package echo

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/taremesh/tare/internal/http1"
)

// Kind is the protocol that is answered.
type Kind string

// The kinds there are.
const (
	HTTP1     Kind = "http/1.1"
	HTTP2     Kind = "http/2"
	GRPC      Kind = "grpc"
	Bytes     Kind = "tcp"
	WebSocket Kind = "websocket"
)

// Body is what every HTTP answer holds.
const Body = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// Server is a server that stands.
type Server struct {
	addr   string
	ends   func() error
	served sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // nil: closed
}

// Addr is where it listens, as host:port.
func (s *Server) Addr() string { return s.addr }

// Listen serves one kind on a free port of loopback, in the clear.
func Listen(k Kind) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the own echo: %w", err)
	}
	return serve(k, l)
}

// ListenTLS serves one kind over TLS, with a certificate that nobody trusts.
func ListenTLS(k Kind) (*Server, error) {
	cert, err := certificate()
	if err != nil {
		return nil, fmt.Errorf("make the own echo's certificate: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	if k == HTTP2 || k == GRPC {
		config.NextProtos = []string{"h2"}
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return nil, fmt.Errorf("listen for the own echo: %w", err)
	}
	return serve(k, l)
}

func serve(k Kind, l net.Listener) (*Server, error) {
	s := &Server{addr: l.Addr().String(), ends: l.Close, conns: map[net.Conn]bool{}}
	answer := map[Kind]func(net.Conn) error{HTTP1: answerHTTP1, Bytes: answerBytes, WebSocket: answerWebSocket}[k]
	switch {
	case k == HTTP2 || k == GRPC:
		s.serveHTTP2(l)
	case answer != nil:
		s.served.Go(func() { s.accept(l, answer) })
	default:
		return nil, errors.Join(fmt.Errorf("the own echo does not speak %q", k), l.Close())
	}
	return s, nil
}

// accept serves connections until the listener is closed.
func (s *Server) accept(l net.Listener, answer func(net.Conn) error) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if !s.hold(c) {
			_ = c.Close() // the server is closed
			continue
		}
		s.served.Go(func() {
			_ = answer(c) // whatever ends a connection, its client sees it
			s.release(c)
		})
	}
}

func (s *Server) hold(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return false
	}
	s.conns[c] = true
	return true
}

func (s *Server) release(c net.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	_ = c.Close()
}

// Close ends the server and all its connections, and waits for them.
func (s *Server) Close() error {
	err := s.ends()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.served.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// answerBytes sends back what comes.
func answerBytes(c net.Conn) error {
	_, err := io.Copy(c, c)
	return err
}

const answer = "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n"

// answerHTTP1 answers every request, in the order in which they come.
func answerHTTP1(c net.Conn) error {
	in := bufio.NewReaderSize(c, http1.MaxHead)
	var q http1.Request
	whole, head := []byte(answer+Body), []byte(answer)
	for {
		n, err := peekHead(in)
		if err != nil {
			return err
		}
		b, err := in.Peek(n)
		if err != nil {
			return err
		}
		if err := q.Parse(b); err != nil {
			return err
		}
		out, length := whole, q.Length
		if string(q.Method) == "HEAD" {
			out = head
		}
		if length < 0 {
			return errors.New("the own echo reads no chunks")
		}
		if _, err := in.Discard(n); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, in, length); err != nil {
			return err
		}
		if _, err := c.Write(out); err != nil {
			return err
		}
	}
}

// peekHead waits until a whole head has come, and returns its length.
func peekHead(in *bufio.Reader) (int, error) {
	from := 0
	for {
		if _, err := in.Peek(in.Buffered() + 1); err != nil {
			return 0, err
		}
		b, err := in.Peek(in.Buffered())
		if err != nil {
			return 0, err
		}
		if n, err := http1.End(b, &from); err != nil || n > 0 {
			return n, err
		}
	}
}
