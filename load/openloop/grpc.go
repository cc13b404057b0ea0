package openloop

import (
	"encoding/binary"

	"github.com/taremesh/tare/load"
	"google.golang.org/grpc/codes"
)

// messageHead is before every message: not compressed, and its length.
const messageHead = 5

// outgoing is what a stream has to send: a body, or a message as often as the
// call has it.
type outgoing struct {
	body []byte
	head [messageHead]byte
	from int   // of head: where it begins; all of it is left out without gRPC
	at   int   // in head and body
	left int64 // in all
}

func plain(body []byte) outgoing {
	return outgoing{body: body, from: messageHead, at: messageHead, left: int64(len(body))}
}

func call(message []byte, times int) outgoing {
	o := outgoing{body: message, left: int64(messageHead+len(message)) * int64(times)}
	binary.BigEndian.PutUint32(o.head[1:], uint32(len(message)))
	return o
}

// append moves the next n bytes.
func (o *outgoing) append(b []byte, n int) []byte {
	o.left -= int64(n)
	for n > 0 {
		piece := o.head[min(o.at, messageHead):]
		if o.at >= messageHead {
			piece = o.body[o.at-messageHead:]
		}
		piece = piece[:min(n, len(piece))]
		b = append(b, piece...)
		n -= len(piece)
		if o.at += len(piece); o.at == messageHead+len(o.body) {
			o.at = o.from
		}
	}
	return b
}

// messages counts the messages of a gRPC stream, each with its length before it.
type messages struct {
	head  [messageHead]byte
	n     int   // of head
	left  int64 // of the message
	count int
	bad   bool
}

func (m *messages) feed(b []byte) {
	for len(b) > 0 && !m.bad {
		if m.left > 0 {
			n := min(m.left, int64(len(b)))
			m.left -= n
			b = b[n:]
			continue
		}
		n := copy(m.head[m.n:], b)
		m.n += n
		b = b[n:]
		if m.n == len(m.head) {
			m.left, m.n = int64(binary.BigEndian.Uint32(m.head[1:])), 0
			m.bad = m.head[0] > 1
			m.count++
		}
	}
}

// whole says that no message was cut short.
func (m *messages) whole() bool { return m.n == 0 && m.left == 0 && !m.bad }

// callOutcome is what became of a gRPC call whose stream has ended.
func (st *stream) callOutcome() (uint16, load.Class) {
	switch {
	case st.status != 200:
		return st.status, classOf(st.status)
	case st.grpc < 0 || st.grpc > 16 || !st.messages.whole():
		return st.status, load.Malformed
	}
	return load.GRPCStatus + uint16(st.grpc), callClass(codes.Code(st.grpc))
}

// callClass: what the caller did wrong is ClientError, as a 4xx is.
func callClass(c codes.Code) load.Class {
	switch c {
	case codes.OK:
		return load.OK
	case codes.ResourceExhausted:
		return load.Limited
	case codes.DeadlineExceeded:
		return load.Timeout
	case codes.Canceled, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied,
		codes.FailedPrecondition, codes.Aborted, codes.OutOfRange, codes.Unauthenticated:
		return load.ClientError
	}
	return load.ServerError
}
