package workload

import (
	"net"
	"sync"
	"sync/atomic"
)

// listener knows which of its connections have sent nothing yet.
// http.Server.Shutdown would wait five seconds for each of them (it takes them
// for busy), and a load generator's pool is full of them.
type listener struct {
	net.Listener

	mu     sync.Mutex
	conns  map[*conn]struct{}
	ending bool
}

// conn is a connection that remembers whether anything was read from it.
type conn struct {
	net.Conn
	from *listener
	read atomic.Bool
}

func newListener(l net.Listener) *listener {
	return &listener{Listener: l, conns: map[*conn]struct{}{}}
}

// Accept waits for a connection. One that arrives after closeUnused is closed.
func (l *listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, from: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending {
		_ = inner.Close() // the server sees it when it reads
		return c, nil
	}
	l.conns[c] = struct{}{}
	return c, nil
}

// closeUnused closes the connections from which nothing was read.
func (l *listener) closeUnused() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ending = true
	for c := range l.conns {
		if !c.read.Load() {
			_ = c.Conn.Close() // the server closes it again, and is done with it
		}
	}
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.read.Load() {
		c.read.Store(true)
	}
	return n, err
}

func (c *conn) Close() error {
	c.from.mu.Lock()
	delete(c.from.conns, c)
	c.from.mu.Unlock()
	return c.Conn.Close()
}
