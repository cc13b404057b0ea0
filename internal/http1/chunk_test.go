package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// decode feeds a body in pieces of the given size; it returns the data and the
// number of bytes used.
func decode(in []byte, piece int) (data []byte, used int, done bool, err error) {
	var c Chunks
	for used < len(in) && !c.Done() {
		b := in[used:min(used+piece, len(in))]
		d, n, err := c.Next(b)
		if err != nil {
			return data, used + n, false, err
		}
		data = append(data, d...)
		used += n
	}
	return data, used, c.Done(), nil
}

var refusedChunks = []struct {
	name, in string
	want     *Error
}{
	{"no size", "\r\n", ErrChunkSize},
	{"a negative size", "-1\r\n", ErrChunkSize},
	{"a size with a sign", "+1\r\na\r\n", ErrChunkSize},
	{"a size with a prefix", "0x1\r\na\r\n", ErrChunkSize},
	{"a size that overflows", "10000000000000001\r\n", ErrChunkSize},
	{"a size that is negative as a number of 64 bits", "8000000000000000\r\n", ErrChunkSize},
	{"a size of many zeros", "00000000000000001\r\n", ErrChunkSize},
	{"a space after the size", "1 \r\na\r\n", ErrChunkSize},
	{"a space before the size", " 1\r\na\r\n", ErrChunkSize},
	{"LF alone after the size", "1\na\r\n", ErrChunkSize},
	{"CR and another after the size", "1\rX\na\r\n", ErrChunkSize},
	{"LF alone in an extension", "1;a\na\r\n", ErrChunkExtension},
	{"NUL in an extension", "1;\x00\r\na\r\n", ErrChunkExtension},
	{"a long extension", "1;" + strings.Repeat("a", maxExtension+1) + "\r\n", ErrChunkExtension},
	{"more data than the size", "1\r\nab\r\n", ErrChunkEnd},
	{"less data than the size", "3\r\nab\r\n0\r\n\r\n", ErrChunkEnd},
	{"LF alone after the data", "1\r\na\n", ErrChunkEnd},
	{"CR and another after the data", "1\r\na\rX", ErrChunkEnd},
	{"a trailer with a space in its name", "0\r\na b: c\r\n\r\n", ErrTrailer},
	{"a trailer without a name", "0\r\n: c\r\n\r\n", ErrTrailer},
	{"a folded trailer", "0\r\na: b\r\n c\r\n\r\n", ErrTrailer},
	{"a trailer that ends in LF", "0\r\na: b\n\r\n", ErrTrailer},
	{"the end is LF alone", "0\r\n\n", ErrTrailer},
	{"large trailers", "0\r\na: " + strings.Repeat("b", maxTrailer) + "\r\n\r\n", ErrTrailer},
}

func TestChunksRefused(t *testing.T) {
	for _, c := range refusedChunks {
		for _, piece := range []int{1, 3, 1 << 20} {
			t.Run(fmt.Sprintf("%s by %d", c.name, piece), func(t *testing.T) {
				if _, _, _, err := decode([]byte(c.in), piece); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			})
		}
	}
}

func TestChunks(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"0\r\n\r\n", ""},
		{"1\r\na\r\n0\r\n\r\n", "a"},
		{"A\r\n0123456789\r\n00a;x=\"y\";z\r\n0123456789\r\n000\r\n\r\n", "01234567890123456789"},
		{"2\r\n\r\n\r\n0\r\nA: b\r\nC:\r\n\r\n", "\r\n"},
	} {
		for _, piece := range []int{1, 2, 7, 1 << 20} {
			in := c.in + "GET"
			data, used, done, err := decode([]byte(in), piece)
			if err != nil || !done || string(data) != c.want || used != len(c.in) {
				t.Errorf("%q by %d: got %q, %d bytes, done %t, error %v", c.in, piece, data, used, done, err)
			}
		}
	}
}

// FuzzChunked: however a body is cut in pieces it reads the same; what is
// accepted, net/http reads as the same data; and so is what we write of it.
func FuzzChunked(f *testing.F) {
	for _, c := range refusedChunks {
		f.Add([]byte(c.in), uint8(1))
	}
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), uint8(2))
	f.Add([]byte("0\r\na: "+strings.Repeat("b", maxTrailer/2)+"\r\n\r\n"), uint8(2))
	f.Add([]byte("5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n"), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		whole, used, done, err := decode(in, len(in)+1)
		data, used2, done2, err2 := decode(in, int(piece)+1)
		if !bytes.Equal(whole, data) || used != used2 || done != done2 || !errors.Is(err, err2) {
			t.Errorf("in pieces of %d: %q %d %t %v, whole: %q %d %t %v", int(piece)+1, data, used2, done2, err2, whole, used, done, err)
		}
		if err != nil || !done {
			return
		}
		if theirs, err := dechunk(in[:used]); err != nil || !bytes.Equal(theirs, whole) {
			t.Errorf("got %q, net/http %q, %v", whole, theirs, err)
		}
		out := []byte(LastChunk)
		if len(whole) > 0 {
			out = append(AppendChunk(nil, whole), LastChunk...)
		}
		if theirs, err := dechunk(out); err != nil || !bytes.Equal(theirs, whole) {
			t.Errorf("written %q, net/http reads %q, %v", out, theirs, err)
		}
	})
}

func dechunk(b []byte) ([]byte, error) {
	head := strings.NewReader(ok + "Transfer-Encoding: chunked\r\n\r\n")
	// net/http takes trailers up to the size of the buffer it reads through.
	r, err := http.ReadResponse(bufio.NewReaderSize(io.MultiReader(head, bytes.NewReader(b)), 2*maxTrailer), nil)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r.Body)
}
