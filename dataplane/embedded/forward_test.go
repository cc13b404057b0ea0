package embedded

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/process"
)

const (
	okay  = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	okay2 = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" // as it leaves the proxy
	last2 = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"

	getHead  = "GET / HTTP/1.1\r\nHost: a\r\n"
	getLast  = getHead + "Connection: close\r\n\r\n"
	postHead = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
)

func local(status, text string) string {
	return "HTTP/1.1 " + status + "\r\ncontent-type: text/plain\r\n" +
		fmt.Sprintf("content-length: %d\r\nconnection: close\r\n\r\n%s", len(text), text)
}

// Each case is one connection of a client, one script of the upstream, and
// what both see.
func TestExchange(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 10_000)
	for _, c := range []struct {
		name, in string
		script   []string
		out      string
		seen     []string
	}{
		{"forwards", getLast, []string{okay}, last2, []string{"GET / "}},
		{"keeps pipelined requests in order", "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
			[]string{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3"},
			"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n2HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n3",
			[]string{"GET /1 ", "POST /2 abc", "GET /3 "}},
		{"writes chunks of its own", postHead + "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: x\r\n\r\n", []string{okay}, last2, []string{"POST / abc"}},
		{"hands on a large body", postHead + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(large)) + large, []string{okay}, last2, []string{"POST / " + large}},
		{"hands on a large response", getLast, []string{fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(large)) + large},
			fmt.Sprintf("HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n", len(large)) + large, []string{"GET / "}},
		{"hands on chunks", getLast, []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n2;e\r\nok\r\n0\r\nX: y\r\n\r\n"},
			"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\nok\r\n0\r\n\r\n", []string{"GET / "}},
		{"frames what ends with the connection", getLast, []string{byebye + "HTTP/1.1 200 OK\r\n\r\nok"},
			"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\nok\r\n0\r\n\r\n", []string{"GET / "}},
		{"sends no chunks to HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
			"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok", []string{"GET / "}},
		{"keeps HTTP/1.0 that asks for it", "GET /1 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\nHost: a\r\n\r\n", []string{okay},
			"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok" + last2, []string{"GET /1 ", "GET /2 "}},
		{"HEAD has no body", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + getLast, []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", okay},
			"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" + last2, []string{"HEAD / ", "GET / "}},
		{"204 and 304 have no body", getHead + "\r\n" + getHead + "\r\n" + getLast, []string{"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", okay},
			"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n" + last2, []string{"GET / ", "GET / ", "GET / "}},
		{"keeps interim responses", getLast, []string{"HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + okay}, last2, []string{"GET / "}},
		{"drops what concerns one hop", getHead + "Connection: close, x-a\r\nX-A: 1\r\nKeep-Alive: 1\r\n\r\n", []string{"HTTP/1.1 200 OK\r\nX-B: 1\r\nKeep-Alive: 2\r\nConnection: x-b\r\nX-C: 3\r\nContent-Length: 2\r\n\r\nok"},
			"HTTP/1.1 200 OK\r\nX-C: 3\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok", []string{"GET / "}},
		{"an answer that says too much is not followed by another", getHead + "\r\n" + getLast, []string{okay + "HTTP/1.1 666 Smuggled\r\n\r\n", okay}, okay2 + last2, []string{"GET / ", "GET / "}},
		{"a malformed response", getLast, []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}, local("502 Bad Gateway", upstreamLost+resetReason+upstreamBad), []string{"GET / "}},
		{"a response of malformed chunks", getLast, []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n"}, local("502 Bad Gateway", upstreamLost+resetReason+upstreamBad), []string{"GET / "}},
		{"no response", getLast, []string{hangUp}, local("503 Service Unavailable", upstreamLost+resetReason+upstreamEnds), []string{"GET / "}},
		{"half a response", getLast, []string{byebye + "HTTP/1.1 200 OK\r\nContent-Le"}, local("503 Service Unavailable", upstreamLost+resetReason+upstreamEnds), []string{"GET / "}},
		{"tries again what a resting connection did not take", getHead + "\r\n" + getLast, []string{okay, hangUp, okay}, okay2 + last2, []string{"GET / ", "GET / ", "GET / "}},
		{"does not try again twice", getHead + "\r\n" + getLast, []string{okay, hangUp, hangUp}, okay2 + local("503 Service Unavailable", upstreamLost+resetReason+upstreamEnds), []string{"GET / ", "GET / ", "GET / "}},
		{"does not try again what may not be repeated", getHead + "\r\n" + postHead + "Content-Length: 1\r\n\r\nx", []string{okay, hangUp, okay}, okay2 + local("503 Service Unavailable", upstreamLost+resetReason+upstreamEnds), []string{"GET / ", "POST / x"}},
		{"malformed chunks of a client", postHead + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", []string{okay}, local("400 Bad Request", "a chunk does not end in CRLF where its size says"), nil},
		{"a smuggled request", postHead + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", []string{okay}, local("400 Bad Request", "both Content-Length and Transfer-Encoding are given"), nil},
		{"nothing after a malformed request", getHead + "\r\n" + "GET / HTTP/1.1\r\n\r\n" + getLast, []string{okay}, okay2 + local("400 Bad Request", "Host is not given exactly once, or is no host"), []string{"GET / "}},
		{"Upgrade", getHead + "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", []string{okay}, local("501 Not Implemented", "Upgrade is not supported"), nil},
		{"too large a head", getHead + "X: " + strings.Repeat("x", 61<<10), []string{okay}, local("431 Request Header Fields Too Large", "the head is larger than 60 KiB"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t, c.script...)
			_, addr := run(t, envoyLimits, nil, o.addr)
			if diff := cmp.Diff(c.out, exchangeRaw(t, addr, c.in)); diff != "" {
				t.Errorf("the client got (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.seen, o.requests()); diff != "" {
				t.Errorf("the upstream saw (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	nobody, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, addr := run(t, envoyLimits, nil, nobody)
	if diff := cmp.Diff(local("503 Service Unavailable", upstreamLost+resetReason+connectFails), exchangeRaw(t, addr, getLast)); diff != "" {
		t.Error(diff)
	}
	_, addr = run(t, envoyLimits, nil)
	if diff := cmp.Diff(local("503 Service Unavailable", noUpstream), exchangeRaw(t, addr, getLast)); diff != "" {
		t.Error(diff)
	}
}

func TestContinue(t *testing.T) {
	o := newOrigin(t, okay)
	_, addr := run(t, envoyLimits, nil, o.addr)
	c := dial(t, addr)
	write(t, c, postHead+"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	want(t, c, "HTTP/1.1 100 Continue\r\n\r\n")
	write(t, c, "abc")
	want(t, c, last2)
	wantEnd(t, c)
	if diff := cmp.Diff([]string{"POST / abc"}, o.requests()); diff != "" {
		t.Error(diff)
	}
}

// A body is handed on as it comes, and a response while it still comes.
func TestBothWaysAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, addr := run(t, envoyLimits, nil, l.Addr().String())
	c := dial(t, addr)
	write(t, c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
	u, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	if err := u.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	want(t, u, "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
	write(t, u, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n")
	want(t, c, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nA\r\n")
	write(t, c, "1\r\nb\r\n0\r\n\r\n")
	want(t, u, "1\r\nb\r\n0\r\n\r\n")
	write(t, u, "1\r\nB\r\n0\r\n\r\n")
	want(t, c, "1\r\nB\r\n0\r\n\r\n")
	write(t, c, getLast)
	want(t, u, "GET / HTTP/1.1\r\nhost: a\r\n\r\n")
	write(t, u, okay)
	want(t, c, last2)
	wantEnd(t, c)
}

// A client must be able to tell half a response from a whole one.
func TestTruncatedResponse(t *testing.T) {
	for _, head := range []string{"Content-Length: 9", "Transfer-Encoding: chunked"} {
		o := newOrigin(t, byebye+"HTTP/1.1 200 OK\r\n"+head+"\r\n\r\n5\r\nhello")
		_, addr := run(t, envoyLimits, nil, o.addr)
		c := dial(t, addr)
		write(t, c, getLast)
		b, err := io.ReadAll(c)
		if err == nil {
			t.Errorf("%s: got %q and an orderly end", head, b)
		}
	}
}

func TestTimeouts(t *testing.T) {
	for _, c := range []struct{ name, in, out string }{
		{"of a response", getLast, local("504 Gateway Timeout", upstreamSlow)},
		{"of a head", "GET / HTT", local("408 Request Timeout", "request timeout")},
		{"of the next request", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t, silent)
			_, addr := run(t, swift, nil, o.addr)
			if diff := cmp.Diff(c.out, exchangeRaw(t, addr, c.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestClientGone(t *testing.T) {
	o := newOrigin(t, silent)
	l := swift
	l.waiting = time.Hour
	_, addr := run(t, l, nil, o.addr)
	c := dial(t, addr)
	write(t, c, getHead+"\r\n")
	c.Close()
	select {
	case <-o.ended:
	case <-time.After(patience):
		t.Fatal("the upstream was not told")
	}
}

// What an upstream says without being asked must not answer the next request.
func TestUnasked(t *testing.T) {
	o := newOrigin(t, okay)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	limits := swift
	limits.resting = time.Hour
	p, addr := run(t, limits, nil, l.Addr().String(), o.addr)
	c := dial(t, addr)
	write(t, c, getHead+"\r\n")
	u, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	want(t, u, "GET / HTTP/1.1\r\nhost: a\r\n\r\n")
	write(t, u, okay)
	want(t, c, okay2)
	write(t, u, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
	// The sweep closes it; the request after the next would have taken it.
	if err := u.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(u); len(b) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection is still used: %q, %v", b, err)
	}
	if n := p.total().requests.Load(); n != 1 {
		t.Errorf("counted %d requests, want 1", n)
	}
}

// doing is a filter made of a func.
type doing func(function.Exchange) bool

func (f doing) Handle(x function.Exchange) bool { return f(x) }

func TestFilters(t *testing.T) {
	seen := make(chan [4]string, 10)
	first := doing(func(x function.Exchange) bool {
		token, ok := x.Header("x-token")
		seen <- [4]string{string(x.Method()), string(x.Path()), string(token), fmt.Sprint(ok)}
		x.RemoveHeader("x-user")
		x.SetHeader("x-user", []byte("ann"))
		x.SetHeader("x-twice", []byte("once"))
		x.AddResponseHeader("x-left", []byte("3"))
		return true
	})
	second := doing(func(x function.Exchange) bool {
		if user, _ := x.Header("x-user"); string(user) != "ann" {
			x.Reply(500, "no user")
			return false
		}
		if _, ok := x.Header("x-refuse"); ok {
			x.Reply(429, "too many")
			return false
		}
		if v, ok := x.Header("x-inject"); ok {
			x.SetHeader("x-user", []byte(string(v)+"\r\nx-admin: yes"))
		}
		return true
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, addr := run(t, envoyLimits, []function.Filter{first, second}, l.Addr().String())
	c := dial(t, addr)
	// Connection names x-user, which must not drop the filter's own.
	write(t, c, "GET /p?q HTTP/1.1\r\nHost: a\r\nX-TOKEN: t\r\nX-User: root\r\nx-user: admin\r\nX-Twice: 1\r\nx-twice: 2\r\nConnection: x-user\r\n\r\n")
	u, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	want(t, u, "GET /p?q HTTP/1.1\r\nhost: a\r\nX-TOKEN: t\r\nx-user: ann\r\nx-twice: once\r\n\r\n")
	write(t, u, okay)
	want(t, c, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-left: 3\r\n\r\nok")
	if diff := cmp.Diff([4]string{"GET", "/p?q", "t", "true"}, <-seen); diff != "" {
		t.Error(diff)
	}
	write(t, c, "POST / HTTP/1.1\r\nHost: a\r\nX-Refuse: 1\r\nContent-Length: 3\r\n\r\nabc")
	want(t, c, "HTTP/1.1 429 Too Many Requests\r\ncontent-type: text/plain\r\ncontent-length: 8\r\nx-left: 3\r\n\r\ntoo many")
	write(t, c, "GET / HTTP/1.1\r\nHost: a\r\nX-Inject: 1\r\n\r\n")
	want(t, c, "HTTP/1.1 500 Internal Server Error\r\n")
}

// A refusal reaches the client although it is still sending.
func TestRefusalOfLargeBody(t *testing.T) {
	refuse := doing(func(x function.Exchange) bool {
		x.Reply(403, "no")
		return false
	})
	_, addr := run(t, envoyLimits, []function.Filter{refuse})
	const size = 500_000
	in := "POST / HTTP/1.1\r\nHost: a\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n", size) + strings.Repeat("x", size)
	if diff := cmp.Diff(local("403 Forbidden", "no"), exchangeRaw(t, addr, in)); diff != "" {
		t.Error(diff)
	}
}

// The steady state allocates nothing.
func TestAllocations(t *testing.T) {
	o := newFastOrigin(t)
	user, left := []byte("ann"), []byte("3")
	keep := doing(func(x function.Exchange) bool {
		x.SetHeader("x-user", user)
		x.AddResponseHeader("x-left", left)
		return true
	})
	_, addr := run(t, envoyLimits, []function.Filter{keep}, o)
	c := dial(t, addr)
	b := make([]byte, 4096)
	request := []byte(getHead + "\r\n")
	once := func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		once()
	}
	const n = 2000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		once()
	}
	runtime.ReadMemStats(&after)
	if per := float64(after.Mallocs-before.Mallocs) / n; per > 0.1 {
		t.Errorf("%.2f allocations for each request, want none", per)
	}
}

// newFastOrigin answers without allocating; requests come whole.
func newFastOrigin(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b, answer := make([]byte, 4096), []byte(okay)
				for {
					if _, err := c.Read(b); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// BenchmarkRequest is one request through the proxy, client and upstream in
// the same process.
func BenchmarkRequest(b *testing.B) {
	_, addr := run(b, envoyLimits, nil, newFastOrigin(b))
	c := dial(b, addr)
	buf := make([]byte, 4096)
	request := []byte(getHead + "\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}
