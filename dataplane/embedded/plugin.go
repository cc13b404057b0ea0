package embedded

import (
	"context"
	"io"
	"net/http"
	"slices"

	"github.com/taremesh/tare/dataplane/proxywasm"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/http1"
)

// link is one place of a chain: a filter written in Go, or a plugin.
type link struct {
	filter function.Filter
	plugin *proxywasm.Plugin
	off    bool // it is passed over
	// What the filter is beside a filter, if it is.
	responder function.Responder
	bodies    function.BodyFilter
	finisher  function.Finisher
}

// visit is a plugin at work on the exchange of a connection, what one has left
// for the response, or a filter that is to see the response.
type visit struct {
	plugin *proxywasm.Plugin
	stream *proxywasm.Stream
	left   []http1.Field

	responder function.Responder
	done      bool // it has seen a head
	encode    func(io.Writer) io.WriteCloser
	writer    io.WriteCloser
	sink      *sink // what the writer has written
}

const bodyTooLarge = "Payload Too Large"

// pass takes the request through one place of the chain and reports whether it
// goes on.
func (c *conn) pass(l link) bool {
	if l.plugin == nil {
		return c.handle(l)
	}
	s, err := l.plugin.Stream(&c.x)
	if err != nil {
		c.stats.pluginFailures.Add(1)
		c.x.Reply(http.StatusServiceUnavailable, "")
		return false
	}
	body := c.req.Length != 0 || c.gathered
	action := s.RequestHeaders(!body)
	if left, taken := s.Taken(); taken {
		return c.taken(s, left)
	}
	c.visits = append(c.visits, visit{plugin: l.plugin, stream: s})
	if !c.went(s, action) {
		return false
	}
	if !body || !l.plugin.Sees(proxywasm.OnRequestBody) {
		return true
	}
	if !c.gather(mostGathered) {
		return false
	}
	var content []byte
	content, action = s.RequestBody(c.content, true)
	if !c.went(s, action) {
		return false
	}
	c.content = content
	if action == proxywasm.Pause {
		c.content = s.HeldRequest()
	}
	return true
}

// taken ends a stream that its plugin has taken whole, and keeps what was left
// for the response: the plugin serves others while this request is under way.
func (c *conn) taken(s *proxywasm.Stream, left []proxywasm.Addition) bool {
	defer s.End()
	if c.answered(s) {
		return false
	}
	if len(left) == 0 {
		return true
	}
	c.visits = append(c.visits, visit{left: c.x.leave(left)})
	return true
}

// went reports whether the exchange goes on after a hook, at once or when the
// plugin that paused it says so. Nothing further is shown to a plugin before.
func (c *conn) went(s *proxywasm.Stream, a proxywasm.Action) bool {
	if c.answered(s) {
		return false
	}
	return a == proxywasm.Continue || c.await(s)
}

// answered reports whether the plugin has failed or has answered the request
// itself, and makes its answer the exchange's.
func (c *conn) answered(s *proxywasm.Stream) bool {
	if s.Err() != nil {
		c.stats.pluginFailures.Add(1)
		c.x.Reply(http.StatusServiceUnavailable, "")
		return true
	}
	r := s.Reply()
	if r == nil {
		return false
	}
	for _, h := range r.Headers {
		if name := []byte(h.Name); !http1.Framing(name) {
			c.x.AddResponseHeader(h.Name, []byte(h.Value))
		}
	}
	c.x.Reply(r.Status, string(r.Body))
	return true
}

// await waits until a plugin that paused goes on, and reports whether it did.
func (c *conn) await(s *proxywasm.Stream) bool {
	c.mark(streaming)
	ctx, cancel := context.WithTimeout(context.Background(), c.p.limits.waiting)
	defer cancel()
	err := s.Wait(ctx)
	if c.answered(s) {
		return false
	}
	if err != nil {
		c.stats.timeouts.Add(1)
		c.x.Reply(http.StatusGatewayTimeout, upstreamSlow)
		return false
	}
	return true
}

// gather reads the whole body of the request, which plugins and filters see in
// one piece.
func (c *conn) gather(most int64) bool {
	if c.gathered {
		if int64(len(c.content)) > most {
			return c.refuseBody(http.StatusRequestEntityTooLarge, bodyTooLarge)
		}
		return true
	}
	c.x.scratch = c.req.Own(c.x.scratch)
	c.body = c.body[:0]
	if c.req.Length > most {
		return c.refuseBody(http.StatusRequestEntityTooLarge, bodyTooLarge)
	}
	if !c.encourage() {
		return false
	}
	c.mark(reading)
	for in := (intake{in: &c.in, length: c.req.Length}); !in.done(); c.progress() {
		var err error
		if c.body, err = in.next(c.body); err != nil {
			return c.refuseBody(http.StatusBadRequest, err.Error())
		}
		c.note.received.Store(int64(len(c.body)))
		if int64(len(c.body)) > most {
			return c.refuseBody(http.StatusRequestEntityTooLarge, bodyTooLarge)
		}
	}
	c.gathered, c.content = true, c.body
	c.req.SetLength(0) // nothing of it is left to be read
	return true
}

// refuseBody answers a request whose body cannot be taken in.
func (c *conn) refuseBody(status int, why string) bool {
	c.req.Close = true
	c.x.Reply(status, why)
	return false
}

// mostGathered is the largest body that is held for plugins, Envoy's default.
const mostGathered = 1 << 20

// leave ends what the plugins had to do with the exchange.
func (c *conn) leave() {
	for _, v := range slices.Backward(c.visits) {
		if v.stream != nil {
			v.stream.End()
		}
	}
	clear(c.visits)
	c.visits = c.visits[:0]
	c.content = nil
	if cap(c.body) > bodyBuffer {
		c.body = nil
	}
}
