package embedded

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/taremesh/tare/dataplane/proxywasm"
	"github.com/taremesh/tare/internal/http1"
)

// errReplaced says that a plugin put an answer of its own, or of its failure,
// in the place of a response of which nothing was written.
var errReplaced = errors.New("the response was replaced")

// relayThrough takes the response whose head has been read through the
// plugins, the last of the chain first, and writes what becomes of it.
func (c *conn) relayThrough(u *upstream, sent chan error) bool {
	c.mark(streaming)
	c.x.res = &c.res
	if c.res.Length != 0 && c.sees(proxywasm.OnResponseBody) {
		return c.relayBodyThrough(u, sent, false)
	}
	end := c.res.Length == 0
	if !c.heads(end) {
		return c.replace(u, sent, end)
	}
	if !end && c.encoded() {
		return c.relayBodyThrough(u, sent, true)
	}
	return c.relayPlain(u, sent)
}

// sees reports whether any plugin of the request has the hook.
func (c *conn) sees(h proxywasm.Hook) bool {
	return slices.ContainsFunc(c.visits, func(v visit) bool { return v.plugin != nil && v.plugin.Sees(h) })
}

// heads shows the head to every plugin and to every filter, the last of the
// chain first, and reports whether it is what is to be sent.
func (c *conn) heads(end bool) bool {
	for i := len(c.visits) - 1; i >= 0; i-- {
		v := &c.visits[i]
		v.done = true
		switch {
		case v.responder != nil:
			if !c.respond(v) {
				return false
			}
		case v.stream == nil:
			c.addLeft(v.left)
		case !c.went(v.stream, v.stream.ResponseHeaders(end)):
			return false
		}
	}
	return c.fit()
}

// addLeft adds to the response what a plugin has left for it.
func (c *conn) addLeft(left []http1.Field) {
	for i := range left {
		if !http1.ValidName(left[i].Name) || !http1.ValidValue(left[i].Value) {
			c.x.unfit = true
			return
		}
	}
	c.res.Fields = append(c.res.Fields, left...)
}

// fit refuses a head that a plugin or a filter has spoilt.
func (c *conn) fit() bool {
	if c.x.unfit {
		c.x.Reply(http.StatusInternalServerError, unfitHeader)
	}
	return !c.x.unfit
}

// replace answers in the place of a response; read: its body has been read.
func (c *conn) replace(u *upstream, sent chan error, read bool) bool {
	clean := read && !c.res.Close && u.r == u.w
	err := c.settle(u, sent, clean)
	return c.fail(err == nil && (sent == nil || clean), c.x.status, c.x.body)
}

// relayBodyThrough is for responses whose body some plugin looks at: in one
// piece when it is short, else as it comes.
func (c *conn) relayBodyThrough(u *upstream, sent chan error, headed bool) bool {
	c.x.scratch = c.res.Own(c.x.scratch)
	w := &outflow{conn: c, u: u, in: intake{in: &u.reader, length: c.res.Length}, headed: headed}
	err := w.run()
	if errors.Is(err, errReplaced) {
		return c.replace(u, sent, w.in.done())
	}
	last := c.req.Close || c.ending() || w.untilEnd
	clean := err == nil && w.in.done() && !w.in.ended && !c.res.Close && u.r == u.w
	return c.finish(u, sent, err, clean, last)
}

// outflow is a response on its way through the plugins of its request.
type outflow struct {
	*conn
	u        *upstream
	in       intake
	headed   bool // the head has been shown to all
	untilEnd bool // to an old client the body ends with the connection
}

// wholeAtOnce is the largest body that is read to its end before plugins see it.
const wholeAtOnce = bodyBuffer

func (w *outflow) run() error {
	w.body = w.body[:0]
	if !w.headed && w.in.length > 0 && w.in.length <= wholeAtOnce {
		if err := w.read(); err != nil {
			return err
		}
	}
	if !w.headed && !w.heads(false) {
		return errReplaced
	}
	if w.in.done() && !w.encoded() {
		return w.whole()
	}
	return w.pieces()
}

// read takes in the whole body.
func (w *outflow) read() error {
	w.body = w.body[:0]
	w.u.grow(bodyBuffer)
	for !w.in.done() {
		var err error
		if w.body, err = w.in.next(w.body); err != nil {
			return fmt.Errorf("%w: %w", errUnwritten, err)
		}
		w.mark(streaming)
	}
	return nil
}

// whole hands the body on in one piece.
func (w *outflow) whole() error {
	body := w.body
	for _, v := range slices.Backward(w.visits) {
		if v.plugin == nil || !v.plugin.Sees(proxywasm.OnResponseBody) {
			continue
		}
		var action proxywasm.Action
		body, action = v.stream.ResponseBody(body, true)
		if !w.went(v.stream, action) {
			return errReplaced
		}
		if action == proxywasm.Pause {
			body = v.stream.HeldResponse()
		}
	}
	if !w.fit() {
		return errReplaced
	}
	w.out = http1.AppendFraming(w.res.AppendStatus(w.out[:0]), int64(len(body)))
	w.note.sent = int64(len(body))
	w.out = append(w.appendOwn(w.out, w.req.Close || w.ending()), body...)
	return w.write(w.out)
}

// pieces hands the body on as it comes. Its length is not known any more,
// since a plugin may change it.
func (w *outflow) pieces() error {
	w.untilEnd = w.req.Old()
	w.out = w.res.AppendStatus(w.out[:0])
	if !w.untilEnd {
		w.out = http1.AppendFraming(w.out, http1.Chunked)
	}
	w.out = w.appendOwn(w.out, w.untilEnd || w.req.Close || w.ending())
	if w.in.done() {
		return w.piece(true)
	}
	w.u.grow(bodyBuffer)
	for !w.in.done() {
		var err error
		if w.body, err = w.in.next(w.body[:0]); err != nil {
			return err
		}
		if err := w.piece(w.in.done()); err != nil {
			return err
		}
		w.mark(streaming)
	}
	return nil
}

// piece takes the next piece of the body through every plugin and writes it.
func (w *outflow) piece(end bool) error {
	b := w.body
	for i := len(w.visits) - 1; i >= 0; i-- {
		v := &w.visits[i]
		if v.encode != nil {
			var err error
			if b, err = v.through(b, end); err != nil {
				return err
			}
			continue
		}
		if v.plugin == nil || !v.plugin.Sees(proxywasm.OnResponseBody) {
			continue
		}
		var action proxywasm.Action
		b, action = v.stream.ResponseBody(b, end)
		switch {
		case w.answered(v.stream), action == proxywasm.Pause && end && !w.await(v.stream):
			return errors.New("a plugin gave up in the middle of the body")
		case action == proxywasm.Pause && end:
			b = v.stream.HeldResponse()
		}
	}
	w.note.sent += int64(len(b))
	switch {
	case w.untilEnd:
		w.out = append(w.out, b...)
	case len(b) > 0:
		w.out = http1.AppendChunk(w.out, b)
	}
	if end && !w.untilEnd {
		w.out = append(w.out, http1.LastChunk...)
	}
	err := w.write(w.out)
	w.out = w.out[:0]
	return err
}
