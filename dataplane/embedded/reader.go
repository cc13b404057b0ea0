package embedded

import (
	"errors"
	"net"
	"sync"

	"github.com/taremesh/tare/internal/http1"
)

// Sizes of a connection's buffer: what it rests with, and what it grows to for
// bodies. Heads may grow it to http1.MaxHead.
const (
	smallBuffer = 4 << 10
	bodyBuffer  = 32 << 10
)

// reader is the bytes that have come in on a connection and are not used yet.
type reader struct {
	src  net.Conn
	buf  []byte
	r, w int
	// small is the buffer that it rests with, while buf is a larger one.
	small []byte
}

// bodyBuffers are those of bodyBuffer bytes that nobody uses.
var bodyBuffers = sync.Pool{New: func() any { return new([bodyBuffer]byte) }}

func (r *reader) unread() []byte { return r.buf[r.r:r.w] }

// fill reads once, after making room. It moves what is unread, so slices of
// the buffer are lost.
func (r *reader) fill() error {
	if r.r == r.w {
		r.r, r.w = 0, 0
	}
	switch {
	case r.buf == nil:
		r.buf = make([]byte, smallBuffer)
	case r.w == len(r.buf) && r.r > 0:
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	case r.w == len(r.buf):
		r.grow(2 * len(r.buf))
	}
	n, err := r.src.Read(r.buf[r.w:])
	r.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return errors.New("read nothing")
	}
	return err
}

// grow makes the buffer at least n bytes large.
func (r *reader) grow(n int) {
	switch {
	case len(r.buf) >= n:
		return
	case len(r.buf) == smallBuffer:
		r.small = r.buf
	}
	if n <= bodyBuffer {
		r.move(bodyBuffers.Get().(*[bodyBuffer]byte)[:])
		return
	}
	r.move(make([]byte, n))
}

// shrink lets go of a large buffer that has done its work.
func (r *reader) shrink() {
	if len(r.buf) <= smallBuffer || r.w-r.r > smallBuffer {
		return
	}
	small := r.small
	if small == nil {
		small = make([]byte, smallBuffer)
	}
	r.small = nil
	r.move(small)
}

// move takes what is unread to another buffer. The old one may be somebody
// else's from then on: no slice of it may be used any more.
func (r *reader) move(buf []byte) {
	r.w = copy(buf, r.buf[r.r:r.w])
	r.r = 0
	old := r.buf
	r.buf = buf
	if len(old) == bodyBuffer {
		bodyBuffers.Put((*[bodyBuffer]byte)(old))
	}
}

// head reads until the buffer holds a whole head and returns its length.
func (r *reader) head() (int, error) {
	from := 0
	for {
		n, err := http1.End(r.unread(), &from)
		if n > 0 || err != nil {
			return n, err
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
}
