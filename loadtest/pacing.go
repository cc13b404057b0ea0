package loadtest

import (
	"fmt"
	"math"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

func population(n int) load.Population {
	p := load.Population{}
	for i := range n {
		p.Users = append(p.Users, load.User{Weight: float64(1 + i%3), Header: [][2]string{{"X-User", fmt.Sprint(i)}, {"Authorization", fmt.Sprintf("Bearer %032d", i)}}})
	}
	return p
}

// testSchedule: what is offered is the schedule, and two identical targets get
// equal shares within the binomial.
func testSchedule(t *testing.T, g load.Generator) {
	var seen [3]counter
	var targets []load.Target
	for i := range seen {
		targets = append(targets, listen(t, func(c *net.TCPConn, _ []string) bool {
			seen[i].add()
			return always(ok)(c, nil)
		}).target(8, 512))
	}
	p := population(100)
	session := open(t, g, p, targets...)
	l := load.Load{Rate: 2000, Duration: 700 * time.Millisecond, Targets: []int{2, 0}, Seed: 77}
	samples, stats := generate(t, session, l)
	checkSchedule(t, l, len(targets), p, samples, stats)
	checkClasses(t, samples, load.OK)
	if stats.Sent != len(samples) || stats.Saturated || stats.CPU <= 0 || stats.Wall <= 0 {
		t.Errorf("stats %+v of %d samples", stats, len(samples))
	}
	n := float64(len(samples))
	first := float64(seen[0].value())
	if z := (first - n/2) / math.Sqrt(n/4); math.Abs(z) > 4 {
		t.Errorf("identical targets got %.0f and %.0f requests", first, n-first)
	}
	if seen[1].value() != 0 || seen[0].value()+seen[2].value() != len(samples) {
		t.Errorf("the servers saw %d, %d and %d requests of %d, none for the second", seen[0].value(), seen[1].value(), seen[2].value(), len(samples))
	}
}

// testUsersInOrder: over one connection the server sees the schedule's users and
// kinds of request, one after the other, with all of their headers.
func testUsersInOrder(t *testing.T, g load.Generator) {
	var mu sync.Mutex
	got := make([][]string, 2)
	var targets []load.Target
	for i := range got {
		target := listen(t, func(c *net.TCPConn, request []string) bool {
			mu.Lock()
			got[i] = append(got[i], request[0]+" "+header(request, "X-Kind")+" "+header(request, "Host")+" "+header(request, "X-User")+" "+header(request, "Authorization"))
			mu.Unlock()
			return always(ok)(c, nil)
		}).target(1, 1)
		target.Host = "images.test"
		targets = append(targets, target)
	}
	targets[1].Host = ""
	p := population(50)
	p.Requests = []load.Request{{Method: "GET", Path: "/pull?image=x", Weight: 3}, {Method: "DELETE", Path: "/", Weight: 1, Header: [][2]string{{"X-Kind", "two"}}}}
	l := load.Load{Rate: 1000, Each: 150, Over: &load.Over{Users: []int{7}, Share: .3}, Seed: 5}
	samples, stats := generate(t, open(t, g, p, targets...), l)
	checkSchedule(t, l, 2, p, samples, stats)
	checkClasses(t, samples, load.OK)
	want := make([][]string, 2)
	for _, s := range samples {
		line := []string{"GET /pull?image=x HTTP/1.1 ", "DELETE / HTTP/1.1 two"}[s.Request]
		host := []string{"images.test", targets[1].Addr}[s.Target]
		want[s.Target] = append(want[s.Target], fmt.Sprintf("%s %s %d Bearer %032d", line, host, s.User, s.User))
	}
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("target %d saw %d requests that are not the schedule's %d", i, len(got[i]), len(want[i]))
		}
	}
}

// testStall: the server goes on only when 100 requests are waiting for it. A
// generator that waits for answers before it sends never gets there; one that
// takes the time of sending for the intended time hides the stall.
func testStall(t *testing.T, g load.Generator) {
	const stalled = 100
	const status = 203 // of the answers that were held up
	var mu sync.Mutex
	count := 0
	enough := make(chan struct{})
	target := listen(t, func(c *net.TCPConn, _ []string) bool {
		mu.Lock()
		count++
		n := count
		if n == 50+stalled {
			close(enough)
		}
		mu.Unlock()
		if n <= 50 || n > 50+stalled {
			return always(ok)(c, nil)
		}
		<-enough
		return always(fmt.Sprintf("HTTP/1.1 %d Held Up\r\nContent-Length: 0\r\n\r\n", status))(c, nil)
	}).target(4, 512)
	l := load.Load{Rate: 1000, Each: 300, Seed: 12}
	samples, stats := generate(t, open(t, g, load.Population{}, target), l)
	checkSchedule(t, l, 1, load.Population{}, samples, stats)
	checkClasses(t, samples, load.OK)
	held, lastWritten := 0, time.Duration(0)
	for _, s := range samples {
		if s.Status == status {
			held++
			lastWritten = max(lastWritten, s.Written)
		}
	}
	if held != stalled {
		t.Fatalf("%d answers were held up, want %d", held, stalled)
	}
	for _, s := range samples {
		if s.Status == status && s.Response() < lastWritten-s.Intended {
			t.Errorf("response %v: the stall ended %v after the intended time, at the earliest", s.Response(), lastWritten-s.Intended)
		}
	}
	if stats.Saturated {
		t.Error("saturated below the cap of connections")
	}
}

// testCap: beyond the cap requests wait in line, with their intended times kept.
func testCap(t *testing.T, g load.Generator) {
	const most = 6
	s := listen(t, func(c *net.TCPConn, _ []string) bool {
		<-time.After(20 * time.Millisecond)
		return always(ok)(c, nil)
	})
	// 6 connections answer at most 300/s.
	l := load.Load{Rate: 3000, Each: 150, Seed: 8}
	samples, stats := generate(t, open(t, g, load.Population{}, s.target(2, most)), l)
	checkSchedule(t, l, 1, load.Population{}, samples, stats)
	checkClasses(t, samples, load.OK)
	if !stats.Saturated {
		t.Error("not saturated")
	}
	if _, n := s.counts(); n > most {
		t.Errorf("%d connections at the same time, at most %d are allowed", n, most)
	}
	// The last of them waited for 24 rounds of 6.
	last := samples[len(samples)-1]
	if least := (150/most-1)*20*time.Millisecond - (last.Intended - samples[0].Intended); last.Lateness() < least {
		t.Errorf("the last request was written %v late, the server's pace makes it at least %v", last.Lateness(), least)
	}
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

func (c *counter) value() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
