package http1

import "strconv"

// Why a response is refused, beside what concerns every head.
var (
	ErrStatusLine = bad("the status line is not version, three digits and reason")
	ErrSwitch     = bad("the response switches protocols, which nobody asked for")
	ErrBodyless   = bad("a response that has no body says how it is framed")
)

// Response is the head of a response.
type Response struct {
	Head
	Status int
	Reason []byte
	NoBody bool // whatever Length would say: HEAD, 204, 304
	// Announced is the length that a response to HEAD or with status 304
	// states although no body follows.
	Announced int64
}

// Interim reports whether another response follows this one.
func (r *Response) Interim() bool { return r.Status < 200 && r.Status != 101 }

// Parse reads a head that End has found. The method is the
// request's, since to HEAD no body follows whatever the fields say.
func (r *Response) Parse(b []byte, method Method) error {
	r.reset()
	r.Announced, r.NoBody = noLength, false
	line, rest := cut(b)
	if err := r.line(line); err != nil {
		return err
	}
	if err := r.fields(rest); err != nil {
		return err
	}
	if err := r.framed(); err != nil {
		return err
	}
	if r.minor == 0 && !r.keepAlive {
		r.Close = true
	}
	return r.frame(method)
}

// Method is what the framing of a response depends on.
type Method uint8

// HEAD has a response without a body; Upgrade is a request for WebSocket, by
// any method, whose response may be 101.
const (
	OtherMethod Method = iota
	HEAD
	Upgrade
)

const websocket = "websocket"

const noLength = -3

// frame decides how the body ends (RFC 9112 §6.3).
func (r *Response) frame(method Method) error {
	switch {
	case r.Status == 101 && (method != Upgrade || !r.upgrades(websocket)):
		return ErrSwitch
	case r.Status < 200 || r.Status == 204:
		if r.lengths+r.encodings > 0 && r.Length != 0 {
			return ErrBodyless
		}
		r.Length, r.NoBody = 0, true
	case method == HEAD || r.Status == 304:
		if r.lengths+r.encodings > 0 {
			r.Announced = r.Length
		}
		r.Length, r.NoBody = 0, true
	case r.lengths+r.encodings == 0:
		r.Length = UntilEnd
		r.Close = true
	}
	return nil
}

func (r *Response) line(line []byte) error {
	const prefix = len("HTTP/1.1 ")
	if len(line) < prefix+3 || string(line[:prefix-2]) != "HTTP/1." || line[prefix-1] != ' ' {
		return ErrStatusLine
	}
	switch line[prefix-2] {
	case '0', '1':
		r.minor = line[prefix-2] - '0'
	default:
		return ErrStatusLine
	}
	code, reason := line[prefix:prefix+3], line[prefix+3:]
	if len(reason) > 0 {
		if reason[0] != ' ' {
			return ErrStatusLine
		}
		reason = reason[1:]
	}
	r.Status = 0
	for _, c := range code {
		if c < '0' || c > '9' {
			return ErrStatusLine
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 || !all(reason, isValue) {
		return ErrStatusLine
	}
	r.Reason = reason
	return nil
}

// Own copies all that the head points to behind b, so that the buffer that it
// was parsed from may be used again.
func (r *Response) Own(b []byte) []byte {
	b, r.Reason = keep(b, r.Reason)
	return r.ownFields(b)
}

// AppendStatus writes the status line and the fields for the next hop, without
// framing and without the empty line.
func (r *Response) AppendStatus(b []byte) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(r.Status), 10)
	b = append(b, ' ')
	b = append(b, r.Reason...)
	b = append(b, '\r', '\n')
	if r.Status == 101 {
		b = appendUpgrade(b, websocket)
	}
	return r.AppendFields(b)
}

// AppendAnnounced writes the framing that a response without body announces.
func (r *Response) AppendAnnounced(b []byte) []byte {
	if r.Announced == noLength {
		return b
	}
	return AppendFraming(b, r.Announced)
}

// AppendFraming writes the field that says how long the body is; nothing for
// UntilEnd.
func AppendFraming(b []byte, length int64) []byte {
	switch length {
	case UntilEnd:
		return b
	case Chunked:
		return append(b, "transfer-encoding: chunked\r\n"...)
	}
	b = append(b, "content-length: "...)
	b = strconv.AppendInt(b, length, 10)
	return append(b, '\r', '\n')
}
