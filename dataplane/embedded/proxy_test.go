package embedded

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/embedded/route"
	"github.com/taremesh/tare/function"
)

// patience bounds every wait of these tests: only what hangs meets it.
const patience = 20 * time.Second

// swift are limits that a test can wait for.
var swift = limits{
	sweep:   20 * time.Millisecond,
	resting: 60 * time.Millisecond,
	reading: 60 * time.Millisecond,
	waiting: 60 * time.Millisecond,
	stalled: 60 * time.Millisecond,
}

// run starts a proxy that sends everything to the addresses in turn.
func run(t testing.TB, l limits, chain []function.Filter, addrs ...string) (*proxy, string) {
	t.Helper()
	p := newProxy(l)
	c := &cluster{}
	for _, a := range addrs {
		c.endpoints = append(c.endpoints, p.endpoint(a))
	}
	var links []link
	for _, f := range chain {
		links = append(links, linkOf(f))
	}
	p.use(tableOf(t, c, links, dataplane.AnyPath(), &routev3.RouteAction{}), addrs)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.listen(lis)
	t.Cleanup(p.close)
	return p, lis.Addr().String()
}

// tableOf is one route, which goes to the cluster.
func tableOf(t testing.TB, c *cluster, chain []link, m *routev3.RouteMatch, a *routev3.RouteAction) *table {
	t.Helper()
	a.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: "service"}
	routes, err := route.Decode(&routev3.RouteConfiguration{VirtualHosts: []*routev3.VirtualHost{{Name: "all", Domains: []string{"*"},
		Routes: []*routev3.Route{{Match: m, Action: &routev3.Route_Route{Route: a}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	e := routes.Entries[0]
	made := &table{routes: routes, ways: []way{{Entry: e, plain: e.Plain(), cluster: c, mirrors: make([]*cluster, len(e.Mirrors)), chain: chain}}, chain: chain}
	made.watched = made.watches()
	return made
}

// origin is an upstream that follows a script: each request that it reads
// whole is answered by the next line of it.
type origin struct {
	addr string

	mu     sync.Mutex
	script []string
	seen   []string      // method, target and body of each request
	ended  chan struct{} // one for each connection that the proxy closed
}

// Lines of a script that are no answers.
const (
	hangUp = "hang up" // close without an answer
	silent = "silent"  // never answer
	byebye = "bye\n"   // prefix: answer, then close
)

func newOrigin(t testing.TB, script ...string) *origin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &origin{addr: l.Addr().String(), script: script, ended: make(chan struct{}, 100)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { o.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return o
}

func (o *origin) serve(c net.Conn) {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return
	}
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			o.ended <- struct{}{}
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			o.ended <- struct{}{}
			return
		}
		answer := o.next(r.Method + " " + r.RequestURI + " " + string(body))
		switch {
		case answer == hangUp:
			return
		case answer == silent:
			continue
		case strings.HasPrefix(answer, byebye):
			_, _ = io.WriteString(c, strings.TrimPrefix(answer, byebye))
			return
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

func (o *origin) next(request string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, request)
	if len(o.script) == 0 {
		return hangUp
	}
	answer := o.script[0]
	if len(o.script) > 1 {
		o.script = o.script[1:]
	}
	return answer
}

func (o *origin) requests() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.seen...)
}

// await waits until so many requests have come.
func (o *origin) await(t testing.TB, n int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if len(o.requests()) >= n {
			return
		}
	}
	t.Fatalf("got %d requests, want %d", len(o.requests()), n)
}

// serveTable has the proxy serve a table, and returns its address.
func serveTable(t testing.TB, p *proxy, made *table, addrs ...string) string {
	t.Helper()
	p.use(made, addrs)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.listen(l)
	return l.Addr().String()
}

// joined is the first table's route, which matches as m says, before the second's.
func joined(t testing.TB, first, second *table, m *routev3.RouteMatch) *table {
	t.Helper()
	to := &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: "service"}}}
	routes, err := route.Decode(&routev3.RouteConfiguration{VirtualHosts: []*routev3.VirtualHost{{Name: "all", Domains: []string{"*"},
		Routes: []*routev3.Route{{Match: m, Action: to}, {Match: dataplane.AnyPath(), Action: to}}}}})
	if err != nil {
		t.Fatal(err)
	}
	made := &table{routes: routes, chain: second.chain, ways: []way{first.ways[0], second.ways[0]}}
	made.ways[0].Entry, made.ways[1].Entry = routes.Entries[0], routes.Entries[1]
	return made
}

// dial opens a raw connection to the proxy.
func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// exchangeRaw sends bytes and returns everything that comes back until the
// proxy closes the connection.
func exchangeRaw(t testing.TB, addr, in string) string {
	t.Helper()
	c := dial(t, addr)
	if _, err := io.WriteString(c, in); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("after %q: %v", out, err)
	}
	return string(out)
}

func write(t testing.TB, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

// want reads exactly as much as is wanted, and compares.
func want(t testing.TB, c net.Conn, s string) {
	t.Helper()
	b := make([]byte, len(s))
	n, err := io.ReadFull(c, b)
	if err != nil || string(b) != s {
		t.Fatalf("got %q, error %v, want %q", b[:n], err, s)
	}
}

// wantEnd waits for the proxy to close.
func wantEnd(t testing.TB, c net.Conn) {
	t.Helper()
	if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
		t.Fatalf("got %q, error %v, want the end", b, err)
	}
}
