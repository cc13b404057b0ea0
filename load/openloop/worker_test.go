package openloop

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

// serve answers with each connection in its own goroutine, until the listener
// is closed.
func serve(t *testing.T, handle func(net.Conn)) load.Target {
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
			go func() { defer c.Close(); handle(c) }()
		}
	}()
	return load.Target{Name: "test", Addr: l.Addr().String(), Connections: 1, MaxConnections: 1}
}

func answerAll(c net.Conn) {
	in, out := make([]byte, 4096), []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	for {
		if _, err := c.Read(in); err != nil {
			return
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

func newTestEngine(t *testing.T, target load.Target, requests ...load.Request) *engine {
	t.Helper()
	e, err := newEngine(openMessage{Targets: []load.Target{target}, Population: load.Population{Requests: requests}, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.close)
	return e
}

// A FIN that arrives after the last look at the events and before the request
// is written: the race that makes clients report errors which are none.
func TestStaleConnectionIsNoError(t *testing.T) {
	var taken atomic.Bool
	closed := make(chan struct{})
	closeFirst := make(chan struct{})
	target := serve(t, func(c net.Conn) {
		if taken.CompareAndSwap(false, true) {
			<-closeFirst
			c.Close()
			close(closed)
			return
		}
		answerAll(c)
	})
	e := newTestEngine(t, target)
	w := e.workers[0]
	if err := e.deal(load.Load{Rate: 1e6, Each: 1}); err != nil {
		t.Fatal(err)
	}
	w.timeout = time.Hour
	w.turns.begin(w.now())
	close(closeFirst)
	<-closed
	fd := w.conns[w.pools[0].idleHead].fd
	var b [1]byte
	for { // until the FIN is here
		n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK)
		if n == 0 && err == nil {
			break
		}
		runtime.Gosched()
	}
	w.takeUp(w.turns.coming) // without a look at the events
	w.turns.advance()
	if w.outstanding != 1 || w.sample(0).Written < 0 {
		t.Fatal("the request was not written to the closed connection: this test shows nothing")
	}
	if err := w.run(func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	if s := *w.sample(0); s.Class != load.OK || w.opened != 2 {
		t.Errorf("sample %+v after %d connections, want ok on the second", s, w.opened)
	}
}

// A server that reads the request and hangs up is another matter, also on a
// connection that served before: never sent twice.
func TestHungUpRequestIsReset(t *testing.T) {
	var seen atomic.Int64
	target := serve(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _ = r.Body.Close(); seen.Add(1) == 2 {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		}
	})
	e := newTestEngine(t, target)
	for i, want := range []load.Class{load.OK, load.Reset, load.OK} {
		samples, _, err := e.run(load.Load{Rate: 1e4, Each: 1})
		if err != nil || len(samples) != 1 || samples[0].Class != want {
			t.Errorf("load %d: %+v, %v, want %v", i, samples, err, want)
		}
	}
	if n := seen.Load(); n != 3 {
		t.Errorf("the server saw %d requests, want 3", n)
	}
}

func TestLineKeepsItsOrder(t *testing.T) {
	e := newTestEngine(t, serve(t, answerAll))
	samples, stats, err := e.run(load.Load{Rate: 1e6, Each: 2000, Timeout: time.Hour})
	if err != nil || !stats.Saturated {
		t.Fatalf("stats %+v, error %v", stats, err)
	}
	if !slices.IsSortedFunc(samples, func(a, b load.Sample) int { return int(a.Written - b.Written) }) {
		t.Error("requests overtook each other in line")
	}
}

func TestLongestRestedIsNext(t *testing.T) {
	target := serve(t, answerAll)
	target.Connections, target.MaxConnections = 4, 4
	e := newTestEngine(t, target)
	w, p := e.workers[0], &e.workers[0].pools[0]
	take := func() int32 { slot := p.idleHead; w.removeIdle(p, slot); return slot }
	a, b := take(), take()
	w.pushIdle(p, b)
	w.pushIdle(p, a)
	var order []int32
	for p.idleHead != none {
		order = append(order, take())
	}
	if len(order) != 4 || order[2] != b || order[3] != a || p.idleTail != none {
		t.Errorf("order %v, want two others, then %d and %d", order, b, a)
	}
	for _, slot := range order {
		w.pushIdle(p, slot)
	}
}

func TestLoopAllocatesNothing(t *testing.T) {
	target := serve(t, answerAll)
	target.Connections, target.MaxConnections = 8, 8
	e := newTestEngine(t, target)
	var before, after runtime.MemStats
	samples := dealAndOffer(t, e, load.Load{Rate: 20_000, Each: 4000, Timeout: time.Hour}, func(offer func() error) error {
		runtime.ReadMemStats(&before)
		defer runtime.ReadMemStats(&after)
		return offer()
	})
	// The server and the runtime share the count: some, but none per request.
	if n := after.Mallocs - before.Mallocs; n > 400 || len(samples) != 4000 {
		t.Errorf("%d allocations for %d requests, want 4000 of them", n, len(samples))
	}
}

func TestTimerInPlaceOfPwait2(t *testing.T) {
	target := serve(t, answerAll)
	e := newTestEngine(t, target)
	if err := e.workers[0].poller.useTimer(); err != nil {
		t.Fatal(err)
	}
	samples, stats, err := e.run(load.Load{Rate: 1000, Each: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		if s.Class != load.OK || s.Written < s.Intended {
			t.Errorf("sample %+v", s)
		}
	}
	if stats.Sent != 100 || stats.Spin > stats.CPU {
		t.Errorf("stats %+v", stats)
	}
}

func TestSleepLastsAndWakes(t *testing.T) {
	for _, timer := range []bool{false, true} {
		p, err := newPoller()
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		if timer {
			if err := p.useTimer(); err != nil {
				t.Fatal(err)
			}
		}
		const d = 3 * time.Millisecond
		began := time.Now()
		if events, errno := p.sleep(d); len(events) != 0 || errno != 0 || time.Since(began) < d {
			t.Errorf("timer %t: %d events, %v, after %v", timer, len(events), errno, time.Since(began))
		}
		p.wake()
		if _, errno := p.sleep(time.Hour); errno != 0 { // or the test never ends
			t.Error(errno)
		}
	}
}

func TestShareDealsAll(t *testing.T) {
	for n := range 40 {
		for threads := 1; threads <= 5; threads++ {
			sum := 0
			for k := range threads {
				sum += load.Share{K: k, N: threads}.Of(n)
				if got := (load.Share{K: k, N: threads}).Of(n); got < n/threads || got > n/threads+1 {
					t.Errorf("thread %d of %d gets %d of %d", k, threads, got, n)
				}
			}
			if sum != n {
				t.Errorf("%d threads share %d of %d", threads, sum, n)
			}
		}
	}
}

// A burst may grow a pool; the next load begins with pools of equal size.
func TestPoolsAreTrimmedBetweenLoads(t *testing.T) {
	target := serve(t, answerAll)
	target.Connections, target.MaxConnections = 3, 40
	e := newTestEngine(t, target)
	_, stats, err := e.run(load.Load{Rate: 1e6, Each: 200})
	if err != nil || stats.Opened <= 3 {
		t.Fatalf("stats %+v, error %v: no burst", stats, err)
	}
	if err := e.prepare(load.Load{Rate: 1, Each: 1}); err != nil {
		t.Fatal(err)
	}
	if p := e.workers[0].pools[0]; p.open != 3 || p.connecting != 0 {
		t.Errorf("%d connections, want 3", p.open)
	}
}

func TestExpiredLeaveTheLine(t *testing.T) {
	e := newTestEngine(t, serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }))
	w := e.workers[0]
	if err := e.deal(load.Load{Rate: 1e6, Each: 3}); err != nil {
		t.Fatal(err)
	}
	w.timeout = time.Minute
	for range 3 { // one is written, two wait in line
		w.takeUp(w.turns.coming)
		w.turns.advance()
	}
	if p := &w.pools[0]; p.queued != 2 {
		t.Fatalf("%d in line, want 2", p.queued)
	}
	w.expire(time.Hour)
	for i := range w.next {
		s := *w.sample(placeOf(i))
		if s.Class != load.Timeout || (s.Written >= 0) != (i == 0) {
			t.Errorf("sample %d: %+v", i, s)
		}
	}
	if p := &w.pools[0]; p.queued != 0 || w.outstanding != 0 {
		t.Errorf("%d in line, %d outstanding after all have expired", p.queued, w.outstanding)
	}
}
