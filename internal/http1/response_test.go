package http1

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func parseResponse(b []byte, r *Response, m Method) (int, error) {
	from := 0
	n, err := End(b, &from)
	if err != nil || n == 0 {
		return 0, err
	}
	return n, r.Parse(b[:n], m)
}

const ok = "HTTP/1.1 200 OK\r\n"

var refusedResponses = []struct {
	name, in string
	want     *Error
}{
	{"length and chunked", ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", ErrLengthAndTE},
	{"two lengths", ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", ErrLengthTwice},
	{"a length with a sign", ok + "Content-Length: +5\r\n\r\n", ErrLength},
	{"another encoding", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", ErrEncoding},
	{"an encoding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ErrEncodingOld},
	{"a folded field", ok + "X: 1\r\n 2\r\n\r\n", ErrFold},
	{"space before the colon", ok + "Content-Length : 5\r\n\r\n", ErrFieldName},
	{"LF alone", "HTTP/1.1 200 OK\nX: 1\r\n\r\n", ErrBareLF},
	{"NUL in a value", ok + "X: \x00\r\n\r\n", ErrFieldValue},
	{"another version", "HTTP/2 200 OK\r\n\r\n", ErrStatusLine},
	{"two digits", "HTTP/1.1 20 OK\r\n\r\n", ErrStatusLine},
	{"four digits", "HTTP/1.1 2000 OK\r\n\r\n", ErrStatusLine},
	{"below 100", "HTTP/1.1 099 OK\r\n\r\n", ErrStatusLine},
	{"letters", "HTTP/1.1 2xx OK\r\n\r\n", ErrStatusLine},
	{"CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", ErrStatusLine},
	{"no status line", "hello\r\n\r\n", ErrStatusLine},
	{"an empty line", "\r\n\r\n", ErrStatusLine},
	{"another protocol", "HTTP/1.1 101 Switching Protocols\r\n\r\n", ErrSwitch},
	{"204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", ErrBodyless},
	{"100 with chunks", "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n", ErrBodyless},
	{"Connection drops the length", ok + "Content-Length: 5\r\nConnection: content-length\r\n\r\n", ErrConnection},
}

func TestResponseRefused(t *testing.T) {
	for _, c := range refusedResponses {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parseResponse([]byte(c.in), new(Response), OtherMethod); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestResponseFraming(t *testing.T) {
	for _, c := range []struct {
		name, in  string
		method    Method
		length    int64
		announced string
		close     bool
	}{
		{"length", ok + "Content-Length: 5\r\n\r\n", OtherMethod, 5, "", false},
		{"chunked", ok + "Transfer-Encoding: chunked\r\n\r\n", OtherMethod, Chunked, "", false},
		{"until the end", ok + "\r\n", OtherMethod, UntilEnd, "", true},
		{"close", ok + "Content-Length: 5\r\nConnection: close\r\n\r\n", OtherMethod, 5, "", true},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", OtherMethod, 5, "", true},
		{"HTTP/1.0 kept", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", OtherMethod, 5, "", false},
		{"HEAD", ok + "Content-Length: 5\r\n\r\n", HEAD, 0, "content-length: 5\r\n", false},
		{"HEAD of chunks", ok + "Transfer-Encoding: chunked\r\n\r\n", HEAD, 0, "transfer-encoding: chunked\r\n", false},
		{"HEAD without length", ok + "\r\n", HEAD, 0, "", false},
		{"304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", OtherMethod, 0, "content-length: 5\r\n", false},
		{"204", "HTTP/1.1 204\r\n\r\n", OtherMethod, 0, "", false},
		{"100", "HTTP/1.1 100 Continue\r\n\r\n", OtherMethod, 0, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Response
			if _, err := parseResponse([]byte(c.in), &r, c.method); err != nil {
				t.Fatal(err)
			}
			if got := string(r.AppendAnnounced(nil)); r.Length != c.length || r.Close != c.close || got != c.announced {
				t.Errorf("got length %d, close %t, announced %q, want %d, %t, %q", r.Length, r.Close, got, c.length, c.close, c.announced)
			}
		})
	}
}

// FuzzResponse: nothing makes the parser panic, and net/http frames what is
// accepted in the same way.
func FuzzResponse(f *testing.F) {
	for _, c := range refusedResponses {
		f.Add([]byte(c.in), false)
		f.Add([]byte(c.in), true)
	}
	f.Add([]byte(ok+"Content-Length: 5\r\n\r\n"), false)
	f.Add([]byte(ok+"Transfer-Encoding: chunked\r\n\r\n"), true)
	f.Add([]byte("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, in []byte, head bool) {
		method, name := OtherMethod, http.MethodGet
		if head {
			method, name = HEAD, http.MethodHead
		}
		var r Response
		n, err := parseResponse(in, &r, method)
		if err != nil || n == 0 {
			return
		}
		out := r.AppendStatus(nil)
		if !r.NoBody {
			out = AppendFraming(out, r.Length)
		}
		out = append(out, "\r\n"...)
		theirs, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), &http.Request{Method: name})
		if err != nil {
			t.Fatalf("net/http refuses what was accepted: %v\n%q", err, out)
		}
		if theirs.StatusCode != r.Status {
			t.Errorf("status %d, net/http %d", r.Status, theirs.StatusCode)
		}
		want := r.Length
		if want == UntilEnd {
			want = -1
		}
		if !r.NoBody && theirs.ContentLength != want {
			t.Errorf("length %d, net/http %d\n%q", want, theirs.ContentLength, out)
		}
		if chunked := len(theirs.TransferEncoding) > 0; !r.NoBody && chunked != (r.Length == Chunked) {
			t.Errorf("chunked %t, net/http %t\n%q", !chunked, chunked, out)
		}
	})
}

func BenchmarkResponse(b *testing.B) {
	in := []byte(ok + "Content-Type: text/plain\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Length: 64\r\n\r\n" + strings.Repeat("x", 64))
	var r Response
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseResponse(in, &r, OtherMethod); err != nil {
			b.Fatal(err)
		}
		out = AppendFraming(r.AppendStatus(out[:0]), r.Length)
	}
}
