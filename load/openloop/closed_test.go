package openloop

import (
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

func TestClosedLoopAllocatesNothing(t *testing.T) {
	target := serve(t, answerAll)
	target.Connections, target.MaxConnections = 8, 8
	e := newTestEngine(t, target)
	const n = 2*chunkSamples + 100
	mallocs := func(l load.Load) (samples []load.Sample, mallocs uint64) {
		var before, after runtime.MemStats
		samples = dealAndOffer(t, e, l, func(offer func() error) error {
			runtime.ReadMemStats(&before)
			defer runtime.ReadMemStats(&after)
			return offer()
		})
		return samples, after.Mallocs - before.Mallocs
	}
	// The server and the runtime share the count: some, but none per request.
	if samples, m := mallocs(load.Load{Closed: true, Each: n}); len(samples) != n || m > n/20 {
		t.Errorf("%d samples, want %d; %d allocations for them", len(samples), n, m)
	}
	if samples, _ := mallocs(load.Load{Closed: true, Each: 10}); len(samples) != 10 {
		t.Errorf("the next load: %d samples, want 10", len(samples))
	}
}

// The threads' users together are those that the seed draws.
func TestClosedUsersAreDealtToThreads(t *testing.T) {
	target := serve(t, answerAll)
	target.Connections, target.MaxConnections = 3, 3
	p := load.Population{Users: []load.User{{Weight: 1}, {Weight: 2}, {Weight: 3}}}
	e, err := newEngine(openMessage{Targets: []load.Target{target}, Threads: 3, Population: p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.close)
	l := load.Load{Closed: true, Each: 300, Seed: 9}
	samples, _, err := e.run(l)
	if err != nil {
		t.Fatal(err)
	}
	senders, err := load.NewSenders(l, p)
	if err != nil {
		t.Fatal(err)
	}
	var got, want [3]int
	for _, s := range samples {
		got[s.User]++
		user, _ := senders.Next()
		want[user]++
	}
	if got != want {
		t.Errorf("users sent %v requests, the seed draws %v", got, want)
	}
}

// A request that times out while its loop waits for a connection leaves the
// line, and its place is used again.
func TestClosedTimeoutInLine(t *testing.T) {
	target := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	target.Connections, target.MaxConnections = 2, 2
	e := newTestEngine(t, target)
	w := e.workers[0]
	if err := e.prepare(load.Load{Closed: true, Each: 4, Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	p := &w.pools[0]
	slot := p.idleHead
	w.removeIdle(p, slot) // it answers nobody: the second request finds no connection
	w.conns[slot].state = busy
	w.now()
	w.closed.ready = append(w.closed.ready, w.closed.loops...)
	w.goOn()
	if p.queued != 1 || w.outstanding != 2 {
		t.Fatalf("%d in line and %d under way, want 1 and 2", p.queued, w.outstanding)
	}
	w.clock += 2 * time.Minute
	w.tend(w.clock)
	if p.queued != 0 || p.queueHead != none || p.queueTail != none || w.outstanding != 0 || len(w.closed.resting) != 2 {
		t.Fatalf("after the timeout: %+v; %d under way; %v rest", *p, w.outstanding, w.closed.resting)
	}
	written := 0
	for i := range w.next {
		s := w.sample(placeOf(i))
		if s.Class != load.Timeout {
			t.Errorf("sample %+v", *s)
		}
		if s.Written >= 0 {
			written++
		}
	}
	if written != 1 {
		t.Errorf("%d were written, want 1", written)
	}
	w.tend(w.clock + retryPause - 1)
	if len(w.closed.ready) != 0 {
		t.Errorf("%v go on before their rest is over", w.closed.ready)
	}
	w.tend(w.clock + retryPause)
	w.goOn()
	if len(w.closed.resting) != 0 || w.outstanding != 2 {
		t.Errorf("after the rest: %d under way, %v rest", w.outstanding, w.closed.resting)
	}
}

// An answer's loop goes on in the same round of events, on the same connection.
func TestClosedLoopKeepsItsConnection(t *testing.T) {
	target := serve(t, answerAll)
	target.Connections, target.MaxConnections = 3, 9
	e := newTestEngine(t, target)
	samples, stats, err := e.run(load.Load{Closed: true, Each: 3000})
	if err != nil || len(samples) != 3000 || stats.Opened != 3 {
		t.Fatalf("%d samples, %v, stats %+v, want 3000 on the 3 connections of Open", len(samples), err, stats)
	}
	last := slices.MaxFunc(samples, func(a, b load.Sample) int { return int(a.LastByte - b.LastByte) })
	if stats.Wall < last.LastByte-stats.Began || stats.Spin != 0 || stats.Margin != 0 {
		t.Errorf("stats %+v; the last answer came at %v", stats, last.LastByte)
	}
}

// The line against a slice: any order of coming, coming back, being served and
// leaving.
func TestLineIsALine(t *testing.T) {
	const places = 6
	r := rand.New(rand.NewPCG(1, 2))
	w := &worker{}
	w.chunks[0] = new(chunk)
	p := &pool{queueHead: none, queueTail: none}
	var want []int32
	for step := range 20_000 {
		arrival := int32(r.IntN(places))
		at := slices.Index(want, arrival)
		switch op := r.IntN(4); {
		case at >= 0 && op == 0:
			w.leaveLine(p, arrival)
			want = slices.Delete(want, at, at+1)
		case at < 0 && op == 1:
			w.returnToQueue(p, arrival)
			want = slices.Insert(want, 0, arrival)
		case at < 0 && op == 2:
			w.pushQueue(p, arrival)
			want = append(want, arrival)
		case op == 3:
			first := int32(none)
			if len(want) > 0 {
				first, want = want[0], want[1:]
			}
			if got := w.popQueue(p); got != first {
				t.Fatalf("step %d: %d is served, want %d", step, got, first)
			}
		}
		var got []int32
		for a := p.queueHead; a != none; a = *w.link(a) {
			if got = append(got, a); len(got) > places {
				t.Fatalf("step %d: the line is a circle", step)
			}
		}
		last := int32(none)
		if len(want) > 0 {
			last = want[len(want)-1]
		}
		if !slices.Equal(got, want) || p.queued != len(want) || p.queueTail != last {
			t.Fatalf("step %d: line %v, %d queued, the last %d; want %v", step, got, p.queued, p.queueTail, want)
		}
	}
}
