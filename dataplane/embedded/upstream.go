package embedded

import (
	"context"
	"net"
	"sync"
	"time"
)

const connectTimeout = 5 * time.Second

// maxIdle bounds the resting connections of one endpoint.
const maxIdle = 1024

// endpoint is one upstream address and its resting connections. The one used
// last is used first: it is warm, and the others can be let go.
type endpoint struct {
	addr string
	by   *carriage // nil: HTTP/1.1 in clear text

	mu     sync.Mutex
	idle   []*upstream
	closed bool
}

// upstream is one connection to an endpoint.
type upstream struct {
	reader
	conn   net.Conn
	home   *endpoint
	probe  *probe
	pooled bool   // it has carried a request before
	rested uint32 // the sweep in which it was put to rest
}

// take returns a resting connection, or nil.
func (e *endpoint) take() *upstream {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(e.idle)
	if n == 0 {
		return nil
	}
	u := e.idle[n-1]
	e.idle[n-1] = nil
	e.idle = e.idle[:n-1]
	return u
}

// give puts a connection to rest.
func (e *endpoint) give(u *upstream, sweep uint32) {
	if u.probe == nil { // an exchange of HTTP/2, which ends
		u.conn.Close()
		return
	}
	u.pooled, u.rested = true, sweep
	e.mu.Lock()
	if !e.closed && len(e.idle) < maxIdle {
		e.idle = append(e.idle, u)
		u = nil
	}
	e.mu.Unlock()
	if u != nil {
		u.conn.Close()
	}
}

// dial opens a fresh connection, or an exchange on one of HTTP/2. Opened is
// called when a connection is opened.
func (e *endpoint) dial(ctx context.Context, opened func()) (*upstream, error) {
	u := &upstream{home: e}
	if e.by != nil && e.by.http2 {
		c, err := e.by.carry(e.addr, opened)
		if err != nil {
			return nil, err
		}
		u.conn, u.reader.src = c, c
		return u, nil
	}
	opened()
	c, err := dialTCP(ctx, e.addr)
	if err != nil {
		return nil, err
	}
	u.conn, u.probe = plain(c.(*net.TCPConn)), newProbe(c.(*net.TCPConn))
	if e.by != nil && e.by.keys != nil {
		if u.conn, err = e.by.shake(ctx, c); err != nil {
			return nil, err
		}
	}
	u.reader.src = u.conn
	return u, nil
}

// connect opens a connection for bytes, over TLS if that is how it is spoken to.
func (e *endpoint) connect(ctx context.Context) (net.Conn, error) {
	c, err := dialTCP(ctx, e.addr)
	if err != nil || e.by == nil || e.by.keys == nil {
		return c, err
	}
	t, err := e.by.keys.client(ctx, c, "")
	if err != nil {
		c.Close()
		return nil, err
	}
	return t, nil
}

// shut closes what rests, and what comes back later.
func (e *endpoint) shut() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.drop(func(*upstream) bool { return true })
	if e.by != nil {
		e.by.shut(e.addr)
	}
}

// drop closes the resting connections that are to go.
func (e *endpoint) drop(goes func(*upstream) bool) {
	e.mu.Lock()
	var gone []*upstream
	kept := e.idle[:0]
	for _, u := range e.idle {
		if goes(u) {
			gone = append(gone, u)
		} else {
			kept = append(kept, u)
		}
	}
	clear(e.idle[len(kept):])
	e.idle = kept
	e.mu.Unlock()
	for _, u := range gone {
		u.conn.Close()
	}
}
