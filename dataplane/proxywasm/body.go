package proxywasm

import "net/http"

// keptBody is how large a buffer may be that is kept for the next stream.
const keptBody = 64 << 10

// body is what the guest sees of one direction's body: the chunk that the plane
// has handed over, after what was held back before. It stays the plane's
// memory until it is held back or changed.
type body struct {
	content []byte
	open    bool      // the guest may look at it
	own     [2][]byte // memory that content may lie in
	at      int       // which; 0: neither
}

func (b *body) reset() {
	b.content, b.open, b.at = nil, false, 0
	for i := range b.own {
		if cap(b.own[i]) > keptBody {
			b.own[i] = nil
		}
	}
}

// store makes content of three parts, in memory that does not hold any of it.
func (b *body) store(head, middle, tail []byte) {
	to := b.at % 2 // own[b.at-1] holds the content, when b.at is not 0
	memory := append(append(append(b.own[to][:0], head...), middle...), tail...)
	b.own[to], b.content, b.at = memory, memory, to+1
}

// add puts a chunk behind what is held back.
func (b *body) add(chunk []byte) {
	if len(b.content) == 0 {
		b.content, b.at = chunk, 0
		return
	}
	memory := append(b.content, chunk...)
	b.own[b.at-1], b.content = memory, memory
}

// hold makes sure that the content outlives the plane's buffer.
func (b *body) hold() {
	if b.at == 0 {
		b.store(b.content, nil, nil)
	}
}

// release lets the content go on. It stands until the next chunk.
func (b *body) release() []byte {
	c := b.content
	b.content, b.open, b.at = nil, false, 0
	return c
}

// replace puts data in the place of size bytes from start; a start beyond the
// end is the end.
func (b *body) replace(start, size uint32, data []byte, most int) status {
	n := uint64(len(b.content))
	from := min(uint64(start), n)
	to := min(uint64(start)+uint64(size), n)
	to = max(to, from)
	if n-(to-from)+uint64(len(data)) > uint64(most) {
		return statusInternalFailure
	}
	b.store(b.content[:from], data, b.content[to:])
	return statusOK
}

// RequestBody shows the guest a chunk of the request's body, behind what was
// held back before it; end: it is the last. What may go on is returned, and
// stands until the next call; nothing on Pause. A body that is held back beyond
// the limit is answered with 413.
func (s *Stream) RequestBody(b []byte, end bool) ([]byte, Action) {
	return s.chunk(request, OnRequestBody, b, end)
}

// ResponseBody does the same for the response; beyond the limit it is 500.
func (s *Stream) ResponseBody(b []byte, end bool) ([]byte, Action) {
	return s.chunk(response, OnResponseBody, b, end)
}

// HeldRequest is the part of the request's body that was held back and that
// may go on, after Wait.
func (s *Stream) HeldRequest() []byte { return s.held(request) }

// HeldResponse is the same of the response's body.
func (s *Stream) HeldResponse() []byte { return s.held(response) }

func (s *Stream) held(w way) []byte {
	if s.paused[w] || s.over() {
		return nil
	}
	return s.bodies[w].release()
}

func (s *Stream) chunk(w way, h Hook, chunk []byte, end bool) ([]byte, Action) {
	if s.over() {
		return nil, Pause
	}
	b := &s.bodies[w]
	if len(b.content) > 0 && len(b.content)+len(chunk) > s.in.plugin.limits.BodyBytes {
		return s.tooLarge(w)
	}
	b.add(chunk)
	if !s.sees(h) {
		return b.release(), Continue
	}
	b.open = true
	if s.hook(w, h, uint64(len(b.content)), flag(end)) == Continue {
		return b.release(), Continue
	}
	if len(b.content) > s.in.plugin.limits.BodyBytes {
		return s.tooLarge(w)
	}
	b.hold()
	return nil, Pause
}

// tooLarge answers for a body that does not fit, as Envoy does.
func (s *Stream) tooLarge(w way) ([]byte, Action) {
	code := http.StatusRequestEntityTooLarge
	if w == response {
		code = http.StatusInternalServerError
	}
	s.answer(code, "body_beyond_limit")
	return nil, Pause
}
