package embedded

import (
	"errors"
	"io"

	"github.com/taremesh/tare/internal/http1"
)

// intake reads a body, whatever frames it.
type intake struct {
	in     *reader
	length int64 // what is left, or Chunked or UntilEnd
	chunks http1.Chunks
	ended  bool // with the connection
}

func (i *intake) done() bool { return i.ended || i.length == 0 || i.chunks.Done() }

// next appends to out what has come of the body, at least one byte unless it
// is done.
func (i *intake) next(out []byte) ([]byte, error) {
	if i.in.r == i.in.w {
		err := i.in.fill()
		if i.length == http1.UntilEnd && errors.Is(err, io.EOF) {
			i.ended = true
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
	if i.length == http1.Chunked {
		return dechunk(&i.chunks, i.in, out)
	}
	b := i.in.unread()
	if i.length >= 0 {
		b = b[:min(int64(len(b)), i.length)]
		i.length -= int64(len(b))
	}
	i.in.r += len(b)
	return append(out, b...), nil
}
