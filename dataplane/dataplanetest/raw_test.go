package dataplanetest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane/dataplanetest"
)

// raw is bytes of a client that means harm, or has a fault. In them %s is the
// case's own path; what they hide is a request for its /smuggled.
type raw struct{ name, bytes string }

const (
	start = "POST %s HTTP/1.1\r\nHost: a\r\n"
	inner = "GET %s/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	after = "GET %s/after HTTP/1.1\r\nHost: a\r\n\r\n"
)

func harm() []raw {
	chunked := "Transfer-Encoding: chunked\r\n"
	return []raw{
		{"two requests", "GET %s HTTP/1.1\r\nHost: a\r\n\r\n" + after},
		{"CL.TE", start + "Content-Length: 6\r\n" + chunked + "\r\n0\r\n\r\nG"},
		{"CL.TE with a request inside", start + "Content-Length: 50\r\n" + chunked + "\r\n0\r\n\r\n" + inner},
		{"TE.CL", start + chunked + "Content-Length: 4\r\n\r\n5c\r\n" + inner + "\r\n0\r\n\r\n"},
		{"two equal lengths", start + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi" + after},
		{"two lengths", start + "Content-Length: 2\r\nContent-Length: 40\r\n\r\nhi" + inner},
		{"a list of lengths", start + "Content-Length: 2, 2\r\n\r\nhi" + after},
		{"a length with a sign", start + "Content-Length: +2\r\n\r\nhi" + after},
		{"a negative length", start + "Content-Length: -1\r\n\r\n" + inner},
		{"a length in hex", start + "Content-Length: 0x2\r\n\r\nhi" + after},
		{"a length beyond 64 bits", start + "Content-Length: 18446744073709551618\r\n\r\nhi" + inner},
		{"an empty length", start + "Content-Length: \r\n\r\n" + inner},
		{"chunked twice", start + chunked + chunked + "\r\n0\r\n\r\n" + after},
		{"chunked and something", start + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + after},
		{"something and chunked", start + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + after},
		{"not quite chunked", start + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner},
		{"chunked after a vertical tab", start + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + inner},
		{"chunked in quotes", start + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + inner},
		{"chunked by another case", start + "tRANSFER-eNCODING: cHUNKED\r\n\r\n0\r\n\r\n" + after},
		{"a space before the colon", start + "Content-Length : 2\r\n\r\nhi" + after},
		{"a space before the colon of chunked", start + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + inner},
		{"a folded line", start + "X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n" + after},
		{"a folded chunked", start + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + inner},
		{"a space before the first field", "POST %s HTTP/1.1\r\n X: y\r\nHost: a\r\nContent-Length: 0\r\n\r\n" + after},
		{"bare LF", "POST %s HTTP/1.1\nHost: a\nContent-Length: 2\n\nhi"},
		{"bare LF before chunked", start + "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner},
		{"bare CR in a value", start + "X: y\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + after},
		{"NUL in a value", start + "X: a\x00b\r\nContent-Length: 0\r\n\r\n" + after},
		{"NUL in a name", start + "X\x00: a\r\nContent-Length: 0\r\n\r\n" + after},
		{"no name", start + ": a\r\nContent-Length: 0\r\n\r\n" + after},
		{"no colon", start + "X\r\nContent-Length: 0\r\n\r\n" + after},
		{"a name with a bracket", start + "X(: a\r\nContent-Length: 0\r\n\r\n" + after},
		{"no host", "GET %s HTTP/1.1\r\n\r\n" + after},
		{"two hosts", "GET %s HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + after},
		{"another host in the target", "GET http://b%s HTTP/1.1\r\nHost: a\r\n\r\n" + after},
		{"a host with a path", "GET %s HTTP/1.1\r\nHost: a/b\r\n\r\n" + after},
		{"chunked in HTTP/1.0", "POST %s HTTP/1.0\r\nHost: a\r\n" + chunked + "\r\n0\r\n\r\n" + inner},
		{"HTTP/0.9", "GET %s\r\n\r\n"},
		{"HTTP/1.2", "GET %s HTTP/1.2\r\nHost: a\r\n\r\n" + after},
		{"HTTP/2.0", "GET %s HTTP/2.0\r\nHost: a\r\n\r\n" + after},
		{"two spaces", "GET  %s HTTP/1.1\r\nHost: a\r\n\r\n" + after},
		{"a space behind the version", "GET %s HTTP/1.1 \r\nHost: a\r\n\r\n" + after},
		{"a space in the target", "GET %s/a b HTTP/1.1\r\nHost: a\r\n\r\n" + after},
		{"a fragment", "GET %s#x HTTP/1.1\r\nHost: a\r\n\r\n" + after},
		{"a method that is none", "G(T %s HTTP/1.1\r\nHost: a\r\n\r\n" + after},
		{"CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" + inner},
		{"a chunk's size with a sign", start + chunked + "\r\n+2\r\nhi\r\n0\r\n\r\n" + after},
		{"a chunk's size after a space", start + chunked + "\r\n 2\r\nhi\r\n0\r\n\r\n" + after},
		{"a chunk's size before a space", start + chunked + "\r\n2 \r\nhi\r\n0\r\n\r\n" + after},
		{"a chunk's size beyond 64 bits", start + chunked + "\r\n10000000000000002\r\nhi\r\n0\r\n\r\n" + inner},
		{"a chunk's size in hex", start + chunked + "\r\n0x2\r\nhi\r\n0\r\n\r\n" + after},
		{"a chunk that is too long", start + chunked + "\r\n2\r\nhiX\r\n0\r\n\r\n" + inner},
		{"a chunk that ends in LF", start + chunked + "\r\n2\r\nhi\n0\r\n\r\n" + inner},
		{"a chunk's size that ends in LF", start + chunked + "\r\n2\nhi\r\n0\r\n\r\n" + inner},
		{"an extension", start + chunked + "\r\n2;a=b\r\nhi\r\n0\r\n\r\n" + after},
		{"an extension with LF", start + chunked + "\r\n2;\nxx\r\nhi\r\n0\r\n\r\n" + inner},
		{"a trailer that frames", start + chunked + "\r\n0\r\nContent-Length: 60\r\n\r\n" + after},
		{"a trailer with a space before the colon", start + chunked + "\r\n0\r\nX : y\r\n\r\n" + after},
		{"Connection names Content-Length", start + "Connection: Content-Length\r\nContent-Length: 37\r\n\r\n" + inner},
		{"Connection names Host", "GET %s HTTP/1.1\r\nHost: a\r\nConnection: Host\r\n\r\n" + after},
		{"Connection names another field", "GET %s HTTP/1.1\r\nHost: a\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n" + after},
		{"an upgrade to h2c", "GET %s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n" + after},
		{"a body with GET", "GET %s HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" + after},
		{"an empty line first", "\r\nGET %s HTTP/1.1\r\nHost: a\r\n\r\n" + after},
		{"100 fields", "GET %s HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 120) + "\r\n" + after},
		{"a head of 70 KiB", "GET %s HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("y", 70<<10) + "\r\n\r\n" + after},
	}
}

// hush is how long a proxy may say nothing before it is taken to wait.
const hush = 700 * time.Millisecond

// send sends the bytes and returns the statuses of what comes back, and how
// the connection goes on.
func (r raw) send(t *testing.T, addr, path string) (lines []string) {
	t.Helper()
	c := dial(t, addr)
	text := strings.ReplaceAll(r.bytes, "%s", path)
	if _, err := io.WriteString(c, text); err != nil {
		return []string{"refused while it was sent"}
	}
	in, refused := bufio.NewReader(c), false
	for {
		if err := c.SetReadDeadline(time.Now().Add(hush)); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(in, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
		}
		var late net.Error
		switch {
		case err != nil && refused:
			return lines // how soon it ends is another matter
		case errors.As(err, &late) && late.Timeout():
			return append(lines, "waits")
		case err != nil:
			return append(lines, "ends")
		}
		refused = res.StatusCode >= 400
		lines = append(lines, fmt.Sprint(res.StatusCode))
	}
}

// ledger is what a service was asked, by the case.
type ledger struct {
	mu   sync.Mutex
	seen map[string][]string
}

func (l *ledger) note(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // broken off: nobody acts on it
	}
	line := fmt.Sprintf("asked %s %s of %s with %d bytes", r.Method, r.RequestURI, r.Host, len(body))
	if r.Header.Get("X-Hop") != "" {
		line += " and X-Hop"
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(r.RequestURI, "/"), "/")
	line = strings.Replace(line, "/"+name, "/case", 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[name] = append(l.seen[name], line)
}

// TestBothRefuse: what is malformed or ambiguous. No request is smuggled through
// the embedded plane, and where it differs from Envoy is listed.
func TestBothRefuse(t *testing.T) {
	t.Parallel()
	listed := known(t, "raw/")
	cases := harm()
	var records [2][][]string
	for k, plane := range planes(t) {
		book := &ledger{seen: map[string][]string{}}
		s := h1.serve(t, people{}, func(_ http.ResponseWriter, r *http.Request) { book.note(r) })
		addr := free(t)
		begin(t, plane, dataplanetest.ToAll(addr, s.addr))
		records[k] = make([][]string, len(cases))
		var wg sync.WaitGroup
		for i, c := range cases {
			wg.Go(func() { records[k][i] = c.send(t, addr, fmt.Sprintf("/c%d", i)) })
		}
		wg.Wait()
		book.mu.Lock()
		for i := range cases {
			records[k][i] = []string{strings.Join(append(records[k][i], book.seen[fmt.Sprintf("c%d", i)]...), ", ")}
		}
		book.mu.Unlock()
	}
	for i, c := range cases {
		hold(t, listed, "raw/"+c.name, records[0][i], records[1][i])
		if slices.ContainsFunc(records[1][i], func(l string) bool { return strings.Contains(l, "/smuggled") }) {
			t.Errorf("%s: smuggled: %q", c.name, records[1][i])
		}
	}
	if os.Getenv("TARE_RECORD") != "" {
		for i, c := range cases {
			t.Logf("%s: envoy %q, embedded %q", c.name, records[0][i], records[1][i])
		}
	}
}
