package embedded

import (
	"bytes"
	"context"
	"math/rand/v2"
	"time"

	"github.com/taremesh/tare/dataplane/embedded/route"
	"github.com/taremesh/tare/internal/http1"
)

// mirror sends copies of the request to where its route says. Nobody waits for
// them, and nothing that becomes of them has an effect. A request whose body is
// too long to be held is not copied.
func (c *conn) mirror(w *way) {
	for i, m := range w.Mirrors {
		to := w.mirrors[i]
		if to == nil || !m.Share.Takes(rand.Uint64()) {
			continue
		}
		copied := c.copied(m.AsIs)
		method := c.method()
		c.p.mu.Lock()
		if !c.p.closed {
			c.p.tasks.Go(func() { c.p.sendCopy(to, copied, method) })
		}
		c.p.mu.Unlock()
	}
}

// hostAt is what stands before the host in a request that this plane writes.
const hostAt = "\r\nhost: "

// copied is the request that has been made ready, once more.
func (c *conn) copied(asIs bool) []byte {
	if asIs {
		return bytes.Clone(c.out)
	}
	at := bytes.Index(c.out, []byte(hostAt)) + len(hostAt)
	b := make([]byte, 0, len(c.out)+16)
	b = route.AppendShadow(append(b, c.out[:at]...), c.req.Host)
	return append(b, c.out[at+len(c.req.Host):]...)
}

// sendCopy sends a copy and drops the response.
func (p *proxy) sendCopy(to *cluster, request []byte, method http1.Method) {
	e, why := to.choose(choice{})
	if why != noRefusal {
		return
	}
	o := outcome{fault: connectFailed}
	defer func() { to.done(e, o) }()
	u := e.take()
	for u != nil && !u.probe.quiet() {
		u.conn.Close()
		u = e.take()
	}
	if u == nil {
		var err error
		if u, err = e.dial(p.life, func() {}); err != nil {
			return
		}
	}
	ctx, cancel := context.WithTimeout(p.life, route.DefaultTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = u.conn.SetDeadline(time.Unix(1, 0)) })
	status, clean := u.drop(request, method)
	o = outcome{status: status}
	if status == 0 {
		o.fault = wasReset
	}
	if stop() && clean {
		u.shrink()
		e.give(u, p.sweeps.Load())
		return
	}
	u.conn.Close()
}

// drop sends a request and reads its response only to drop it; clean: the
// connection can be used again.
func (u *upstream) drop(request []byte, method http1.Method) (status int, clean bool) {
	if _, err := u.conn.Write(request); err != nil {
		return 0, false
	}
	var res http1.Response
	for {
		n, err := u.head()
		if err != nil || res.Parse(u.unread()[:n], method) != nil {
			return 0, false
		}
		u.r += n
		if !res.Interim() {
			break
		}
	}
	u.grow(bodyBuffer)
	var scrap []byte
	for in := (intake{in: &u.reader, length: res.Length}); !in.done(); {
		var err error
		if scrap, err = in.next(scrap[:0]); err != nil || in.ended {
			return res.Status, false
		}
	}
	return res.Status, !res.Close && u.r == u.w
}
