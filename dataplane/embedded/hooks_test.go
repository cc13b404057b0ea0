package embedded

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// seer writes down what it is shown.
type seer struct {
	name   string
	refuse string // header with which its requests end here
	encode bool
	most   int64 // of bodies; 0: it waits for none
	record *record
}

type record struct {
	mu    sync.Mutex
	lines []string
	ends  chan function.Ending
}

func newRecord() *record { return &record{ends: make(chan function.Ending, 100)} }

func (r *record) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *record) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

func (s *seer) Handle(x function.Exchange) bool {
	s.record.add("%s handles %s", s.name, x.Path())
	if _, ok := x.Header(s.refuse); ok && s.refuse != "" {
		x.Reply(403, "no "+s.name)
		return false
	}
	return true
}

func (s *seer) Respond(x function.Exchange, r function.Response) {
	length, _ := r.Header("content-length")
	s.record.add("%s sees %d of %s, length %q", s.name, r.Status(), x.Path(), length)
	r.AddHeader("x-seen", []byte(s.name))
	r.RemoveHeader("x-drop")
	if s.encode {
		r.SetHeader("content-encoding", []byte("loud"))
		r.Encode(func(to io.Writer) io.WriteCloser { return &loud{to} })
	}
	if _, ok := x.Header("x-teapot"); ok {
		r.SetStatus(418)
	}
}

// loud writes in capitals, and something at the end.
type loud struct{ to io.Writer }

func (l *loud) Write(p []byte) (int, error) {
	_, err := io.WriteString(l.to, strings.ToUpper(string(p)))
	return len(p), err
}

func (l *loud) Close() error {
	_, err := io.WriteString(l.to, "!")
	return err
}

// waiter is a seer that waits for bodies, and is told of ends.
type waiter struct{ *seer }

func (w waiter) MostBody() int64 { return w.most }

func (w waiter) HandleBody(x function.Exchange, body []byte) bool {
	w.record.add("%s has body %q", w.name, body)
	if string(body) == "bad" {
		x.Reply(400, "bad body")
		return false
	}
	return true
}

func (w waiter) Finish(x function.Exchange, e function.Ending) {
	w.record.add("%s ends %s", w.name, x.Path())
	w.record.ends <- e
}

// answerOf reads one response.
func answerOf(t *testing.T, in *bufio.Reader, method string) (status int, head http.Header, body string) {
	t.Helper()
	r, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.TransferEncoding) > 0 {
		r.Header.Set("Length", "not known")
	}
	return r.StatusCode, r.Header, string(b)
}

// Filters that respond are called in the reverse order, on answers of the
// service and on those of filters behind them, and not on those of filters
// before them.
func TestResponders(t *testing.T) {
	rec := newRecord()
	first, second := &seer{name: "first", refuse: "x-first", record: rec}, &seer{name: "second", refuse: "x-second", record: rec}
	o := newOrigin(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Drop: 1\r\n\r\nok")
	_, addr := run(t, envoyLimits, []function.Filter{first, second}, o.addr)
	c := dial(t, addr)
	in := bufio.NewReader(c)
	for _, q := range []struct {
		request string
		status  int
		seen    []string
		lines   []string
	}{
		{"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", 200, []string{"second", "first"},
			[]string{"first handles /a", "second handles /a", `second sees 200 of /a, length "2"`, `first sees 200 of /a, length "2"`}},
		{"GET /b HTTP/1.1\r\nHost: a\r\nX-Second: 1\r\n\r\n", 403, []string{"first"},
			[]string{"first handles /b", "second handles /b", `first sees 403 of /b, length "9"`}},
		{"GET /c HTTP/1.1\r\nHost: a\r\nX-First: 1\r\n\r\n", 403, nil, []string{"first handles /c"}},
		{"GET /d HTTP/1.1\r\nHost: a\r\nX-Teapot: 1\r\n\r\n", 418, []string{"second", "first"},
			[]string{"first handles /d", "second handles /d", `second sees 200 of /d, length "2"`, `first sees 418 of /d, length "2"`}},
	} {
		write(t, c, q.request)
		status, head, _ := answerOf(t, in, "GET")
		if status != q.status || head.Get("X-Drop") != "" {
			t.Errorf("got %d %v, want %d", status, head, q.status)
		}
		if diff := cmp.Diff(q.seen, head["X-Seen"]); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(q.lines, rec.take()); diff != "" {
			t.Error(diff)
		}
	}
}

// A body that a filter encodes has no length any more.
func TestEncode(t *testing.T) {
	rec := newRecord()
	big := strings.Repeat("abcdefgh", 20_000)
	o := newOrigin(t,
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
		fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(big), big),
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	_, addr := run(t, envoyLimits, []function.Filter{&seer{name: "loud", encode: true, record: rec}, &seer{name: "guard", refuse: "x-refuse", record: rec}}, o.addr)
	c := dial(t, addr)
	in := bufio.NewReader(c)
	for i, q := range []struct{ method, header, body, length string }{
		{"GET", "", "OK!", "not known"}, {"GET", "", "AB!", "not known"}, {"GET", "", strings.ToUpper(big) + "!", "not known"},
		{"GET", "", "", ""}, {"HEAD", "", "", ""}, {"GET", "X-Refuse: 1\r\n", "NO GUARD!", "not known"}, {"GET", "", "OK!", "not known"},
	} {
		write(t, c, q.method+" / HTTP/1.1\r\nHost: a\r\n"+q.header+"\r\n")
		_, head, body := answerOf(t, in, q.method)
		if body != q.body || head.Get("Length") != q.length {
			t.Errorf("%d: got %.40q of length %q, want %.40q of %q", i, body, head.Get("Length"), q.body, q.length)
		}
	}
}

// A filter that waits for bodies has them whole, up to its bound.
func TestBodies(t *testing.T) {
	rec := newRecord()
	o := newOrigin(t, okay)
	_, addr := run(t, envoyLimits, []function.Filter{waiter{&seer{name: "w", most: 10, record: rec}}}, o.addr)
	for _, q := range []struct {
		body, want string
		status     int
	}{
		{"Content-Length: 5\r\n\r\nhello", `w has body "hello"`, 200},
		{"Content-Length: 10\r\n\r\n0123456789", `w has body "0123456789"`, 200},
		{"Content-Length: 11\r\n\r\n01234567890", "", 413},
		{"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", `w has body "hello"`, 200},
		{"Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n", "", 413},
		{"Content-Length: 3\r\n\r\nbad", `w has body "bad"`, 400},
		{"\r\n", `w has body ""`, 200},
	} {
		c := dial(t, addr)
		write(t, c, "POST /x HTTP/1.1\r\nHost: a\r\n"+q.body)
		status, _, _ := answerOf(t, bufio.NewReader(c), "POST")
		e := <-rec.ends
		if status != q.status || e.Status != q.status {
			t.Errorf("%q: got %d, told %d, want %d", q.body, status, e.Status, q.status)
		}
		if got := strings.Join(rec.take(), "; "); q.want != "" && !strings.Contains(got, q.want) || q.want == "" && strings.Contains(got, "has body") {
			t.Errorf("%q: got %s, want %s", q.body, got, q.want)
		}
	}
	for _, seen := range o.requests() {
		if strings.Contains(seen, "bad") || strings.Contains(seen, "01234567890") {
			t.Errorf("the service got %q", seen)
		}
	}
}

// A filter is told of every end, whatever became of the exchange.
func TestEndings(t *testing.T) {
	rec := newRecord()
	chain := []function.Filter{waiter{&seer{name: "w", most: 100, refuse: "x-refuse", record: rec}}}
	at := func(o string) string {
		if o == "none" {
			return ""
		}
		return o
	}
	for _, q := range []struct {
		name, request string
		script        string
		want          function.Ending
		leave         bool // the client goes away
	}{
		{"answered", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", okay, function.Ending{Status: 200, Received: 3, Sent: 2, Upstream: "o"}, false},
		{"in chunks", getHead + "\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", function.Ending{Status: 200, Sent: 3, Upstream: "o"}, false},
		{"refused", getHead + "X-Refuse: 1\r\n\r\n", okay, function.Ending{Status: 403, Sent: 4}, false},
		{"reset", getHead + "\r\n", hangUp, function.Ending{Status: 503, Sent: int64(len(upstreamLost + resetReason + upstreamEnds)), Upstream: "o"}, false},
		{"broken", getHead + "\r\n", byebye + "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", function.Ending{Status: 200, Sent: 3, Upstream: "o", Broken: true}, false},
		{"malformed", getHead + "\r\n", "HTTP/1.1 2\r\n\r\n", function.Ending{Status: 502, Sent: int64(len(upstreamLost + resetReason + upstreamBad)), Upstream: "o"}, false},
		{"left", getHead + "\r\n", silent, function.Ending{Upstream: "o", Broken: true}, true},
	} {
		t.Run(q.name, func(t *testing.T) {
			o := newOrigin(t, q.script)
			_, addr := run(t, envoyLimits, chain, o.addr)
			c := dial(t, addr)
			write(t, c, q.request)
			if q.leave {
				o.await(t, 1)
				c.Close()
			}
			e := <-rec.ends
			if e.Began.IsZero() || e.Took <= 0 {
				t.Errorf("began %v, took %v", e.Began, e.Took)
			}
			e.Began, e.Took = time.Time{}, 0
			if q.want.Upstream = at(q.want.Upstream); q.want.Upstream != "" {
				q.want.Upstream = o.addr
			}
			if diff := cmp.Diff(q.want, e); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A filter that clears the route has it looked for again, with what it has
// changed; the rest of the chain is the new route's.
func TestClearRoute(t *testing.T) {
	move := doing(func(x function.Exchange) bool {
		x.SetHeader("x-route", []byte("other"))
		if _, ok := x.Header("x-clear"); ok {
			x.ClearRoute()
		}
		return true
	})
	mark := func(name string) link {
		return linkOf(doing(func(x function.Exchange) bool {
			x.AddResponseHeader("x-chain", []byte(name))
			return true
		}))
	}
	p := newProxy(envoyLimits)
	t.Cleanup(p.close)
	header := &routev3.HeaderMatcher{Name: "x-route", HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}}
	m := dataplane.AnyPath()
	m.Headers = append(m.Headers, header)
	here, there := newOrigin(t, okay), newOrigin(t, okay)
	other := tableOf(t, &cluster{endpoints: []*endpoint{p.endpoint(there.addr)}}, []link{linkOf(move), mark("other")}, m, &routev3.RouteAction{})
	plain := tableOf(t, &cluster{endpoints: []*endpoint{p.endpoint(here.addr)}}, []link{linkOf(move), mark("plain")}, dataplane.AnyPath(), &routev3.RouteAction{})
	both := joined(t, other, plain, m)
	addr := serveTable(t, p, both, here.addr, there.addr)
	for _, q := range []struct{ header, want string }{{"", "plain"}, {"X-Clear: 1\r\n", "other"}} {
		c := dial(t, addr)
		write(t, c, getHead+q.header+"\r\n")
		if _, head, _ := answerOf(t, bufio.NewReader(c), "GET"); head.Get("X-Chain") != q.want {
			t.Errorf("with %q: got chain %q, want %q", q.header, head.Get("X-Chain"), q.want)
		}
	}
	if len(here.requests()) != 1 || len(there.requests()) != 1 {
		t.Errorf("got %v and %v", here.requests(), there.requests())
	}
}

// A filter that is off is passed over.
func TestFilterThatIsOff(t *testing.T) {
	refuse := linkOf(doing(func(x function.Exchange) bool {
		x.Reply(403, "")
		return false
	}))
	refuse.off = true
	o := newOrigin(t, okay)
	p := newProxy(envoyLimits)
	t.Cleanup(p.close)
	table := tableOf(t, &cluster{endpoints: []*endpoint{p.endpoint(o.addr)}}, []link{refuse}, dataplane.AnyPath(), &routev3.RouteAction{Timeout: durationpb.New(time.Minute)})
	addr := serveTable(t, p, table, o.addr)
	c := dial(t, addr)
	write(t, c, getHead+"\r\n")
	if status, _, _ := answerOf(t, bufio.NewReader(c), "GET"); status != 200 {
		t.Errorf("got %d", status)
	}
}
