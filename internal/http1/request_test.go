package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// parse reads a request head as a connection would, and says how long it is.
func parse(b []byte, r *Request) (int, error) {
	from := 0
	n, err := End(b, &from)
	if err != nil || n == 0 {
		return 0, err
	}
	return n, r.Parse(b[:n])
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n"

// refused is every kind of request that must not pass: what is malformed, and
// what two parties on the way could understand differently.
var refused = []struct {
	name, in string
	want     *Error
}{
	{"length and chunked", get + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", ErrLengthAndTE},
	{"chunked and length", get + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", ErrLengthAndTE},
	{"two lengths", get + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", ErrLengthTwice},
	{"two equal lengths", get + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", ErrLengthTwice},
	{"a list of lengths", get + "Content-Length: 5, 5\r\n\r\n", ErrLength},
	{"a length with a sign", get + "Content-Length: +5\r\n\r\n", ErrLength},
	{"a negative length", get + "Content-Length: -5\r\n\r\n", ErrLength},
	{"a hexadecimal length", get + "Content-Length: 0x5\r\n\r\n", ErrLength},
	{"a length with a space in it", get + "Content-Length: 5 5\r\n\r\n", ErrLength},
	{"a length that overflows", get + "Content-Length: 18446744073709551621\r\n\r\n", ErrLength},
	{"an empty length", get + "Content-Length:\r\n\r\n", ErrLength},
	{"another encoding", get + "Transfer-Encoding: gzip\r\n\r\n", ErrEncoding},
	{"two encodings", get + "Transfer-Encoding: gzip, chunked\r\n\r\n", ErrEncoding},
	{"chunked twice in a list", get + "Transfer-Encoding: chunked, chunked\r\n\r\n", ErrEncoding},
	{"chunked twice", get + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", ErrEncoding},
	{"chunked and identity", get + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", ErrEncoding},
	{"chunked in quotes", get + "Transfer-Encoding: \"chunked\"\r\n\r\n", ErrEncoding},
	{"chunked with a parameter", get + "Transfer-Encoding: chunked;q=1\r\n\r\n", ErrEncoding},
	{"a prefix of chunked", get + "Transfer-Encoding: xchunked\r\n\r\n", ErrEncoding},
	{"vertical tab before chunked", get + "Transfer-Encoding: \x0bchunked\r\n\r\n", ErrFieldValue},
	{"an empty encoding", get + "Transfer-Encoding:\r\n\r\n", ErrEncoding},
	{"an encoding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", ErrEncodingOld},
	{"space before the colon", get + "Content-Length : 5\r\n\r\n", ErrFieldName},
	{"tab before the colon", get + "Transfer-Encoding\t: chunked\r\n\r\n", ErrFieldName},
	{"a folded field", get + "X: 1\r\n  2\r\n\r\n", ErrFold},
	{"a folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", ErrFold},
	{"no colon", get + "Content-Length\r\n\r\n", ErrNoColon},
	{"an empty name", get + ": 5\r\n\r\n", ErrFieldName},
	{"a name with a space", get + "Content Length: 5\r\n\r\n", ErrFieldName},
	{"a name with a control character", get + "X\x01: 5\r\n\r\n", ErrFieldName},
	{"a name beyond ASCII", get + "Content-Length\xc2\xa0: 5\r\n\r\n", ErrFieldName},
	{"NUL in a value", get + "X: a\x00b\r\n\r\n", ErrFieldValue},
	{"NUL in a name", get + "X\x00: a\r\n\r\n", ErrFieldName},
	{"CR in a value", get + "X: a\rContent-Length: 5\r\n\r\n", ErrFieldValue},
	{"DEL in a value", get + "X: a\x7fb\r\n\r\n", ErrFieldValue},
	{"LF alone ends a field", get + "X: a\nContent-Length: 5\r\n\r\n", ErrBareLF},
	{"LF alone ends the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", ErrBareLF},
	{"LF alone ends the head", get + "\n", ErrBareLF},
	{"CR CR LF", get + "X: a\r\r\n\r\n", ErrFieldValue},
	{"no host", "GET / HTTP/1.1\r\n\r\n", ErrHost},
	{"no host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", ErrHost},
	{"two hosts", get + "Host: b\r\n\r\n", ErrHost},
	{"two equal hosts", get + "Host: a\r\n\r\n", ErrHost},
	{"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", ErrHost},
	{"a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", ErrHost},
	{"a host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", ErrHost},
	{"a list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", ErrHost},
	{"a host with a name for a port", "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n", ErrHost},
	{"a host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", ErrHost},
	{"an address without its end", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", ErrHost},
	{"another host in the target", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", ErrAuthority},
	{"another port in the target", "GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", ErrAuthority},
	{"another scheme", "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", ErrTarget},
	{"a user in the target", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", ErrAuthority},
	{"no path in the target", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", ErrTarget},
	{"no slash first", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", ErrTarget},
	{"the target of OPTIONS with another method", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", ErrTarget},
	{"a fragment", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", ErrTarget},
	{"a target beyond ASCII", "GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n", ErrTarget},
	{"a control character in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", ErrTarget},
	{"a space in the target", "GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", ErrTarget},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", ErrTarget},
	{"a tab for a space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", ErrRequestLine},
	{"a space first", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", ErrMethod},
	{"a space last", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", ErrRequestLine},
	{"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", ErrRequestLine},
	{"no version", "GET /\r\nHost: a\r\n\r\n", ErrRequestLine},
	{"an empty line first", "\r\n" + get + "\r\n", ErrRequestLine},
	{"a method that is no token", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", ErrMethod},
	{"another version", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", ErrVersion},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\n", ErrVersion},
	{"a version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", ErrVersion},
	{"CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", ErrConnect},
	{"Upgrade", get + "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", ErrUpgrade},
	{"another expectation", get + "Expect: 200-ok\r\n\r\n", ErrExpect},
	{"Connection drops the length", get + "Content-Length: 5\r\nConnection: content-length\r\n\r\n", ErrConnection},
	{"Connection drops the host", get + "Connection: close, Host\r\n\r\n", ErrConnection},
	{"Connection is no list", get + "Connection: a b\r\n\r\n", ErrConnection},
	{"too many fields", get + strings.Repeat("X: 1\r\n", MaxFields) + "\r\n", ErrTooManyFields},
	{"too large", get + "X: " + strings.Repeat("1", MaxHead) + "\r\n\r\n", ErrTooLarge},
	{"too large and without end", get + "X: " + strings.Repeat("1", MaxHead), ErrTooLarge},
}

func TestRequestRefused(t *testing.T) {
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse([]byte(c.in), new(Request))
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestRequestParse(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		length         int64
		close          bool
	}{
		{"plain", get + "\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\n", 0, false},
		{"query", "GET /p?q=1 HTTP/1.1\r\nHost: a:80\r\n\r\n", "GET /p?q=1 HTTP/1.1\r\nhost: a:80\r\n\r\n", 0, false},
		{"absolute form", "GET http://A/p HTTP/1.1\r\nHost: a\r\n\r\n", "GET /p HTTP/1.1\r\nhost: a\r\n\r\n", 0, false},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 0, false},
		{"address", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n", 0, false},
		{"length", "POST / HTTP/1.1\r\nHost: a\r\ncontent-length: \t5 \r\n\r\n", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n", 5, false},
		{"length 0", "POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 0\r\n\r\n", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", 0, false},
		{"chunked", "POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-Encoding: Chunked\r\n\r\n", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", Chunked, false},
		{"close", get + "Connection: Close\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\n", 0, true},
		{"HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\n", 0, true},
		{"HTTP/1.0 kept", "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\n", 0, false},
		{"hop by hop", get + "TE: gzip\r\nTE: trailers\r\nTrailer: x\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nConnection: x-hop, , keep-alive\r\nX-Hop: 1\r\nx-hop: 2\r\nX-End: 3\r\n\r\n",
			"GET / HTTP/1.1\r\nhost: a\r\nTE: trailers\r\nX-End: 3\r\n\r\n", 0, false},
		{"values", get + "A: \r\nB:b\r\nC: \xe4 ,\t;\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\nA: \r\nB: b\r\nC: \xe4 ,\t;\r\n\r\n", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Request
			n, err := parse([]byte(c.in), &r)
			if err != nil || n != len(c.in) {
				t.Fatalf("got %d of %d bytes, error %v", n, len(c.in), err)
			}
			if got := string(r.Append(nil)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if r.Length != c.length || r.Close != c.close {
				t.Errorf("got length %d, close %t, want %d, %t", r.Length, r.Close, c.length, c.close)
			}
		})
	}
}

// A head that comes in pieces is read as the one that comes whole.
func TestEndInPieces(t *testing.T) {
	whole := []byte(get + "X: y\r\n\r\nrest")
	from := 0
	for i := range whole {
		n, err := End(whole[:i], &from)
		if err != nil {
			t.Fatal(err)
		}
		if want := len(whole) - len("rest"); i < want && n != 0 || i == want && n != want {
			t.Fatalf("after %d bytes: got %d", i, n)
		}
		if n > 0 {
			return
		}
	}
	t.Fatal("the end was not found")
}

func TestExpect(t *testing.T) {
	var r Request
	if _, err := parse([]byte(get+"Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n"), &r); err != nil || !r.Continue {
		t.Errorf("got continue %t, error %v", r.Continue, err)
	}
	if _, ok := r.Get("expect"); ok {
		t.Error("Expect is handed on")
	}
}

// FuzzRequest: nothing makes the parser panic, and what it accepts, net/http
// reads in the same way from what we would send on.
func FuzzRequest(f *testing.F) {
	for _, c := range refused {
		f.Add([]byte(c.in))
	}
	f.Add([]byte(get + "\r\n"))
	f.Add([]byte("POST http://a:80/p?q HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: x, close\r\nX: y\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var r Request
		n, err := parse(bytes.Clone(in), &r)
		if err != nil || n == 0 {
			return
		}
		out := r.Append(nil)
		theirs, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(out), strings.NewReader("0\r\n\r\n"))))
		if err != nil {
			if strings.Contains(err.Error(), "parse \"") {
				return // a path with a bad escape: net/url's business, not a head's
			}
			t.Fatalf("net/http refuses what was accepted: %v\n%q\n%q", err, in, out)
		}
		length := theirs.ContentLength
		if length != r.Length {
			t.Errorf("length: %d, net/http %d\n%q", r.Length, length, out)
		}
		if theirs.Method != string(r.Method) || theirs.RequestURI != string(r.Target) || theirs.Host != string(r.Host) {
			t.Errorf("got %s %s %s, net/http %s %s %s", r.Method, r.Target, r.Host, theirs.Method, theirs.RequestURI, theirs.Host)
		}
		for _, f := range r.Fields {
			if len(f.Name) > 0 && !contains(theirs.Header[http.CanonicalHeaderKey(string(f.Name))], string(f.Value)) {
				t.Errorf("field %q: %q is not in net/http's %q", f.Name, f.Value, theirs.Header)
			}
		}
		// What was written is read again as the same.
		var again Request
		m, err := parse(out, &again)
		if err != nil || m != len(out) || again.Length != r.Length {
			t.Errorf("reading it again: %d of %d bytes, error %v", m, len(out), err)
		}
	})
}

func contains(values []string, v string) bool {
	for _, x := range values {
		if x == v {
			return true
		}
	}
	return false
}

func BenchmarkRequest(b *testing.B) {
	in := []byte("GET /pull?image=a HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: tare\r\nAccept: */*\r\nAuthorization: Bearer " + strings.Repeat("x", 200) + "\r\n\r\n")
	var r Request
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(in, &r); err != nil {
			b.Fatal(err)
		}
		out = r.Append(out[:0])
	}
}
