package loadtest

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"golang.org/x/net/http2"
)

// onePer counts the requests of each connection; the answer says that the
// connection ends, and ends it if hangUp.
func onePer(t *testing.T, response string, hangUp bool) (*server, func() (connections, most int, silent bool)) {
	var mu sync.Mutex
	requests, unasked := map[*net.TCPConn]int{}, false
	s := listen(t, func(c *net.TCPConn, request []string) bool {
		mu.Lock()
		requests[c]++
		unasked = unasked || header(request, "Connection") != "close"
		mu.Unlock()
		return always(response)(c, nil) && !hangUp
	})
	return s, func() (int, int, bool) {
		mu.Lock()
		defer mu.Unlock()
		most := 0
		for _, n := range requests {
			most = max(most, n)
		}
		return len(requests), most, unasked
	}
}

const okClose = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

// testFresh: every request gets a connection of its own, and none stands.
func testFresh(t *testing.T, g load.Generator) {
	s, count := onePer(t, okClose, true)
	target := s.target(4, 200)
	target.Fresh = true
	session := open(t, g, load.Population{}, target)
	if accepted, _ := s.counts(); accepted != 0 {
		t.Errorf("%d connections before the first request", accepted)
	}
	l := load.Load{Rate: 1000, Each: 300, Seed: 14}
	for range 2 {
		samples, stats := generate(t, session, l)
		checkSchedule(t, l, 1, load.Population{}, samples, stats)
		checkClasses(t, samples, load.OK)
		if stats.Opened != 300 {
			t.Errorf("%d connections opened for 300 requests", stats.Opened)
		}
	}
	if connections, most, unasked := count(); connections != 600 || most != 1 || unasked {
		t.Errorf("600 requests over %d connections, up to %d on one; not asked to close: %t", connections, most, unasked)
	}
}

// testFreshKept: a server that does not close its connections, though it is
// asked to, gets each request on a new one all the same.
func testFreshKept(t *testing.T, g load.Generator) {
	for name, response := range map[string]string{"it says that it will": okClose, "it says nothing": ok} {
		s, count := onePer(t, response, false)
		target := s.target(2, 8)
		target.Fresh = true
		l := load.Load{Rate: 1000, Each: 200, Seed: 14}
		samples, _ := generate(t, open(t, g, load.Population{}, target), l)
		checkClasses(t, samples, load.OK)
		if connections, most, _ := count(); connections != 200 || most != 1 {
			t.Errorf("%s: 200 requests over %d connections, up to %d on one", name, connections, most)
		}
		if _, open := s.counts(); open > 8+200/4 { // the server learns of a close later
			t.Errorf("%s: %d connections at the same time, at most 8 are allowed", name, open)
		}
	}
}

// testFreshCap: beyond the cap requests wait, with their intended times kept.
func testFreshCap(t *testing.T, g load.Generator) {
	const most = 5
	s := listen(t, func(c *net.TCPConn, _ []string) bool {
		<-time.After(20 * time.Millisecond)
		_ = always(okClose)(c, nil)
		return false
	})
	target := s.target(1, most)
	target.Fresh = true
	l := load.Load{Rate: 3000, Each: 100, Seed: 8}
	samples, stats := generate(t, open(t, g, load.Population{}, target), l)
	checkSchedule(t, l, 1, load.Population{}, samples, stats)
	checkClasses(t, samples, load.OK)
	if !stats.Saturated {
		t.Error("not saturated")
	}
	last := samples[len(samples)-1]
	if least := (100/most-1)*20*time.Millisecond - (last.Intended - samples[0].Intended); last.Lateness() < least {
		t.Errorf("the last request was written %v late, the server's pace makes it at least %v", last.Lateness(), least)
	}
}

// testFreshClosed: a closed loop has as many loops as the target has
// connections, each on a new one every time.
func testFreshClosed(t *testing.T, g load.Generator) {
	s, count := onePer(t, okClose, true)
	target := s.target(3, 30)
	target.Fresh = true
	samples, stats := generate(t, open(t, g, load.Population{}, target), load.Load{Closed: true, Each: 150, Seed: 1})
	checkClasses(t, samples, load.OK)
	if connections, most, _ := count(); len(samples) != 150 || connections != 150 || most != 1 || stats.Opened != 150 {
		t.Errorf("%d requests over %d connections, up to %d on one; %d opened by its account", len(samples), connections, most, stats.Opened)
	}
}

// testChurn: the standing connections are renewed at the rate, in turn, and no
// request is harmed by it.
func testChurn(t *testing.T, g load.Generator) {
	s := listen(t, always(ok))
	target := s.target(4, 4)
	target.Churn = 200
	l := load.Load{Rate: 400, Duration: 500 * time.Millisecond, Seed: 5}
	samples, stats := generate(t, open(t, g, load.Population{}, target), l)
	checkSchedule(t, l, 1, load.Population{}, samples, stats)
	checkClasses(t, samples, load.OK)
	// Renewals that are due while every connection is being opened are left out,
	// on a slow machine; the last is due at the end.
	if accepted, _ := s.counts(); accepted < 54 || accepted > 105 || stats.Opened < accepted || stats.Opened > accepted+4 {
		t.Errorf("%d connections accepted, %d opened by its account: want 4 and about 100", accepted, stats.Opened)
	}
}

// testChurnBusy: a busy connection is renewed when it has its answer.
func testChurnBusy(t *testing.T, g load.Generator) {
	s := listen(t, func(c *net.TCPConn, _ []string) bool {
		<-time.After(30 * time.Millisecond)
		return always(ok)(c, nil)
	})
	target := s.target(2, 2)
	target.Churn = 40
	samples, _ := generate(t, open(t, g, load.Population{}, target), load.Load{Closed: true, Duration: 500 * time.Millisecond, Seed: 5})
	checkClasses(t, samples, load.OK)
	if accepted, _ := s.counts(); accepted < 6 || accepted > 30 {
		t.Errorf("%d connections, want 2 and about 20", accepted)
	}
}

func testHTTP2Fresh(g load.Generator) func(t *testing.T) {
	return func(t *testing.T) {
		s := listenHTTP2(t, func(c *http2Conn, q http2Request) { c.ok(q.stream) })
		target := s.target(2, 100, 8)
		target.Fresh = true
		l := load.Load{Rate: 500, Each: 100, Seed: 2}
		samples, stats := generate(t, open(t, g, load.Population{}, target), l)
		checkSchedule(t, l, 1, load.Population{}, samples, stats)
		checkClasses(t, samples, load.OK)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.accepted != 100 || s.streams > 1 {
			t.Errorf("100 requests over %d connections, up to %d at a time on one", s.accepted, s.streams)
		}
	}
}

func testHTTP2Churn(g load.Generator) func(t *testing.T) {
	return func(t *testing.T) {
		s := listenHTTP2(t, func(c *http2Conn, q http2Request) { c.ok(q.stream) }, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 16})
		target := s.target(2, 2, 8)
		target.Churn = 100
		l := load.Load{Rate: 500, Duration: 500 * time.Millisecond, Seed: 2}
		samples, stats := generate(t, open(t, g, load.Population{}, target), l)
		checkSchedule(t, l, 1, load.Population{}, samples, stats)
		checkClasses(t, samples, load.OK)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.accepted < 20 || s.accepted > 54 {
			t.Errorf("%d connections, want 2 and about 50", s.accepted)
		}
	}
}
