package loadtest

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/taremesh/tare/load"
)

// server speaks HTTP/1.1 by hand, so that it can also speak it badly.
type server struct {
	door
	answer answer
	early  atomic.Bool  // it answers before it reads a body
	bodies atomic.Int64 // bytes of bodies read
	ahead  bool
}

// answer deals with one request, given as its lines; false ends the connection.
type answer func(c *net.TCPConn, request []string) bool

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func always(response string) answer {
	return func(c *net.TCPConn, _ []string) bool {
		_, err := c.Write([]byte(response))
		return err == nil
	}
}

func listen(t *testing.T, a answer) *server {
	t.Helper()
	s := &server{answer: a}
	s.attend(t, func(c net.Conn) { s.serve(c.(*net.TCPConn)) })
	return s
}

func (s *server) serve(c *net.TCPConn) {
	in := bufio.NewReader(c)
	for {
		var request []string
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.TrimRight(line, "\r\n")
			if line == "" {
				break
			}
			request = append(request, line)
		}
		if !s.early.Load() {
			length, _ := strconv.ParseInt(header(request, "Content-Length"), 10, 64)
			n, err := io.CopyN(io.Discard, in, length)
			s.bodies.Add(n)
			if err != nil {
				return
			}
		}
		if !s.early.Load() && in.Buffered() > 0 {
			s.mu.Lock()
			s.ahead = true
			s.mu.Unlock()
		}
		if !s.answer(c, request) {
			return
		}
		if s.early.Load() { // the rest of the body is no request
			_ = c.CloseWrite()
			_, _ = io.Copy(io.Discard, in)
			return
		}
	}
}

// pipelined says whether a connection ever held a request and more.
func (s *server) pipelined() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ahead
}

func (s *server) target(connections, most int) load.Target {
	return load.Target{Name: s.addr, Addr: s.addr, Connections: connections, MaxConnections: most}
}

// header finds a header's value in a request.
func header(request []string, name string) string {
	for _, line := range request[1:] {
		if n, value, found := strings.Cut(line, ": "); found && strings.EqualFold(n, name) {
			return value
		}
	}
	return ""
}
