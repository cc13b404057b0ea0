package loadtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// checkClosed holds the samples of a closed load against themselves: intended
// when written, in order, and never more under way than connections.
func checkClosed(t *testing.T, samples []load.Sample, stats load.Stats, connections int) {
	t.Helper()
	type change struct {
		at time.Duration
		by int
	}
	var changes []change
	sent, previous := 0, stats.Began
	for i, s := range samples {
		checkSample(t, s)
		if s.Intended < previous {
			t.Fatalf("sample %d was intended at %v, before what precedes it at %v", i, s.Intended, previous)
		}
		previous = s.Intended
		if s.Written < 0 {
			continue
		}
		sent++
		if s.Written != s.Intended {
			t.Fatalf("sample %d was written %v after it was intended: in a closed load both are one", i, s.Lateness())
		}
		if s.Whole() {
			changes = append(changes, change{s.Written, 1}, change{s.LastByte, -1})
		}
	}
	// A loop may write in the nanosecond of its last answer: ends come first.
	slices.SortFunc(changes, func(a, b change) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return a.by - b.by
	})
	under, most := 0, 0
	for _, c := range changes {
		under += c.by
		most = max(most, under)
	}
	if most > connections {
		t.Errorf("%d requests under way at the same time on %d connections", most, connections)
	}
	if stats.Sent != sent || stats.Scheduled != len(samples) || stats.Saturated || stats.Capped || stats.Wall <= 0 {
		t.Errorf("stats %+v of %d samples, %d written", stats, len(samples), sent)
	}
}

func countByTarget(samples []load.Sample, targets int) []int {
	counts := make([]int, targets)
	for _, s := range samples {
		counts[s.Target]++
	}
	return counts
}

// testClosedCount: every target gets exactly its count, each request is
// answered once, all connections of the pools are used at the same time and
// none holds two requests. The first answers wait until every connection holds
// a request.
func testClosedCount(t *testing.T, g load.Generator) {
	sizes := []int{4, 3, 2}
	const each = 150
	var servers []*server
	var targets []load.Target
	seen := make([]counter, len(sizes))
	for i, size := range sizes {
		all := make(chan struct{})
		s := listen(t, func(c *net.TCPConn, _ []string) bool {
			n := seen[i].add()
			if n == size {
				close(all)
			}
			<-all
			return always(ok)(c, nil)
		})
		servers, targets = append(servers, s), append(targets, s.target(size, 64))
	}
	session := open(t, g, load.Population{}, targets...)
	samples, stats := generate(t, session, load.Load{Closed: true, Each: each, Targets: []int{2, 0}, Seed: 1})
	checkClosed(t, samples, stats, sizes[0]+sizes[2])
	checkClasses(t, samples, load.OK)
	if counts := countByTarget(samples, 3); !slices.Equal(counts, []int{each, 0, each}) {
		t.Errorf("samples by target: %v, want %d of the first and the last", counts, each)
	}
	for i, s := range servers {
		accepted, most := s.counts()
		if accepted != sizes[i] || most != sizes[i] || s.pipelined() {
			t.Errorf("target %d accepted %d connections, %d at once, want %d; pipelined: %t", i, accepted, most, sizes[i], s.pipelined())
		}
	}
	if seen[0].value() != each || seen[1].value() != 0 || seen[2].value() != each {
		t.Errorf("the servers saw %d, %d and %d requests", seen[0].value(), seen[1].value(), seen[2].value())
	}
	if want := 2 * each / stats.Wall.Seconds(); math.Abs(stats.Throughput/want-1) > 1e-9 {
		t.Errorf("throughput %v, want %v", stats.Throughput, want)
	}
}

// testClosedDuration: no request is taken up after the duration, those under
// way are waited for, and the throughput is what came within it.
func testClosedDuration(t *testing.T, g load.Generator) {
	s := listen(t, func(c *net.TCPConn, _ []string) bool {
		<-time.After(10 * time.Millisecond)
		return always(ok)(c, nil)
	})
	const duration = 300 * time.Millisecond
	session := open(t, g, load.Population{}, s.target(5, 64))
	samples, stats := generate(t, session, load.Load{Closed: true, Duration: duration})
	checkClosed(t, samples, stats, 5)
	checkClasses(t, samples, load.OK)
	within, late := 0, 0
	for _, x := range samples {
		if x.Intended >= stats.Began+duration {
			late++
		}
		if x.LastByte <= stats.Began+duration {
			within++
		}
	}
	// One that was taken up in time may be written late, on each connection.
	if late > 5 {
		t.Errorf("%d requests on 5 connections were written after the duration", late)
	}
	if want := float64(within) / duration.Seconds(); math.Abs(stats.Throughput-want) > 1e-6*want {
		t.Errorf("throughput %v, want %v", stats.Throughput, want)
	}
	if last := samples[len(samples)-1]; stats.Wall < last.LastByte-stats.Began || stats.Wall < duration/2 {
		t.Errorf("wall %v; the last sample is %+v", stats.Wall, last)
	}
	// 10 ms each: at most 30 for each connection, and one that was under way.
	if len(samples) > 5*31 {
		t.Errorf("%d requests, the server's pace makes it at most %d", len(samples), 5*31)
	}
	if accepted, _ := s.counts(); accepted != 5 {
		t.Errorf("%d connections, want 5", accepted)
	}
}

// testClosedUsers: over one connection the server sees the users that the seed
// draws, in order and with their headers; over many it sees them by weight.
func testClosedUsers(t *testing.T, g load.Generator) {
	var mu sync.Mutex
	var got []string
	one := listen(t, func(c *net.TCPConn, request []string) bool {
		mu.Lock()
		got = append(got, header(request, "X-User"))
		mu.Unlock()
		return always(ok)(c, nil)
	})
	p := population(20)
	l := load.Load{Closed: true, Each: 200, Over: &load.Over{Users: []int{7}, Share: .3}, Seed: 5}
	samples, stats := generate(t, open(t, g, p, one.target(1, 1)), l)
	checkClosed(t, samples, stats, 1)
	senders, err := load.NewSenders(l, p)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range samples {
		user, _ := senders.Next()
		if int(s.User) != user || got[i] != fmt.Sprint(user) {
			t.Fatalf("request %d: the sample's user is %d, the server saw %s, the seed draws %d", i, s.User, got[i], user)
		}
	}
	l = load.Load{Closed: true, Each: 3000, Seed: 6}
	samples, stats = generate(t, open(t, g, p, listen(t, always(ok)).target(6, 6)), l)
	checkClosed(t, samples, stats, 6)
	counts, sum := make([]float64, len(p.Users)), 0.0
	for _, s := range samples {
		counts[s.User]++
	}
	for _, u := range p.Users {
		sum += u.Weight
	}
	for i, u := range p.Users {
		share := u.Weight / sum
		if z := (counts[i] - 3000*share) / math.Sqrt(3000*share*(1-share)); math.Abs(z) > 5 {
			t.Errorf("user %d of weight %v sent %.0f of 3000", i, u.Weight, counts[i])
		}
	}
}

// testClosedGone: a server that stops in the middle gives errors, one for each
// request that is left, and the other target is not held up.
func testClosedGone(t *testing.T, g load.Generator) {
	const each, answered = 60, 40
	stop := make(chan struct{})
	var seen counter
	s := listen(t, func(c *net.TCPConn, _ []string) bool {
		n := seen.add()
		if n == answered+1 {
			close(stop)
		}
		if n > answered {
			return false
		}
		return always(ok)(c, nil)
	})
	stopped := make(chan struct{})
	go func() {
		<-stop
		s.stop()
		close(stopped)
	}()
	well := listen(t, always(ok))
	session := open(t, g, load.Population{}, s.target(3, 8), well.target(3, 8))
	samples, stats := generate(t, session, load.Load{Closed: true, Each: each})
	<-stopped
	checkClosed(t, samples, stats, 6)
	if counts := countByTarget(samples, 2); counts[0] != each || counts[1] != each {
		t.Errorf("samples by target: %v, want %d of each", counts, each)
	}
	classes := [2]map[load.Class]int{{}, {}}
	for _, x := range samples {
		classes[x.Target][x.Class]++
	}
	if classes[1][load.OK] != each {
		t.Errorf("the other target: %v", classes[1])
	}
	gone := classes[0]
	if gone[load.OK] > answered || gone[load.OK] < answered-3 || gone[load.Refused] == 0 || gone[load.OK]+gone[load.Refused]+gone[load.Reset] != each {
		t.Errorf("the target that stopped after %d answers: %v", answered, gone)
	}
	s.listen(t, s.addr)
	// Its own answers stay as they were: it hangs up on every request.
	samples, stats = generate(t, session, load.Load{Closed: true, Duration: 50 * time.Millisecond})
	checkClosed(t, samples, stats, 6)
	for _, x := range samples {
		if want := [2]load.Class{load.Reset, load.OK}[x.Target]; x.Class != want {
			t.Fatalf("class %v of target %d, want %v", x.Class, x.Target, want)
		}
	}
	// Three loops that rest 10 ms after each: not in a circle.
	if n := countByTarget(samples, 2)[0]; n > 3*6 {
		t.Errorf("%d requests within 50 ms to a server that hangs up", n)
	}
}

// testClosedSilence: a target that does not answer costs its requests their
// timeout, and the load ends.
func testClosedSilence(t *testing.T, g load.Generator) {
	dead, well := listen(t, silent("")), listen(t, always(ok))
	session := open(t, g, load.Population{}, dead.target(2, 4), well.target(2, 4))
	l := load.Load{Closed: true, Each: 6, Timeout: 200 * time.Millisecond}
	samples, stats := generate(t, session, l)
	checkClosed(t, samples, stats, 4)
	for _, s := range samples {
		if s.Target == 0 && s.Class != load.Timeout {
			t.Errorf("class %v of the silent target", s.Class)
		}
	}
	if counts := countByTarget(samples, 2); counts[0] != 6 || counts[1] != 6 {
		t.Errorf("samples by target: %v, want 6 of each", counts)
	}
	if stats.Wall < 3*l.Timeout {
		t.Errorf("the load took %v, three timeouts in turn are %v", stats.Wall, 3*l.Timeout)
	}
}

// testClosedKeepAlive: connections that the server ends are opened again; when
// it says so nothing is lost, and when it does not every answer still counts.
func testClosedKeepAlive(t *testing.T, g load.Generator) {
	const each = 90
	says := listen(t, partly("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", leave))
	var answers counter
	leaves := listen(t, func(c *net.TCPConn, _ []string) bool {
		n := answers.add()
		return always(ok)(c, nil) && n%3 != 0
	})
	session := open(t, g, load.Population{}, says.target(3, 8), leaves.target(3, 8))
	samples, stats := generate(t, session, load.Load{Closed: true, Each: each})
	checkClosed(t, samples, stats, 6)
	whole := 0
	for _, s := range samples {
		switch {
		case s.Target == 0 && s.Class != load.OK:
			t.Errorf("class %v of a server that says when it closes", s.Class)
		case s.Target == 1 && s.Class == load.OK:
			whole++
		case s.Target == 1 && s.Class != load.Reset:
			t.Errorf("class %v of a server that closes unsaid", s.Class)
		}
	}
	if counts := countByTarget(samples, 2); counts[0] != each || counts[1] != each {
		t.Errorf("samples by target: %v, want %d of each", counts, each)
	}
	if whole != answers.value() {
		t.Errorf("%d whole responses, the server gave %d", whole, answers.value())
	}
	if accepted, most := says.counts(); accepted < each {
		t.Errorf("%d connections for %d requests, %d at once", accepted, each, most)
	}
}

// testClosedCancel: canceled, a closed load returns what was done, and the
// session can be used again, for either kind of load.
func testClosedCancel(t *testing.T, g load.Generator) {
	const answered = 50
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var count counter
	target := listen(t, func(c *net.TCPConn, _ []string) bool {
		n := count.add()
		if n == answered+4 { // every connection is held
			cancel()
		}
		if n > answered {
			<-ctx.Done()
		}
		return always(ok)(c, nil)
	}).target(4, 64)
	session := open(t, g, load.Population{}, target)
	samples, stats, err := load.Collect(ctx, session, load.Load{Closed: true, Duration: time.Hour})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that of the context", err)
	}
	checkClosed(t, samples, stats, 4)
	checkClasses(t, samples, load.OK)
	if len(samples) < answered {
		t.Errorf("%d samples, %d were answered before the end", len(samples), answered)
	}
	for _, l := range []load.Load{{Closed: true, Each: 100}, {Rate: 2000, Each: 100}} {
		samples, _ = generate(t, session, l)
		checkClasses(t, samples, load.OK)
		if len(samples) != 100 {
			t.Errorf("%d samples of %+v, want 100", len(samples), l)
		}
	}
}

// testClosedPhases: closed and open loads of a session share its connections
// and its clock.
func testClosedPhases(t *testing.T, g load.Generator) {
	s := listen(t, always(ok))
	session := open(t, g, load.Population{}, s.target(5, 5))
	previous := time.Duration(0)
	for phase, l := range []load.Load{{Closed: true, Each: 100}, {Rate: 2000, Each: 50}, {Closed: true, Duration: 20 * time.Millisecond}, {Closed: true, Each: 1}} {
		samples, stats := generate(t, session, l)
		checkClasses(t, samples, load.OK)
		if stats.Began < previous {
			t.Errorf("phase %d began at %v, before the end of the last at %v", phase, stats.Began, previous)
		}
		if l.Each > 0 && len(samples) != l.Each {
			t.Errorf("phase %d: %d samples, want %d", phase, len(samples), l.Each)
		}
		previous = stats.Began + stats.Wall
	}
	if accepted, _ := s.counts(); accepted != 5 {
		t.Errorf("%d connections, want 5", accepted)
	}
}
