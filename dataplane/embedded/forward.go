package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/taremesh/tare/internal/http1"
)

// Envoy's words.
const (
	noUpstream   = "no healthy upstream"
	upstreamLost = "upstream connect error or disconnect/reset before headers. "
	// The first is for requests that are tried once, the second for others.
	resetReason  = "reset reason: "
	latestReason = "retried and the latest reset reason: "
	upstreamSlow = "upstream request timeout"
	streamIdle   = "stream timeout"
	streamSlow   = "downstream duration timeout"
)

// The reasons.
const (
	connectFails  = "remote connection failure"
	upstreamEnds  = "connection termination"
	upstreamReset = "remote reset"
	upstreamBad   = "protocol error"
	upstreamFull  = "overflow"
)

// lose answers for an upstream that gave no response, with the reason.
func (c *conn) lose(status int, why string) bool {
	if c.again > 0 {
		return c.fail(c.whole, status, upstreamLost+latestReason+why)
	}
	return c.fail(c.whole, status, upstreamLost+resetReason+why)
}

// mostInterim is how many 1xx responses may come before the final one.
const mostInterim = 8

// cause is why the sweeper cancelled an exchange.
type cause uint8

const (
	notCut cause = iota
	timedOut
	clientGone
	tryTimedOut    // one attempt of more
	streamTimedOut // the whole exchange
	idleTimedOut   // nothing has moved
)

// forward hands a request to the cluster and its response to the client.
func (c *conn) forward(to *cluster) bool {
	c.ready()
	e, why := to.choose(choice{})
	if why != noRefusal {
		return c.unplaced(why)
	}
	c.fate = outcome{}
	c.note.upstream = e.addr
	next := false
	if u, sent, err := c.ask(e); err == nil {
		next = c.relay(u, sent)
	} else {
		next = c.explain(err)
	}
	c.ended(to, e)
	return next
}

// ready writes the request as far as it is there, for one attempt or more.
func (c *conn) ready() {
	switch {
	case c.rechunk:
		c.req.SetLength(http1.Chunked)
	case c.gathered:
		c.req.SetLength(int64(len(c.content)))
	}
	c.out = c.req.Append(c.out[:0])
	c.headEnd, c.framing = len(c.out), c.req.Length
	c.whole = c.takeBody()
}

// rewriteHead writes the head of the request that is ready once more, since it
// has changed.
func (c *conn) rewriteHead() {
	body := bytes.Clone(c.out[c.headEnd:])
	left := c.req.Length
	c.req.Length = c.framing
	c.out = c.req.Append(c.out[:0])
	c.req.Length, c.headEnd = left, len(c.out)
	c.out = append(c.out, body...)
}

// method is what the framing of the response depends on.
func (c *conn) method() http1.Method {
	switch {
	case c.head:
		return http1.HEAD
	case c.req.Upgrade:
		return http1.Upgrade
	}
	return http1.OtherMethod
}

// errConnect says that there was no connection.
var errConnect = errors.New("connect")

// ask makes one attempt at an endpoint, until the head of its response.
func (c *conn) ask(e *endpoint) (u *upstream, sent chan error, err error) {
	c.begun, c.bodyErr = false, nil
	// Where the route says when to try again, nothing else does.
	again := c.whole && !c.ruled && idempotent(c.req.Method)
	u = c.rested(e, again)
	for {
		if u == nil {
			fresh, err := c.dial(e)
			if err != nil {
				c.stats.connectFails.Add(1)
				return nil, nil, fmt.Errorf("%w: %w", errConnect, err)
			}
			u = fresh
		}
		again = again && u.pooled
		c.attach(u)
		c.begun = true
		sent, err := c.send(u, c.whole)
		if err == nil {
			err = c.response(u, c.method())
		}
		if err == nil {
			c.fate.status = c.res.Status
			return u, sent, nil
		}
		// Nothing came back on a connection that the upstream had closed
		// while it rested: it has not seen the request.
		stale := again && u.r == u.w && c.cutBy() == notCut && !errors.As(err, new(*http1.Error))
		c.bodyErr = c.abandon(u, sent)
		if !stale {
			return nil, nil, err
		}
		c.stats.retries.Add(1)
		u, again = nil, false
	}
}

// dial opens a connection, for as long as there is time.
func (c *conn) dial(e *endpoint) (*upstream, error) {
	if !c.patient {
		return e.dial(context.Background(), c.opened)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.mu.Lock()
	c.dialling = cancel
	if c.cut != notCut || c.gone {
		cancel()
	}
	c.mu.Unlock()
	u, err := e.dial(ctx, c.opened)
	c.mu.Lock()
	c.dialling = nil
	c.mu.Unlock()
	return u, err
}

// opened counts a connection to an upstream.
func (c *conn) opened() { c.stats.connects.Add(1) }

// rested takes a resting connection of the endpoint. Those that may have been
// closed meanwhile are looked at: after a sweep, or when the request could not
// be sent again.
func (c *conn) rested(e *endpoint, again bool) *upstream {
	for {
		u := e.take()
		if u == nil || (again && u.rested == c.p.sweeps.Load()) || u.probe.quiet() {
			return u
		}
		u.conn.Close()
	}
}

// takeBody moves a body that has come with its head behind it, so that both go
// out in one write, and reports whether that is all of it.
func (c *conn) takeBody() bool {
	switch {
	case c.rechunk:
		if len(c.content) > 0 {
			c.out = http1.AppendChunk(c.out, c.content)
		}
		if !c.gathered {
			return false
		}
		c.out = append(c.out, http1.LastChunk...)
		c.req.Length = 0
	case c.gathered:
		c.out = append(c.out, c.content...)
		c.req.Length = 0
	}
	if c.req.Length == 0 {
		return true
	}
	if c.req.Length < 0 || c.req.Length > int64(c.in.w-c.in.r) {
		return false
	}
	c.out = append(c.out, c.in.unread()[:c.req.Length]...)
	c.in.r += int(c.req.Length)
	return true
}

func idempotent(method []byte) bool {
	switch string(method) {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
		return true
	}
	return false
}

// attach makes the upstream known to the sweeper.
func (c *conn) attach(u *upstream) {
	c.mu.Lock()
	c.up = u
	switch {
	case c.gone:
		c.cut = clientGone
	case !c.patient:
		c.cut = notCut
	}
	if c.cut != notCut {
		_ = u.conn.SetDeadline(past)
	}
	c.mu.Unlock()
}

// detach takes it back, and reports whether the sweeper left it alone.
func (c *conn) detach() bool {
	c.mu.Lock()
	c.up = nil
	alone := c.cut == notCut
	c.mu.Unlock()
	return alone
}

// send writes the request.
func (c *conn) send(u *upstream, whole bool) (sent chan error, err error) {
	if !whole {
		return c.sendParts(u)
	}
	c.wait()
	_, err = u.conn.Write(c.out)
	return nil, err
}

// wait says that the response is waited for: as long as the route says, or as
// long as Envoy does.
func (c *conn) wait() {
	if c.patient {
		c.mark(patient)
		return
	}
	c.mark(waiting)
}

// sendParts writes the head. The body, which is not all there yet, is carried
// by a goroutine of its own, since the response may begin before it ends; its
// outcome comes through the channel.
func (c *conn) sendParts(u *upstream) (chan error, error) {
	c.mark(streaming)
	c.expectTrailers(u)
	if c.req.Continue && c.in.r == c.in.w {
		if _, err := c.in.src.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return nil, err
		}
	}
	if _, err := u.conn.Write(c.out); err != nil {
		return nil, err
	}
	sent := make(chan error, 1)
	go func(length int64) {
		err := c.carry(u, length)
		if err != nil {
			// Wakes who waits for a response that will not come.
			u.conn.Close()
		}
		c.wait()
		if c.perRequest > 0 {
			c.until(wholeRequest, time.Now().Add(c.perRequest))
		}
		sent <- err
	}(c.req.Length)
	return sent, nil
}

// response reads heads until one is final.
func (c *conn) response(u *upstream, method http1.Method) error {
	for range mostInterim {
		n, err := u.head()
		if err != nil {
			return err
		}
		c.res.Announce = c.trails() && u.trails()
		if err := c.res.Parse(u.unread()[:n], method); err != nil {
			return err
		}
		u.r += n
		if !c.res.Interim() {
			return nil
		}
	}
	return http1.ErrStatusLine
}

// abandon gives up an exchange before its response: it closes the upstream and
// waits for the goroutine that carries the body.
func (c *conn) abandon(u *upstream, sent chan error) error {
	c.detach()
	u.conn.Close()
	if sent == nil {
		return nil
	}
	if err := c.in.src.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	err := <-sent
	if err := c.in.src.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return err
}

// faultOf says what an attempt without a response failed by.
func (c *conn) faultOf(err error) fault {
	switch {
	case errors.Is(err, errConnect):
		return connectFailed
	case c.bodyErr != nil:
		return givenUp
	}
	switch c.cutBy() {
	case clientGone:
		return givenUp
	case timedOut, tryTimedOut, streamTimedOut, idleTimedOut:
		return tookTooLong
	}
	return wasReset
}

// explain answers for an upstream that did not.
func (c *conn) explain(err error) bool {
	var e *http1.Error
	c.fate.fault = c.faultOf(err)
	why := c.cutBy()
	switch {
	case why == clientGone:
		c.stats.aborted.Add(1)
		return false
	case why == timedOut, why == tryTimedOut:
		c.stats.timeouts.Add(1)
		return c.fail(c.whole, http.StatusGatewayTimeout, upstreamSlow)
	case why == streamTimedOut:
		c.stats.timeouts.Add(1)
		return c.fail(c.whole, c.lateStatus(), streamSlow)
	case why == idleTimedOut:
		c.stats.timeouts.Add(1)
		return c.fail(c.whole, c.lateStatus(), streamIdle)
	case errors.Is(err, errConnect):
		return c.lose(http.StatusServiceUnavailable, connectFails)
	case errors.As(c.bodyErr, &e):
		c.stats.malformed.Add(1)
		return c.fail(false, e.Status, e.Reason)
	case errors.Is(c.bodyErr, errClient):
		c.stats.aborted.Add(1)
		return false
	case errors.As(err, &e):
		c.stats.upstreamBad.Add(1)
		return c.lose(http.StatusBadGateway, upstreamBad)
	}
	c.stats.upstreamResets.Add(1)
	if errors.Is(err, errReset) {
		return c.lose(http.StatusServiceUnavailable, upstreamReset)
	}
	return c.lose(http.StatusServiceUnavailable, upstreamEnds)
}

// lateStatus is what Envoy calls a time that is over: the service's fault, once
// the client has said all.
func (c *conn) lateStatus() int {
	if c.whole {
		return http.StatusGatewayTimeout
	}
	return http.StatusRequestTimeout
}

// fail answers an error; the connection goes on only if the body of the
// request has been taken in.
func (c *conn) fail(whole bool, status int, body string) bool {
	if whole {
		c.req.Length = 0
	} else {
		c.req.Close = true
	}
	return c.reply(status, body)
}
