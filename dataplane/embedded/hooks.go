package embedded

import (
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/taremesh/tare/dataplane/embedded/route"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/http1"
)

// linkOf finds out once what a filter wants to see.
func linkOf(f function.Filter) link {
	l := link{filter: f}
	l.responder, _ = f.(function.Responder)
	l.bodies, _ = f.(function.BodyFilter)
	l.finisher, _ = f.(function.Finisher)
	return l
}

// watched reports whether any filter is told how exchanges end.
func (t *table) watches() bool {
	has := func(l link) bool { return l.finisher != nil }
	return slices.ContainsFunc(t.chain, has) ||
		slices.ContainsFunc(t.ways, func(w way) bool { return slices.ContainsFunc(w.chain, has) })
}

// handle takes the request through a filter written in Go.
func (c *conn) handle(l link) bool {
	if l.finisher != nil {
		c.told = append(c.told, l.finisher)
		// The head is gone when its body has been read.
		c.x.scratch = c.req.Own(c.x.scratch)
	}
	if !l.filter.Handle(&c.x) {
		return false
	}
	if l.bodies != nil {
		if !c.gather(l.bodies.MostBody()) || !l.bodies.HandleBody(&c.x, c.content) {
			return false
		}
	}
	if l.responder != nil {
		c.visits = append(c.visits, visit{responder: l.responder})
	}
	return true
}

// respond shows the head of the response to a filter, and reports whether it
// goes on: a filter may answer in its place, which no other is shown. What filters
// have added stands in the head from then on.
func (c *conn) respond(v *visit) (proceed bool) {
	c.res.Fields = append(c.res.Fields, c.x.added...)
	c.x.added = c.x.added[:0]
	c.view.c, c.view.at = c, v
	c.x.status = 0 // that of the answer which is shown, if there was one
	v.responder.Respond(&c.x, &c.view)
	c.view.at = nil
	if c.x.status == 0 {
		return true
	}
	for i := range c.visits {
		c.visits[i].done, c.visits[i].encode = true, nil
	}
	return false
}

// encoded reports whether a filter changes the body of the response.
func (c *conn) encoded() bool {
	return slices.ContainsFunc(c.visits, func(v visit) bool { return v.encode != nil })
}

// through passes a piece of the body on through a filter's writer.
func (v *visit) through(b []byte, end bool) ([]byte, error) {
	if v.writer == nil {
		v.sink = new(sink)
		v.writer = v.encode(v.sink)
	}
	v.sink.b = v.sink.b[:0]
	if len(b) > 0 {
		if _, err := v.writer.Write(b); err != nil {
			return nil, err
		}
	}
	if end {
		if err := v.writer.Close(); err != nil {
			return nil, err
		}
	}
	return v.sink.b, nil
}

// sink keeps what is written.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// view is a response that has not been sent, as filters and routes see it.
type view struct {
	c  *conn
	at *visit // of the filter that looks; nil: none does
}

func (v *view) Status() int { return v.c.res.Status }

func (v *view) SetStatus(status int) {
	if status < 200 || status > 599 {
		v.c.x.unfit = true
		return
	}
	v.c.res.Status, v.c.res.Reason = status, nil
}

func (v *view) Header(name string) ([]byte, bool) {
	if name == "content-length" {
		return v.c.x.number(v.c.res.Length, v.c.res.Length >= 0 && !v.c.res.NoBody)
	}
	return v.c.res.Get(name)
}

// Copy is Header for all copies.
func (v *view) Copy(name string, before int) ([]byte, bool) { return v.c.res.Copy(name, before) }

// EachHeader visits the response's headers.
func (v *view) EachHeader(visit func(name, value []byte) bool) {
	for i := range v.c.res.Fields {
		if f := &v.c.res.Fields[i]; len(f.Name) > 0 && !visit(f.Name, f.Value) {
			return
		}
	}
}

func (v *view) SetHeader(name string, value []byte) {
	if f, ok := v.c.x.field(name, value); ok {
		v.c.res.Remove(name)
		v.c.res.Add(f.Name, f.Value)
	}
}

func (v *view) AddHeader(name string, value []byte) {
	if f, ok := v.c.x.field(name, value); ok {
		v.c.res.Add(f.Name, f.Value)
	}
}

func (v *view) RemoveHeader(name string) { v.c.res.Remove(name) }

// Encode has the body go through a writer.
func (v *view) Encode(through func(io.Writer) io.WriteCloser) {
	if v.at != nil {
		v.at.encode = through
	}
}

// tell tells the filters that want to know how the exchange ended.
func (c *conn) tell() {
	e := function.Ending{
		Status: c.note.status, Received: c.note.received.Load(), Sent: c.note.sent,
		Began: c.note.began, Took: time.Since(c.note.began), Upstream: c.note.upstream, Broken: !c.note.done,
	}
	for _, f := range slices.Backward(c.told) {
		f.Finish(&c.x, e)
	}
	clear(c.told)
	c.told = c.told[:0]
}

// local makes the response that is given in the upstream's place, and shows it
// to the route and to the filters that have let the request on. It returns the
// body, which is another one where such a filter answers by itself.
func (c *conn) local(status int, body string) string {
	c.res.Fields = c.res.Fields[:0]
	c.res.Status, c.res.Reason, c.res.Length, c.res.NoBody, c.res.Close = status, nil, int64(len(body)), c.head || status == 204, false
	c.x.res, c.view.c = &c.res, c
	if c.way != nil && c.way.Answers() {
		c.way.Answer(&c.view, &c.x)
	}
	if amend := c.x.amend; amend != nil {
		c.x.amend = nil
		amend(&c.view)
	}
	c.typed(status, body)
	for i := len(c.visits) - 1; i >= 0; i-- {
		v := &c.visits[i]
		if v.responder == nil || v.done {
			continue
		}
		v.done = true
		if !c.respond(v) {
			return c.local(c.x.status, c.x.body) // the last of them: all are done
		}
	}
	return body
}

// typed says what kind of a body the response has that is made here, unless
// somebody has said so. Without one it is of no kind.
func (c *conn) typed(status int, body string) {
	kind, _ := c.req.Get("content-type")
	_, said := c.res.Get("content-type")
	said = said || slices.ContainsFunc(c.x.added, func(f http1.Field) bool { return http1.Is(f.Name, "content-type") })
	switch {
	case route.IsGRPC(kind) && c.req.Method != nil:
		c.localGRPC(status, body)
	case body == "":
		c.res.Remove("content-type")
	case !said:
		c.res.Add(contentType, plainText)
	}
}

// reasons are what stands behind statuses.
var reasons = func() map[int][]byte {
	all := map[int][]byte{}
	for status := 100; status < 600; status++ {
		if text := http.StatusText(status); text != "" {
			all[status] = []byte(text)
		}
	}
	return all
}()

var contentType, plainText = []byte("content-type"), []byte("text/plain")

// localGRPC makes it one of gRPC's, where the status and the words stand in
// fields of the head.
func (c *conn) localGRPC(status int, body string) {
	code, ok := grpcCodes[status]
	if !ok {
		code = grpcUnknown
	}
	c.res.Status, c.res.Length, c.res.NoBody = http.StatusOK, 0, true
	c.res.Remove("content-type")
	c.res.Add(contentType, grpcType)
	if _, said := c.res.Get("grpc-status"); !said {
		c.res.Add(grpcStatus, code)
	}
	if body != "" {
		c.res.Add(grpcMessage, grpcEscape(body))
	}
}

var (
	grpcType    = []byte("application/grpc")
	grpcStatus  = []byte("grpc-status")
	grpcMessage = []byte("grpc-message")
	grpcUnknown = []byte("2")
	// grpcCodes are what gRPC calls the statuses of HTTP.
	grpcCodes = map[int][]byte{
		400: []byte("13"), 401: []byte("16"), 403: []byte("7"), 404: []byte("12"),
		429: []byte("14"), 502: []byte("14"), 503: []byte("14"), 504: []byte("14"),
	}
)

// grpcEscape escapes what may not stand in a grpc-message.
func grpcEscape(text string) []byte {
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := range len(text) {
		if c := text[i]; c >= ' ' && c <= '~' && c != '%' {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// encodedBody is the body of a response that is given in the upstream's place,
// as the filters want it.
func (c *conn) encodedBody(body string) []byte {
	b := []byte(body)
	for i := len(c.visits) - 1; i >= 0; i-- {
		if v := &c.visits[i]; v.encode != nil {
			var err error
			if b, err = v.through(b, true); err != nil {
				return nil
			}
		}
	}
	return append(http1.AppendChunk(nil, b), http1.LastChunk...)
}
