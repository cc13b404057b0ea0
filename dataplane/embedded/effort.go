package embedded

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/taremesh/tare/dataplane/embedded/route"
	"github.com/taremesh/tare/internal/http1"
)

// effort is what is done for one request whose route asks for more than to send
// it on: the attempts that have been made, and what bounds them.
type effort struct {
	way     *way
	to      *cluster
	retry   *route.Retry // nil: there is one attempt
	by      choice
	tries   int           // attempts beyond the first
	holding bool          // the right to the present one is to be given back
	limit   time.Duration // from the end of the request to the end of the response; 0: any time
	over    time.Time     // when the caller waits no longer, which the service is told; zero: it is not
}

// strive hands the request to the cluster as its route says, as often as that
// says, and its response to the client.
func (c *conn) strive(to *cluster) bool {
	w := c.way
	f := effort{way: w, to: to}
	if w.Retry != nil && w.Retry.Applies(&c.x) {
		f.retry = w.Retry
	}
	if len(w.Hash) > 0 {
		f.by.hash, f.by.hashed = w.Sum(&c.x, c.giveCookie)
	}
	f.by.patience = w.Times.Timeout
	if f.retry != nil || len(w.mirrors) > 0 {
		if !c.gatherMost() {
			return c.fail(false, c.x.status, c.x.body)
		}
	}
	c.hear(&f)
	c.handOn(&f)
	c.ready()
	if !c.whole {
		f.retry = nil // it could not be sent again
	} else {
		c.mirror(w)
	}
	c.allow(&f)
	next := c.attempts(&f)
	c.disallow()
	return next
}

// giveCookie has the client given a cookie.
func (c *conn) giveCookie(setCookie string) {
	c.x.AddResponseHeader("set-cookie", []byte(setCookie))
}

// allow starts the times of the route.
func (c *conn) allow(f *effort) {
	now, w := time.Now(), f.way
	c.patient, c.ruled = true, w.Retry != nil
	c.mu.Lock()
	c.cut = notCut
	c.mu.Unlock()
	if w.Times.Idle != nil && *w.Times.Idle > 0 {
		c.watchIdle(*w.Times.Idle)
	}
	if whole, ok := w.Times.Whole(c.saidTimeout()); ok {
		c.until(wholeStream, now.Add(whole))
	}
	if f.limit > 0 {
		c.perRequest = f.limit
		if c.whole {
			c.until(wholeRequest, now.Add(f.limit))
		}
	}
}

// hear learns how long the request may take: what the route says, or the caller
// if the route asks it.
func (c *conn) hear(f *effort) {
	f.limit = f.way.Times.Timeout
	if wait, ok := f.way.Times.Caller.Wait(&c.x); ok {
		if f.limit = wait; wait > 0 {
			f.over = time.Now().Add(wait)
		}
	}
}

// handOn has the service know how long the caller still waits, or this attempt
// may take if that is less.
func (c *conn) handOn(f *effort) {
	if f.over.IsZero() {
		return
	}
	left := time.Until(f.over)
	if f.retry != nil && f.retry.PerTry > 0 {
		left = min(left, f.retry.PerTry)
	}
	var text [16]byte
	c.x.SetHeader("grpc-timeout", route.AppendTimeout(text[:0], left))
}

func (c *conn) saidTimeout() ([]byte, bool) { return c.x.Copy("grpc-timeout", 0) }

func (c *conn) disallow() {
	c.patient, c.ruled, c.perRequest, c.again = false, false, 0, 0
	c.calm()
}

// attempts makes one attempt after the other until one is good enough.
func (c *conn) attempts(f *effort) bool {
	for {
		e, why := f.to.choose(f.by)
		if why != noRefusal {
			c.release(f)
			return c.unplaced(why)
		}
		c.fate = outcome{}
		c.note.upstream = e.addr
		if f.tries > 0 && !f.over.IsZero() {
			c.handOn(f)
			c.rewriteHead()
		}
		if f.retry != nil && f.retry.PerTry > 0 {
			c.until(oneTry, time.Now().Add(f.retry.PerTry))
		}
		u, sent, err := c.ask(e)
		c.until(oneTry, time.Time{})
		wait, again := c.another(f, err)
		if !again {
			next := false
			if err == nil {
				next = c.relay(u, sent)
			} else {
				next = c.explain(err)
			}
			c.ended(f.to, e)
			c.release(f)
			return next
		}
		if err == nil {
			c.discard(u)
		} else {
			c.fate.fault = c.faultOf(err)
		}
		c.ended(f.to, e)
		if f.retry.Elsewhere {
			f.by.tried = append(f.by.tried, e)
		}
		f.tries++
		c.again++
		if !c.pause(wait) {
			c.release(f)
			return c.explain(errCut)
		}
	}
}

// errCut says that an exchange was cancelled between two attempts.
var errCut = errors.New("cancelled")

// ended says what became of an attempt.
func (c *conn) ended(to *cluster, e *endpoint) {
	c.count(to, c.fate)
	to.done(e, c.fate)
}

// another decides whether there is to be another attempt, and takes the right
// to it.
func (c *conn) another(f *effort, err error) (wait time.Duration, again bool) {
	r := f.retry
	if r == nil || f.tries >= r.Most || !c.worthwhile(r, err) {
		return 0, false
	}
	c.release(f)
	if !f.to.retry() {
		return 0, false
	}
	f.holding = true
	c.tallyOf(f.to.name).again.Add(1)
	var head route.Copier
	if err == nil {
		head = &c.res
	}
	return r.Wait(f.tries+1, head, time.Now(), rand.Uint64()), true
}

// worthwhile reports whether the policy wants another attempt after this one.
func (c *conn) worthwhile(r *route.Retry, err error) bool {
	if err == nil {
		return r.Answered(c.res.Status, &c.res)
	}
	if why := c.cutBy(); why != notCut && why != tryTimedOut {
		return false
	}
	return r.Failed(!errors.Is(err, errConnect), c.begun)
}

func (c *conn) release(f *effort) {
	if f.holding {
		f.holding = false
		f.to.retried()
	}
}

// discard gives up a response of which the head has been read. One that has
// come whole leaves its connection as good as it was.
func (c *conn) discard(u *upstream) {
	left := c.res.Length
	if left >= 0 && left <= int64(u.w-u.r) {
		u.r += int(left)
	}
	// Its own error would be of the request's body, which has been sent.
	_ = c.settle(u, nil, left >= 0 && u.r == u.w && !c.res.Close)
}

// unplaced answers for a cluster that gave no endpoint.
func (c *conn) unplaced(why refusal) bool {
	switch why {
	case overloaded:
		return c.lose(http.StatusServiceUnavailable, upstreamFull)
	case waitedTooLong:
		return c.fail(c.whole, http.StatusGatewayTimeout, upstreamSlow)
	}
	return c.fail(c.whole, http.StatusServiceUnavailable, noUpstream)
}

// gatherMost takes in the body of the request so that it can be sent more than
// once, if it is not too long for that. What has been taken in of a longer one
// is sent first.
func (c *conn) gatherMost() bool {
	if c.gathered || c.req.Length == 0 || c.req.Length > mostGathered {
		return true
	}
	c.x.scratch = c.req.Own(c.x.scratch)
	if !c.encourage() {
		return false
	}
	c.mark(reading)
	c.body = c.body[:0]
	in := intake{in: &c.in, length: c.req.Length}
	for ; !in.done() && len(c.body) <= mostGathered; c.progress() {
		var err error
		if c.body, err = in.next(c.body); err != nil {
			return c.refuseBody(http.StatusBadRequest, err.Error())
		}
		c.note.received.Store(int64(len(c.body)))
	}
	c.rechunk, c.chunks = c.req.Length == http1.Chunked, in.chunks
	c.content = c.body
	if in.done() {
		c.gathered = true
		if !c.rechunk {
			c.req.SetLength(0) // nothing of it is left to be read
		}
	}
	return true
}

// encourage says to a client that waits for it that its body may come.
func (c *conn) encourage() bool {
	if !c.req.Continue || c.in.r < c.in.w {
		return true
	}
	c.req.Continue = false
	return c.write([]byte("HTTP/1.1 100 Continue\r\n\r\n")) == nil
}
