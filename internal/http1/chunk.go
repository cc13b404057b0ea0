package http1

import "strconv"

// Why a chunked body is refused.
var (
	ErrChunkSize      = bad("a chunk size is not a hexadecimal number of at most 15 digits")
	ErrChunkExtension = bad("a chunk has an extension, which is malformed or longer than 256 bytes")
	ErrChunkEnd       = bad("a chunk does not end in CRLF where its size says")
	ErrTrailer        = bad("a trailer field is malformed, or the trailers are larger than 8 KiB")
)

const maxExtension = 256

// MaxTrailer is the largest size of a body's trailers.
const MaxTrailer = 8 << 10

// Chunks reads a chunked body piece by piece. The zero value stands at the
// start of one. Extensions are checked and dropped, and so are trailers unless
// they are to be kept.
type Chunks struct {
	Keep   bool // the trailers
	kept   []byte
	state  chunkState
	left   int64 // of the chunk's data
	digits int
	extra  int // bytes of this extension, or of all trailers
	data   int64
}

type chunkState uint8

const (
	atSize chunkState = iota
	inSize
	inExtension
	atSizeLF
	inData
	atDataCR
	atDataLF
	atTrailer
	inName
	inValue
	atTrailerLF
	atEndLF
	atEnd
)

// Data is how many bytes of the body itself have been read.
func (c *Chunks) Data() int64 { return c.data }

// Done reports whether the body's last byte has been read.
func (c *Chunks) Done() bool { return c.state == atEnd }

// Next takes bytes of the body from b: it returns how many it used and which
// of them are data, at most one chunk's. It uses all of b unless it returns
// data or is done.
func (c *Chunks) Next(b []byte) (data []byte, used int, err error) {
	for used < len(b) && c.state != atEnd {
		if c.state == inData {
			n := int64(len(b) - used)
			n = min(n, c.left)
			c.left -= n
			c.data += n
			if c.left == 0 {
				c.state = atDataCR
			}
			return b[used : used+int(n)], used + int(n), nil
		}
		if err := c.step(b[used]); err != nil {
			return nil, used, err
		}
		used++
	}
	return nil, used, nil
}

func (c *Chunks) step(b byte) error {
	switch c.state {
	case atSize, inSize:
		return c.size(b)
	case inExtension:
		return c.extension(b)
	case atSizeLF:
		return c.sizeEnd(b)
	case atDataCR:
		return c.expect(b, '\r', atDataLF, ErrChunkEnd)
	case atDataLF:
		return c.expect(b, '\n', atSize, ErrChunkEnd)
	default:
		return c.trailer(b)
	}
}

func (c *Chunks) expect(b, want byte, next chunkState, otherwise error) error {
	if b != want {
		return otherwise
	}
	c.state = next
	return nil
}

func (c *Chunks) size(b byte) error {
	if c.state == atSize {
		c.state, c.left, c.digits, c.extra = inSize, 0, 0, 0
	}
	if d, ok := hex(b); ok {
		c.digits++
		if c.digits > 15 {
			return ErrChunkSize
		}
		c.left = c.left<<4 | int64(d)
		return nil
	}
	switch {
	case c.digits == 0:
		return ErrChunkSize
	case b == '\r':
		c.state = atSizeLF
	case b == ';':
		c.state = inExtension
	default:
		return ErrChunkSize
	}
	return nil
}

func (c *Chunks) extension(b byte) error {
	if b == '\r' {
		c.state = atSizeLF
		return nil
	}
	c.extra++
	if c.extra > maxExtension || chars[b]&isValue == 0 {
		return ErrChunkExtension
	}
	return nil
}

func (c *Chunks) sizeEnd(b byte) error {
	if b != '\n' {
		return ErrChunkSize
	}
	c.state = inData
	if c.left == 0 {
		c.state, c.extra = atTrailer, 0
	}
	return nil
}

func (c *Chunks) trailer(b byte) error {
	c.extra++
	if c.extra > MaxTrailer {
		return ErrTrailer
	}
	if last := c.state == atTrailer && b == '\r' || c.state == atEndLF; c.Keep && !last {
		c.kept = append(c.kept, b)
	}
	switch c.state {
	case atTrailer:
		if b == '\r' {
			c.state = atEndLF
			return nil
		}
		c.state = inName
		return c.trailerName(b)
	case inName:
		if b == ':' {
			c.state = inValue
			return nil
		}
		return c.trailerName(b)
	case inValue:
		if b == '\r' {
			c.state = atTrailerLF
			return nil
		}
		if chars[b]&isValue == 0 {
			return ErrTrailer
		}
		return nil
	case atTrailerLF:
		return c.expect(b, '\n', atTrailer, ErrTrailer)
	default:
		return c.expect(b, '\n', atEnd, ErrTrailer)
	}
}

func (c *Chunks) trailerName(b byte) error {
	if chars[b]&isToken == 0 {
		return ErrTrailer
	}
	return nil
}

func hex(b byte) (byte, bool) {
	switch {
	case '0' <= b && b <= '9':
		return b - '0', true
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10, true
	case 'A' <= b && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}

// AppendChunk writes one chunk. Data must not be empty: that would end the body.
func AppendChunk(b, data []byte) []byte {
	b = strconv.AppendInt(b, int64(len(data)), 16)
	b = append(b, '\r', '\n')
	b = append(b, data...)
	return append(b, '\r', '\n')
}

// LastChunk ends a chunked body.
const LastChunk = "0\r\n\r\n"
