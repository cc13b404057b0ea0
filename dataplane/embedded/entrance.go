package embedded

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taremesh/tare/internal/http1"
)

// entrance is how connections come in under one configuration of a listener:
// in clear text or by TLS, in which versions of HTTP, or as bare TCP. When that
// changes, new connections come in by another entrance, and those of the old
// one end after their next response.
type entrance struct {
	p        *proxy
	key      string // of two that are alike
	codec    codec
	keys     *keys // nil: clear text
	xfcc     xfccMode
	details  xfccDetails
	upgrades bool   // WebSocket
	connects bool   // extended CONNECT
	trailers bool   // HTTP/1.1 has them
	tcp      string // the cluster that bytes go to; empty: HTTP
	draining atomic.Bool

	h2   *http.Server // started when first needed
	once sync.Once
	come chan net.Conn // for h2
	done chan struct{}
	shut sync.Once
}

// codec is the versions of HTTP that a listener speaks.
type codec uint8

const (
	onlyH1 codec = iota
	onlyH2
	anyHTTP // by ALPN, or by how the client begins
)

// preface is how a client of HTTP/2 begins.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// mostStreams is how many requests one connection may have open, as in Envoy.
const mostStreams = 1024

func newEntrance(p *proxy, s *listenerSpec) *entrance {
	e := &entrance{p: p, key: s.entrance(), codec: s.codec, xfcc: s.xfcc, details: s.details, upgrades: s.upgrades, connects: s.connects, trailers: s.trailers, tcp: s.tcp,
		come: make(chan net.Conn), done: make(chan struct{})}
	if s.tls != nil {
		e.keys = &keys{spec: s.tls}
	}
	return e
}

// plain reports whether connections are HTTP/1.1 from their first byte.
func (e *entrance) plain() bool { return e.codec == onlyH1 && e.keys == nil && e.tcp == "" }

// receive takes a connection through what comes before HTTP.
func (e *entrance) receive(tcp *net.TCPConn) {
	if e.keys == nil {
		e.carry(tcp, tcp, "")
		return
	}
	c, err := e.keys.server(e.p.life, tcp)
	if err != nil {
		e.p.handshakes.Add(1)
		tcp.Close()
		return
	}
	e.carry(c, tcp, c.ConnectionState().NegotiatedProtocol)
}

// carry hands the connection to what speaks its protocol.
func (e *entrance) carry(c net.Conn, tcp *net.TCPConn, proto string) {
	switch {
	case e.tcp != "":
		e.p.tunnel(e, c)
	case proto == protoH2 && e.codec != onlyH1, e.codec == onlyH2:
		e.speakH2(c)
	default:
		e.p.adopt(c, tcp, e)
	}
}

// speakH2 hands a connection to the standard library's HTTP/2.
func (e *entrance) speakH2(c net.Conn) {
	e.once.Do(e.startH2)
	if !e.connects && canConnect() {
		c = e.unpromising(c)
	}
	select {
	case e.come <- c:
	case <-e.done:
		c.Close()
	}
}

func (e *entrance) startH2() {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	e.h2 = &http.Server{
		Handler:        http.HandlerFunc(e.stream),
		Protocols:      protocols,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: mostStreams, MaxReadFrameSize: 16 << 10},
		MaxHeaderBytes: http1.MaxHead,
		IdleTimeout:    e.p.limits.resting,
		ErrorLog:       log.New(io.Discard, "", 0), // clients' faults
		ConnState:      e.count,
		ConnContext:    introduce,
	}
	e.p.tasks.Go(func() {
		// It ends when end closes it; until then its listener cannot fail.
		_ = e.h2.Serve(e)
	})
}

// count keeps the number of HTTP/2 connections.
func (e *entrance) count(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		e.p.h2conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		e.p.h2conns.Add(-1)
	}
}

// drainTime is how long connections of an old entrance may wait for their next
// request, which is their last, as in Envoy.
const drainTime = 10 * time.Minute

// drain makes every connection end with its next response.
func (e *entrance) drain() {
	e.draining.Store(true)
	late := time.NewTimer(drainTime)
	defer late.Stop()
	select {
	case <-late.C:
		e.end()
	case <-e.done: // the proxy ends
	}
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	e.p.entrances = slices.DeleteFunc(e.p.entrances, func(x *entrance) bool { return x == e })
}

// end ends HTTP/2: kindly for the grace, then at once.
func (e *entrance) end() {
	_ = e.Close()
	e.once.Do(func() {}) // nothing is started any more
	if e.h2 == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if e.h2.Shutdown(ctx) != nil {
		_ = e.h2.Close() // what is left is cut off
	}
}

// renew takes the secrets as they are now; what stands goes on as it is.
func (e *entrance) renew(secrets map[string]secret) {
	if e.keys != nil {
		e.keys.refresh(secrets, serverSide)
	}
}

// told is what the handshake of a connection told, if there was one.
func (e *entrance) told(c net.Conn) shaken {
	t, ok := c.(*tls.Conn)
	if !ok {
		return shaken{}
	}
	s := t.ConnectionState()
	return shaken{&s, e.keys.own()}
}

func (e *entrance) toldOf(r *http.Request) shaken {
	if who, ok := r.Context().Value(shakenKey{}).(shaken); ok {
		return who
	}
	if r.TLS == nil {
		return shaken{}
	}
	return shaken{r.TLS, e.keys.own()}
}

// Accept, Close and Addr make it the listener of its HTTP/2 server.
func (e *entrance) Accept() (net.Conn, error) {
	select {
	case c := <-e.come:
		return c, nil
	case <-e.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (e *entrance) Close() error {
	e.shut.Do(func() { close(e.done) })
	return nil
}

// Addr is where it listens; nobody asks.
func (e *entrance) Addr() net.Addr { return &net.TCPAddr{} }

// begun is a connection of which something has been read already.
type begun struct {
	net.Conn
	first []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.first)
	b.first = b.first[n:]
	return n, nil
}

// speaksH2 reports whether the first bytes of a connection are those of an
// HTTP/2 client; more says that this cannot be told yet.
func speaksH2(b []byte) (yes, more bool) {
	n := min(len(b), len(preface))
	if string(b[:n]) != preface[:n] {
		return false, false
	}
	return n == len(preface), n < len(preface)
}
