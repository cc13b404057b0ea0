package http1

import "bytes"

// Trailer is the trailers that were kept, as they came; they are for EachTrailer
// and AppendEnd.
func (c *Chunks) Trailer() []byte { return c.kept }

// EachTrailer visits the fields that may be handed on, of trailers that a body had.
func EachTrailer(trailers []byte, visit func(name, value []byte)) {
	for len(trailers) > 0 {
		line, rest := cut(trailers)
		colon := bytes.IndexByte(line, ':')
		if name := line[:colon]; MayTrail(name) {
			visit(name, trim(line[colon+1:]))
		}
		trailers = rest
	}
}

// AppendEnd ends a chunked body with those of another's trailers that may be
// handed on.
func AppendEnd(b, trailers []byte) []byte {
	b = append(b, "0\r\n"...)
	EachTrailer(trailers, func(name, value []byte) { b = AppendTrailer(b, name, value) })
	return append(b, '\r', '\n')
}

// AppendTrailer writes one field.
func AppendTrailer(b, name, value []byte) []byte {
	b = append(append(b, name...), ':', ' ')
	return append(append(b, value...), '\r', '\n')
}

// untrailing are fields that must not come behind a body (RFC 9110, 6.5.1): they
// say how a message is framed, where it goes, who sent it, how it is to be read.
var untrailing = []string{
	"host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "upgrade", "te", "trailer", "expect",
	"authorization", "proxy-authorization", "proxy-authenticate", "www-authenticate", "cookie", "set-cookie", "forwarded",
	"x-forwarded-client-cert", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
	"content-type", "content-encoding", "content-range", "range", "cache-control", "max-forwards", "location",
}

// MayTrail reports whether a field of that name may come behind a body.
func MayTrail(name []byte) bool {
	for _, s := range untrailing {
		if Is(name, s) {
			return false
		}
	}
	return true
}
