package embedded

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
)

const (
	busy  = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
	moved = "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n"
)

// quickly is a policy that waits next to nothing.
func quickly(on string, most uint32) *routev3.RetryPolicy {
	return &routev3.RetryPolicy{RetryOn: on, NumRetries: wrapperspb.UInt32(most),
		RetryBackOff: &routev3.RetryPolicy_RetryBackOff{BaseInterval: durationpb.New(time.Millisecond)}}
}

// routed starts a proxy with one route to the origins in turn.
func routed(t testing.TB, a *routev3.RouteAction, addrs ...string) (*proxy, string) {
	t.Helper()
	return routedWithin(t, envoyLimits, a, addrs...)
}

func routedWithin(t testing.TB, l limits, a *routev3.RouteAction, addrs ...string) (*proxy, string) {
	t.Helper()
	p := newProxy(l)
	t.Cleanup(p.close)
	c := &cluster{}
	for _, addr := range addrs {
		c.endpoints = append(c.endpoints, p.endpoint(addr))
	}
	return p, serveTable(t, p, tableOf(t, c, nil, dataplane.AnyPath(), a), addrs...)
}

func TestRetries(t *testing.T) {
	big := strings.Repeat("x", 3*mostGathered/2)
	post := func(body string) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	chunked := func(body string) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	}
	for _, c := range []struct {
		name    string
		policy  *routev3.RetryPolicy
		request string
		script  []string
		status  int
		seen    []string
	}{
		{"until it is good", quickly("5xx", 3), getHead + "\r\n", []string{busy, busy, okay}, 200, []string{"GET / ", "GET / ", "GET / "}},
		{"as often as is said", quickly("5xx", 1), getHead + "\r\n", []string{busy, busy, okay}, 503, []string{"GET / ", "GET / "}},
		{"what is not wanted", quickly("5xx", 3), getHead + "\r\n", []string{moved, okay}, 404, []string{"GET / "}},
		{"after resets", quickly("reset", 3), getHead + "\r\n", []string{hangUp, hangUp, okay}, 200, []string{"GET / ", "GET / ", "GET / "}},
		{"not after resets", quickly("connect-failure", 3), getHead + "\r\n", []string{hangUp, okay}, 503, []string{"GET / "}},
		{"with its body", quickly("5xx", 3), post("hello"), []string{busy, okay}, 200, []string{"POST / hello", "POST / hello"}},
		{"with a body of untold length", quickly("5xx", 3), chunked("hello"), []string{busy, okay}, 200, []string{"POST / hello", "POST / hello"}},
		{"not with a body that is too long", quickly("5xx", 3), post(big), []string{busy, okay}, 503, []string{"POST / " + big}},
		{"not with one of untold length", quickly("5xx", 3), chunked(big), []string{busy, okay}, 503, []string{"POST / " + big}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t, c.script...)
			_, addr := routed(t, &routev3.RouteAction{RetryPolicy: c.policy}, o.addr)
			conn := dial(t, addr)
			in := bufio.NewReader(conn)
			write(t, conn, c.request)
			if status, _, _ := answerOf(t, in, "GET"); status != c.status {
				t.Errorf("got %d, want %d", status, c.status)
			}
			if diff := cmp.Diff(c.seen, o.requests()); diff != "" {
				t.Errorf("%.500s", diff)
			}
			// The connection goes on, and nothing of the last request is left.
			if c.status != 503 || !strings.Contains(c.name, "not with") {
				write(t, conn, getHead+"\r\n")
				answerOf(t, in, "GET")
			}
		})
	}
}

// What is said of a failure tells whether it was the first.
func TestWordsOfFailures(t *testing.T) {
	for _, c := range []struct {
		policy *routev3.RetryPolicy
		want   string
	}{
		{quickly("connect-failure", 0), upstreamLost + resetReason + connectFails},
		{quickly("connect-failure", 2), upstreamLost + latestReason + connectFails},
	} {
		_, addr := routed(t, &routev3.RouteAction{RetryPolicy: c.policy}, unused(t))
		conn := dial(t, addr)
		write(t, conn, getHead+"\r\n")
		if status, _, body := answerOf(t, bufio.NewReader(conn), "GET"); status != 503 || body != c.want {
			t.Errorf("got %d %q, want %q", status, body, c.want)
		}
	}
}

// unused is an address where nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Times that are over end what they bound, and not what comes after.
func TestRouteTimes(t *testing.T) {
	const (
		short = 100 * time.Millisecond
		many  = 4 // at most: as many as there is time for, and more than one
	)
	slow := &routev3.RouteAction{Timeout: durationpb.New(short)}
	whole := &routev3.RouteAction{Timeout: durationpb.New(0), MaxStreamDuration: &routev3.RouteAction_MaxStreamDuration{MaxStreamDuration: durationpb.New(short)}}
	tries := quickly("5xx", 1000)
	tries.PerTryTimeout = durationpb.New(short)
	for _, c := range []struct {
		name   string
		action *routev3.RouteAction
		head   string
		script []string
		status int
		body   string
		seen   int
	}{
		{"a timeout", slow, "", []string{silent, okay}, 504, upstreamSlow, 1},
		{"a whole exchange", whole, "", []string{silent, okay}, 504, streamSlow, 1},
		{"nothing that moves", &routev3.RouteAction{IdleTimeout: durationpb.New(short)}, "", []string{silent, okay}, 504, streamIdle, 1},
		{"what the caller says", &routev3.RouteAction{MaxStreamDuration: &routev3.RouteAction_MaxStreamDuration{GrpcTimeoutHeaderMax: durationpb.New(0)}}, "Grpc-Timeout: 30m\r\n", []string{silent, okay}, 504, streamSlow, 1},
		{"every attempt", &routev3.RouteAction{RetryPolicy: tries}, "", []string{silent, silent, okay}, 200, "ok", 3},
		{"all attempts", &routev3.RouteAction{RetryPolicy: tries, Timeout: durationpb.New(many * short)}, "", []string{silent}, 504, upstreamSlow, many},
		{"a pause", &routev3.RouteAction{Timeout: durationpb.New(short), RetryPolicy: &routev3.RetryPolicy{RetryOn: "5xx", RateLimitedRetryBackOff: &routev3.RetryPolicy_RateLimitedRetryBackOff{
			ResetHeaders: []*routev3.RetryPolicy_ResetHeader{{Name: "Retry-After"}}}}}, "", []string{"HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n", okay}, 504, upstreamSlow, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t, c.script...)
			_, addr := routed(t, c.action, o.addr)
			conn := dial(t, addr)
			in := bufio.NewReader(conn)
			write(t, conn, getHead+c.head+"\r\n")
			if status, _, body := answerOf(t, in, "GET"); status != c.status || body != c.body {
				t.Errorf("got %d %q, want %d %q", status, body, c.status, c.body)
			}
			if n := len(o.requests()); n != c.seen && (c.seen != many || n < 2 || n > many) {
				t.Errorf("the service saw %d requests, want %d", n, c.seen)
			}
			if len(c.script) > 1 {
				// The next one has all its time.
				write(t, conn, getHead+"\r\n")
				if status, _, _ := answerOf(t, in, "GET"); status != 200 {
					t.Errorf("then got %d", status)
				}
			}
		})
	}
}

// A response that has begun is cut off when its time is over.
func TestTimeWithinResponse(t *testing.T) {
	o := newOrigin(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
	_, addr := routed(t, &routev3.RouteAction{Timeout: durationpb.New(30 * time.Millisecond)}, o.addr)
	conn := dial(t, addr)
	write(t, conn, getHead+"\r\n")
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r.Body); err == nil {
		t.Errorf("got %q to its end", b)
	}
}

// A client that goes away ends the request at its service, on a plain route and
// between attempts.
func TestCancellation(t *testing.T) {
	policy := quickly("5xx", 5)
	policy.RetryBackOff.BaseInterval = durationpb.New(time.Hour)
	for _, c := range []struct {
		name   string
		action *routev3.RouteAction
		script string
	}{
		{"plain", &routev3.RouteAction{}, silent},
		{"with a timeout", &routev3.RouteAction{Timeout: durationpb.New(time.Hour)}, silent},
		{"in a pause", &routev3.RouteAction{RetryPolicy: policy, Timeout: durationpb.New(0)}, byebye + busy},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t, c.script)
			rarely := envoyLimits
			rarely.sweep = time.Hour // nothing but the watch can tell
			p, addr := routedWithin(t, rarely, c.action, o.addr)
			conn := dial(t, addr)
			write(t, conn, getHead+"\r\n")
			o.await(t, 1)
			conn.Close()
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for end := time.Now().Add(patience); p.total().aborted.Load() == 0; <-tick.C {
				if time.Now().After(end) {
					t.Fatal("the request goes on")
				}
			}
			if c.script == silent {
				<-o.ended
			}
			if n := len(o.requests()); n != 1 {
				t.Errorf("the service saw %d requests", n)
			}
		})
	}
}

// Copies go to the cluster that mirrors, bodies too, and nothing of them comes
// back.
func TestMirror(t *testing.T) {
	for _, answer := range []string{moved, hangUp, silent, "nonsense\r\n\r\n"} {
		o, shadow := newOrigin(t, okay), newOrigin(t, answer)
		p := newProxy(envoyLimits)
		t.Cleanup(p.close)
		table := tableOf(t, &cluster{endpoints: []*endpoint{p.endpoint(o.addr)}}, nil, dataplane.AnyPath(),
			&routev3.RouteAction{RequestMirrorPolicies: []*routev3.RouteAction_RequestMirrorPolicy{{Cluster: "shadow"}}})
		table.ways[0].mirrors[0] = &cluster{endpoints: []*endpoint{p.endpoint(shadow.addr)}}
		conn := dial(t, serveTable(t, p, table, o.addr, shadow.addr))
		in := bufio.NewReader(conn)
		for i, q := range []string{
			getHead + "\r\n", "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
			"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		} {
			write(t, conn, q)
			if status, _, body := answerOf(t, in, "GET"); status != 200 || body != "ok" {
				t.Errorf("got %d %q", status, body)
			}
			shadow.await(t, i+1)
		}
		for _, from := range []*origin{o, shadow} {
			if diff := cmp.Diff([]string{"GET / ", "POST /p hello", "POST /c hello"}, from.requests()); diff != "" {
				t.Error(diff)
			}
		}
	}
}

// A request that is tried elsewhere goes elsewhere.
func TestElsewhere(t *testing.T) {
	bad, good := newOrigin(t, busy), newOrigin(t, okay)
	policy := quickly("5xx", 1)
	policy.RetryHostPredicate = []*routev3.RetryPolicy_RetryHostPredicate{{Name: "previous",
		ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{TypedConfig: packed(t, previousHosts())}}}
	_, addr := routed(t, &routev3.RouteAction{RetryPolicy: policy}, bad.addr, good.addr)
	for range 10 {
		conn := dial(t, addr)
		write(t, conn, getHead+"\r\n")
		if status, _, _ := answerOf(t, bufio.NewReader(conn), "GET"); status != 200 {
			t.Errorf("got %d", status)
		}
	}
}

// Times and retries cost nothing for requests that need neither.
func TestEffortAllocatesLittle(t *testing.T) {
	_, addr := routed(t, &routev3.RouteAction{Timeout: durationpb.New(time.Minute), RetryPolicy: quickly("5xx", 2)}, newFastOrigin(t))
	c := dial(t, addr)
	b, request := make([]byte, 4096), []byte(getHead+"\r\n")
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
	const n = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		once()
	}
	runtime.ReadMemStats(&after)
	if each := float64(after.Mallocs-before.Mallocs) / n; each > 0.1 {
		t.Errorf("%.2f allocations per request", each)
	}
}

func previousHosts() *previoushostsv3.PreviousHostsPredicate {
	return &previoushostsv3.PreviousHostsPredicate{}
}
