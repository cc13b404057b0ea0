package openloop

import (
	"encoding/binary"
	"errors"

	"golang.org/x/net/http2"
)

const (
	frameHead    = 9
	maxFrameSize = 16384 // the least that every peer takes, and all that we take
	maxWindow    = 1<<31 - 1
	firstWindow  = 65535 // of RFC 9113 §6.9.2
)

// errHTTP2 is the one error of the reader: the sample's class says it.
var errHTTP2 = errors.New("the server does not speak HTTP/2")

// frameHeader is the first nine bytes of a frame.
type frameHeader struct {
	length uint32
	kind   http2.FrameType
	flags  http2.Flags
	stream uint32
}

func parseFrameHeader(b []byte) frameHeader {
	return frameHeader{
		length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		kind:   http2.FrameType(b[3]), flags: http2.Flags(b[4]),
		stream: binary.BigEndian.Uint32(b[5:]) & maxWindow,
	}
}

func appendFrameHeader(b []byte, kind http2.FrameType, flags http2.Flags, stream uint32, length int) []byte {
	b = append(b, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags))
	return binary.BigEndian.AppendUint32(b, stream)
}

func appendSettings(b []byte, settings ...http2.Setting) []byte {
	b = appendFrameHeader(b, http2.FrameSettings, 0, 0, 6*len(settings))
	for _, s := range settings {
		b = binary.BigEndian.AppendUint16(b, uint16(s.ID))
		b = binary.BigEndian.AppendUint32(b, s.Val)
	}
	return b
}

func appendWindowUpdate(b []byte, stream, increment uint32) []byte {
	b = appendFrameHeader(b, http2.FrameWindowUpdate, 0, stream, 4)
	return binary.BigEndian.AppendUint32(b, increment)
}

func appendReset(b []byte, stream uint32, code http2.ErrCode) []byte {
	b = appendFrameHeader(b, http2.FrameRSTStream, 0, stream, 4)
	return binary.BigEndian.AppendUint32(b, uint32(code))
}

// frameTaker is told what a frameReader finds.
type frameTaker interface {
	// frameBegan is told of every frame before its payload.
	frameBegan(h frameHeader) error
	// frameData is given the payload of DATA frames in pieces, without padding.
	frameData(h frameHeader, piece []byte)
	// frameWhole is given every other frame's payload, and of DATA nil at its end.
	frameWhole(h frameHeader, payload []byte) error
}

// frameReader cuts a stream of bytes into frames.
type frameReader struct {
	header  frameHeader
	begun   bool   // header is read
	left    int    // of the payload
	padding int    // of it, at its end
	stash   []byte // a header or a payload that came in pieces
}

func (r *frameReader) reset() { *r = frameReader{stash: r.stash[:0]} }

// feed takes bytes; all of them are used unless there is an error.
func (r *frameReader) feed(b []byte, to frameTaker) error {
	for {
		if !r.begun {
			head, rest, whole := r.collect(b, frameHead)
			if b = rest; !whole {
				return nil
			}
			r.header, r.begun = parseFrameHeader(head), true
			r.stash = r.stash[:0]
			r.left, r.padding = int(r.header.length), 0
			if r.header.length > maxFrameSize {
				return errHTTP2
			}
			if err := to.frameBegan(r.header); err != nil {
				return err
			}
		}
		rest, whole, err := r.payload(b, to)
		if err != nil || !whole {
			return err
		}
		b, r.begun, r.stash = rest, false, r.stash[:0]
	}
}

// collect returns the next n bytes, wherever they are.
func (r *frameReader) collect(b []byte, n int) (got, rest []byte, whole bool) {
	if len(r.stash) == 0 && len(b) >= n {
		return b[:n], b[n:], true
	}
	more := min(n-len(r.stash), len(b))
	r.stash = append(r.stash, b[:more]...)
	return r.stash, b[more:], len(r.stash) == n
}

func (r *frameReader) payload(b []byte, to frameTaker) (rest []byte, whole bool, err error) {
	if r.header.kind != http2.FrameData {
		payload, rest, whole := r.collect(b, int(r.header.length))
		if !whole {
			return nil, false, nil
		}
		return rest, true, to.frameWhole(r.header, payload)
	}
	if r.header.flags.Has(http2.FlagDataPadded) && r.left == int(r.header.length) {
		if r.left == 0 {
			return nil, false, errHTTP2
		}
		if len(b) == 0 {
			return nil, false, nil
		}
		if r.padding = int(b[0]); r.padding >= r.left {
			return nil, false, errHTTP2
		}
		r.left--
		b = b[1:]
	}
	if n := min(r.left-r.padding, len(b)); n > 0 {
		to.frameData(r.header, b[:n])
		r.left -= n
		b = b[n:]
	}
	n := min(r.left, len(b))
	if r.left > r.padding {
		return nil, false, nil // b is empty
	}
	r.left, r.padding = r.left-n, r.padding-n
	if b = b[n:]; r.left > 0 {
		return nil, false, nil
	}
	return b, true, to.frameWhole(r.header, nil)
}

// unpad takes the padding and the priority out of a HEADERS frame's payload.
func unpad(h frameHeader, b []byte) ([]byte, error) {
	padding := 0
	if h.flags.Has(http2.FlagHeadersPadded) {
		if len(b) == 0 {
			return nil, errHTTP2
		}
		padding = int(b[0])
		b = b[1:]
	}
	if h.flags.Has(http2.FlagHeadersPriority) {
		if len(b) < 5 {
			return nil, errHTTP2
		}
		b = b[5:]
	}
	if padding > len(b) {
		return nil, errHTTP2
	}
	return b[:len(b)-padding], nil
}
