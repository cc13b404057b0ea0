package proxywasm

import (
	"context"
	"net/http"
)

// way is one of a stream's two directions.
type way int

const (
	request way = iota
	response
)

// Stream is one request and its response with the guest. One goroutine uses it,
// and not after End. When a guest failed, closed the stream or gave a reply,
// the hooks that are left do nothing and say Pause.
type Stream struct {
	in       *instance
	exchange Exchange
	id       uint32

	paused    [2]bool
	continued [2]bool // by the guest, while its hook ran
	last      way     // which way was paused last
	bodies    [2]body
	sent      bool // the response's headers have gone on
	closed    bool
	replied   bool
	reply     Reply
	set       []property
	created   bool       // the guest has a context for it
	taken     bool       // the guest has taken it whole, without
	additions []Addition // to its response, then
	setBytes  int
}

// property is one that the guest set.
type property struct {
	path  string
	value []byte
}

// begin makes a stream that may have served another fit for this one.
func (s *Stream) begin(x Exchange, id uint32) {
	s.exchange, s.id = x, id
	s.paused, s.continued, s.last = [2]bool{}, [2]bool{}, request
	s.bodies[request].reset()
	s.bodies[response].reset()
	s.sent, s.closed, s.replied = false, false, false
	s.reply = Reply{}
	s.set, s.setBytes = s.set[:0], 0
	s.created, s.taken, s.additions = false, false, s.additions[:0]
	if cap(s.in.scratch) > keptBody {
		s.in.scratch = nil
	}
}

// RequestHeaders shows the guest the head of the request; end: nothing follows.
func (s *Stream) RequestHeaders(end bool) Action {
	if s.in.hooks[OnRequest] != nil && !s.created && !s.taken {
		if a, taken := s.take(end); taken {
			return a
		}
	}
	return s.head(request, OnRequestHeaders, RequestHeaders, end)
}

// ResponseHeaders shows the guest the head of the response.
func (s *Stream) ResponseHeaders(end bool) Action {
	a := s.head(response, OnResponseHeaders, ResponseHeaders, end)
	s.sent = s.sent || a == Continue
	return a
}

// RequestTrailers shows the guest the trailers of the request.
func (s *Stream) RequestTrailers() Action {
	return s.trailers(request, OnRequestTrailers, RequestTrailers)
}

// ResponseTrailers shows the guest the trailers of the response.
func (s *Stream) ResponseTrailers() Action {
	return s.trailers(response, OnResponseTrailers, ResponseTrailers)
}

func (s *Stream) head(w way, h Hook, m Map, end bool) Action {
	if !s.sees(h) {
		return s.otherwise()
	}
	return s.hook(w, h, s.size(m), flag(end))
}

func (s *Stream) trailers(w way, h Hook, m Map) Action {
	if !s.sees(h) {
		return s.otherwise()
	}
	return s.hook(w, h, s.size(m), 0)
}

// sees reports whether the guest has a hook and gets this stream through its hooks.
func (s *Stream) sees(h Hook) bool { return s.in.hooks[h] != nil && !s.taken }

// create makes the stream's context in the guest, once.
func (s *Stream) create() {
	if !s.created {
		s.created = true
		s.in.invoke(OnContextCreate, s.id, uint64(s.id), rootContext)
	}
}

// size is how many fields a map has.
func (s *Stream) size(m Map) uint64 {
	if f := s.exchange.Fields(m); f != nil {
		return uint64(f.Len())
	}
	return 0
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// otherwise is what happens where the guest has no hook.
func (s *Stream) otherwise() Action {
	if s.over() {
		return Pause
	}
	return Continue
}

// hook calls a hook of a direction. What it answers beyond "continue" is a
// pause, whatever kind of it Envoy knows.
func (s *Stream) hook(w way, h Hook, size, end uint64) Action {
	if s.create(); s.over() {
		return Pause
	}
	s.continued[w] = false
	answer, ok := s.in.invoke(h, s.id, uint64(s.id), size, end)
	if !ok || s.over() {
		return Pause
	}
	if answer == uint64(Continue) || s.continued[w] {
		s.paused[w] = false
		return Continue
	}
	s.paused[w], s.last = true, w
	return Pause
}

// over reports whether the guest has no more say.
func (s *Stream) over() bool { return s.replied || s.closed || s.in.failure != nil }

// Wait waits after a Pause until the guest lets the stream go on, or has given
// a reply (nil), or has failed or closed it (the error of Err), or the context
// ends. What comes for the guest meanwhile is given to it: responses to its
// calls, ticks, news of queues.
func (s *Stream) Wait(ctx context.Context) error {
	for {
		if err := s.Err(); err != nil {
			return err
		}
		if s.replied || !s.paused[s.last] {
			return nil
		}
		if e, ok := s.in.plugin.next(s.in); ok {
			s.in.handle(e)
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.in.wake:
		}
	}
}

// Reply is the response that the guest gave; nil: none. It stands until End.
func (s *Stream) Reply() *Reply {
	if !s.replied {
		return nil
	}
	return &s.reply
}

// Err is why the guest has no more say, when it is not a reply: a *Failure, or
// ErrStreamClosed.
func (s *Stream) Err() error {
	switch {
	case s.in.failure != nil:
		return s.in.failure
	case s.closed:
		return ErrStreamClosed
	}
	return nil
}

// End ends the stream's context and gives the instance back, or away with it
// if the guest failed. The maps may still be read by the guest until it returns.
func (s *Stream) End() {
	in := s.in
	if s.created {
		s.leave()
	}
	s.exchange = nil
	s.id = 0
	in.plugin.give(in)
}

// leave ends the context that the guest has of the stream.
func (s *Stream) leave() {
	in := s.in
	switch done, ok := in.ask(OnDone, s.id, uint64(s.id)); {
	case !ok:
	case done:
		in.finish(s.id)
	default:
		in.linger(s.id)
	}
}

// answer gives a reply of the host's own.
func (s *Stream) answer(status int, details string) {
	s.replied = true
	s.reply = Reply{Status: status, Details: details, Body: []byte(http.StatusText(status)), GRPCStatus: -1}
}
