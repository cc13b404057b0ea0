package embedded

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/taremesh/tare/internal/http1"
)

// Trailers of HTTP/1.1 are handed on where the listener's and the cluster's
// options let them, as in Envoy; those of HTTP/2 are always. They stand in the
// chunks that all bodies of untold length are to the rest of this plane.

// trails reports whether the client's side has trailers.
func (c *conn) trails() bool {
	if _, ok := c.in.src.(*stream); ok {
		return true
	}
	return c.from != nil && c.from.trailers && !c.req.Old()
}

// announced reports whether the request may say that trailers come.
func (c *conn) announced() bool {
	_, ok := c.in.src.(*stream)
	return ok || c.from != nil && c.from.trailers
}

// trails reports whether the service's side has them.
func (u *upstream) trails() bool {
	return u.home.by != nil && (u.home.by.http2 || u.home.by.trailers)
}

// expectTrailers prepares an exchange of HTTP/2 for trailers of its request.
func (c *conn) expectTrailers(u *upstream) {
	to, ok := u.conn.(*carried)
	if !ok {
		return
	}
	from, is := c.in.src.(*stream)
	to.trails = is && len(from.r.Trailer) > 0 || !is && c.trails()
}

// trailInBand has a response of HTTP/2 give its trailers in its chunks. Where the
// client speaks HTTP/2 too, passTrailer hands them on, however large they are.
func (c *conn) trailInBand(u *upstream) {
	from, ok := u.conn.(*carried)
	if _, is := c.in.src.(*stream); ok && !is {
		from.inBand = true
	}
}

// passTrailer hands on what came behind the response's body from HTTP/2 to HTTP/2.
func (c *conn) passTrailer(u *upstream) {
	to, ok := c.in.src.(*stream)
	from, is := u.conn.(*carried)
	if !ok || !is {
		return
	}
	to.trailer = from.trailer()
	maps.DeleteFunc(to.trailer, func(name string, _ []string) bool { return !http1.MayTrail([]byte(name)) })
}

// trail takes trailers for the response that has ended.
func (s *stream) trail(trailers []byte) {
	http1.EachTrailer(trailers, func(name, value []byte) {
		if s.trailer == nil {
			s.trailer = http.Header{}
		}
		s.trailer.Add(string(name), string(value))
	})
}

// end is the last chunk of the response.
func (c *carried) end() []byte {
	if !c.inBand {
		return []byte(http1.LastChunk)
	}
	return endOf(c.res.Trailer)
}

// endOf is a last chunk with the trailers that may be handed on. Those that are
// too large for HTTP/1.1 are not.
func endOf(trailers http.Header) []byte {
	var lines []byte
	for _, name := range slices.Sorted(maps.Keys(trailers)) {
		for _, v := range trailers[name] {
			lines = http1.AppendTrailer(lines, []byte(strings.ToLower(name)), []byte(v))
		}
	}
	if len(lines) > http1.MaxTrailer {
		lines = nil
	}
	return http1.AppendEnd(nil, lines)
}

// announce writes the names of trailers that will come.
func announce(b []byte, trailers http.Header) []byte {
	if len(trailers) == 0 {
		return b
	}
	b = append(b, "trailer: "...)
	b = append(b, strings.Join(slices.Sorted(maps.Keys(trailers)), ", ")...)
	return append(b, "\r\n"...)
}
