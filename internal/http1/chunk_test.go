package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
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
	{"large trailers", "0\r\na: " + strings.Repeat("b", MaxTrailer) + "\r\n\r\n", ErrTrailer},
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
	f.Add([]byte("0\r\na: "+strings.Repeat("b", MaxTrailer/2)+"\r\n\r\n"), uint8(2))
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
	r, err := http.ReadResponse(bufio.NewReaderSize(io.MultiReader(head, bytes.NewReader(b)), 2*MaxTrailer), nil)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r.Body)
}

// Trailers that are kept are those that came, however they came; what may not be
// handed on is not.
func TestTrailers(t *testing.T) {
	in := "1\r\na\r\n0\r\nA: b\r\nContent-Length: 5\r\nTRANSFER-ENCODING: chunked\r\nHost: h\r\nx-c:  d \r\nE:\r\n\r\n"
	for _, piece := range []int{1, 2, 7, len(in)} {
		c := Chunks{Keep: true}
		for used := 0; !c.Done(); {
			_, n, err := c.Next([]byte(in)[used:min(used+piece, len(in))])
			if err != nil {
				t.Fatal(err)
			}
			used += n
		}
		if got, want := string(AppendEnd(nil, c.Trailer())), "0\r\nA: b\r\nx-c: d\r\nE: \r\n\r\n"; got != want {
			t.Errorf("by %d: %q, want %q", piece, got, want)
		}
	}
	if got := string(AppendEnd(nil, nil)); got != LastChunk {
		t.Errorf("without trailers: %q", got)
	}
}

// FuzzTrailers: however a body is cut in pieces its trailers are the same, and
// what is handed on of them net/http reads as those fields and nothing else.
func FuzzTrailers(f *testing.F) {
	f.Add([]byte("a: b\r\nc:d\r\n"), uint8(1))
	f.Add([]byte("content-length: 5\r\nx: y\r\n"), uint8(3))
	f.Add([]byte("a: b\r\n c\r\n"), uint8(2))
	f.Add([]byte(":\r\n"), uint8(2))
	f.Fuzz(func(t *testing.T, fields []byte, piece uint8) {
		in := append(append([]byte("0\r\n"), fields...), '\r', '\n')
		read := func(piece int) (Chunks, int, error) {
			c := Chunks{Keep: true}
			used := 0
			for used < len(in) && !c.Done() {
				_, n, err := c.Next(in[used:min(used+piece, len(in))])
				if err != nil {
					return c, used, err
				}
				used += n
			}
			return c, used, nil
		}
		whole, used, err := read(len(in))
		cut, used2, err2 := read(int(piece) + 1)
		if used != used2 && err == nil || !errors.Is(err, err2) || err == nil && !bytes.Equal(whole.Trailer(), cut.Trailer()) {
			t.Fatalf("%q: whole %q %d %v, in pieces %q %d %v", in, whole.Trailer(), used, err, cut.Trailer(), used2, err2)
		}
		if err != nil || !whole.Done() {
			return
		}
		want := http.Header{}
		EachTrailer(whole.Trailer(), func(name, value []byte) { want.Add(string(name), string(value)) })
		for _, name := range []string{"Content-Length", "Transfer-Encoding", "Host", "Connection", "Trailer"} {
			if want[name] != nil {
				t.Errorf("%s is handed on", name)
			}
		}
		head := strings.NewReader(ok + "Transfer-Encoding: chunked\r\n\r\n")
		out := AppendEnd(nil, whole.Trailer())
		r, err := http.ReadResponse(bufio.NewReaderSize(io.MultiReader(head, bytes.NewReader(out)), 2*MaxTrailer), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(r.Body); err != nil || len(body) > 0 {
			t.Fatalf("%q: net/http reads %q, %v", out, body, err)
		}
		if len(r.Trailer) != len(want) {
			t.Errorf("%q: net/http reads %v, want %v", out, r.Trailer, want)
		}
		for name, values := range want {
			if !slices.Equal(r.Trailer[name], values) {
				t.Errorf("%q: net/http reads %s as %q, want %q", out, name, r.Trailer[name], values)
			}
		}
	})
}
