package openloop

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// whole feeds a response in pieces of the given size and returns what the
// parser took, and whether it is complete or malformed.
func whole(input []byte, head bool, piece int) (r response, used int, err error) {
	r.reset(head)
	for used < len(input) && r.part != complete {
		n, err := r.feed(input[used:min(used+piece, len(input))])
		used += n
		if err != nil {
			return r, used, err
		}
	}
	return r, used, nil
}

func TestResponse(t *testing.T) {
	const surplus = "surplus"
	cases := []struct {
		name, input string
		head        bool
		status      uint16
		closes      bool
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, 200, false},
		{"no reason", "HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", false, 200, false},
		{"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", false, 200, false},
		{"same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", false, 200, false},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\nx\r\n00A\r\n0123456789\r\n000\r\nT: 1\r\n\r\n", false, 200, false},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true, 200, false},
		{"HEAD of chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, 200, false},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", false, 204, false},
		{"304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", false, 304, false},
		{"interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", false, 404, false},
		{"close", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n", false, 200, true},
		{"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, 200, true},
		{"1.0 kept", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", false, 200, false},
		{"unknown headers of watched lengths", "HTTP/1.1 200 OK\r\nX-ontent-lengt: a\r\nX-ansfer-encodin: b\r\nX-nnection: c\r\nContent-Length: 0\r\n\r\n", false, 200, false},
		{"long header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 3*maxStash) + "\r\nContent-Length: 0\r\n\r\n", false, 200, false},
	}
	for _, c := range cases {
		for _, piece := range []int{1, 2, 7, 1 << 20} {
			r, used, err := whole([]byte(c.input+surplus), c.head, piece)
			if err != nil || r.part != complete || used != len(c.input) {
				t.Errorf("%s in pieces of %d: used %d of %d, part %d, error %v", c.name, piece, used, len(c.input), r.part, err)
			}
			if r.status != c.status || r.close != c.closes {
				t.Errorf("%s in pieces of %d: status %d, close %t", c.name, piece, r.status, r.close)
			}
		}
	}
}

func TestResponseUntilClose(t *testing.T) {
	for input, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\n\r\nany": true,
		"HTTP/1.0 200 OK\r\n\r\n":    true,
		"HTTP/1.1 200 OK\r\n":        false,
		"":                           false,
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx":                   false,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n": false,
	} {
		r, _, err := whole([]byte(input), false, 3)
		if err != nil || r.part == complete {
			t.Errorf("%q: part %d, error %v before the end", input, r.part, err)
		}
		if got := r.end(); got != want {
			t.Errorf("%q: whole at the end: %t, want %t", input, got, want)
		}
	}
}

func TestResponseRefuses(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	for name, input := range map[string]string{
		"version 2":            "HTTP/2.0 200 OK\r\n",
		"version 1.2":          "HTTP/1.2 200 OK\r\n",
		"no HTTP":              "hello\r\n",
		"empty line":           "\r\n",
		"short status":         "HTTP/1.1 20\r\n",
		"long status":          "HTTP/1.1 2000 OK\r\n",
		"status of letters":    "HTTP/1.1 2x0 OK\r\n",
		"status 099":           "HTTP/1.1 099 OK\r\n",
		"switch protocols":     "HTTP/1.1 101 Switching\r\n",
		"header without colon": head + "hello\r\n",
		"header without name":  head + ": x\r\n",
		"space before colon":   head + "X : x\r\n",
		"folded":               head + "X: y\r\n z: w\r\n",
		"negative length":      head + "Content-Length: -1\r\n",
		"signed length":        head + "Content-Length: +1\r\n",
		"empty length":         head + "Content-Length: \r\n",
		"list of lengths":      head + "Content-Length: 1, 1\r\n",
		"endless length":       head + "Content-Length: 9999999999999999999\r\n",
		"two lengths":          head + "Content-Length: 1\r\nContent-Length: 2\r\n",
		"gzip framing":         head + "Transfer-Encoding: gzip, chunked\r\n",
		"chunked twice":        head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"both framings":        head + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
		"chunk size":           head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
		"empty chunk size":     head + "Transfer-Encoding: chunked\r\n\r\n\r\n",
		"endless chunk size":   head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"chunk without end":    head + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
		"endless head":         head + strings.Repeat("X: y\r\n", maxHeader/6+1),
		"endless line":         head + "X: " + strings.Repeat("y", maxHeader) + "\r\n",
		"long length":          head + "Content-Length: " + strings.Repeat(" ", maxStash) + "1\r\n",
	} {
		for _, piece := range []int{1, 100} {
			if r, _, err := whole([]byte(input), false, piece); err == nil && r.part != complete {
				t.Errorf("%s in pieces of %d: no error", name, piece)
			}
		}
	}
}

// FuzzResponse: the same result however the bytes are cut, and what both this
// parser and net/http take to be whole ends at the same byte.
func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd"), 5, false)
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\ny"), 1, false)
	f.Add([]byte("HTTP/1.1 103 E\r\n\r\nHTTP/1.0 204 OK\r\nConnection: close\r\n\r\n"), 3, true)
	f.Fuzz(func(t *testing.T, input []byte, piece int, head bool) {
		if piece < 1 || piece > 1<<20 {
			return
		}
		one, usedOne, errOne := whole(input, head, len(input)+1)
		cut, usedCut, errCut := whole(input, head, piece)
		// A line longer than the stash may be known whole or not; all else is equal.
		if longest(input) < maxStash && ((errOne == nil) != (errCut == nil) || errOne == nil && (usedOne != usedCut || one.part != cut.part || one.status != cut.status || one.close != cut.close)) {
			t.Fatalf("whole: %d %v %+v; in pieces of %d: %d %v %+v", usedOne, errOne, one.part, piece, usedCut, errCut, cut.part)
		}
		if errOne != nil || one.part != complete || bytes.HasPrefix(input, []byte("HTTP/1.1 1")) || bytes.HasPrefix(input, []byte("HTTP/1.0 1")) {
			return
		}
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		in := bufio.NewReader(bytes.NewReader(input))
		theirs, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, theirs.Body); err != nil {
			return
		}
		if theirs.StatusCode != int(one.status) {
			t.Fatalf("status %d, net/http reads %d", one.status, theirs.StatusCode)
		}
		if rest := in.Buffered(); len(input) < 4096 && usedOne != len(input)-rest {
			t.Fatalf("ended after %d of %d bytes, net/http after %d", usedOne, len(input), len(input)-rest)
		}
	})
}

func longest(b []byte) int {
	n := 0
	for line := range bytes.Lines(b) {
		n = max(n, len(line))
	}
	return n
}

func BenchmarkResponse(b *testing.B) {
	input := []byte("HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: application/json\r\nX-Request-Id: 0123456789abcdef\r\nContent-Length: 64\r\n\r\n" + strings.Repeat("x", 64))
	var r response
	for b.Loop() {
		r.reset(false)
		if _, err := r.feed(input); err != nil || r.part != complete {
			b.Fatal(err)
		}
	}
}
