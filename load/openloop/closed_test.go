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

// runClosed deals and carries out a closed load of one thread.
func dealAndRun(t *testing.T, e *engine, l load.Load) (mallocs uint64) {
	t.Helper()
	if _, err := e.prepare(l); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	err := e.onAll(func(_ int, w *worker) error {
		runtime.ReadMemStats(&before)
		defer runtime.ReadMemStats(&after)
		return w.offer(w.now(), l.Duration, func() bool { return false })
	})
	if err != nil {
		t.Fatal(err)
	}
	return after.Mallocs - before.Mallocs
}

func TestClosedLoopAllocatesNothing(t *testing.T) {
	target := serve(t, answerAll)
	target.Connections, target.MaxConnections = 8, 8
	e := newTestEngine(t, target)
	const n = 2*recordChunk + 100
	mallocs := dealAndRun(t, e, load.Load{Closed: true, Each: n})
	if got := len(e.gather()); got != n {
		t.Fatalf("%d samples, want %d", got, n)
	}
	// The server and the runtime share the count: some, but none per request.
	if mallocs > n/20 {
		t.Errorf("%d allocations for %d requests", mallocs, n)
	}
	chunks := e.workers[0].record.chunks
	if len(chunks) != 3 || cap(chunks[0]) != recordChunk {
		t.Errorf("%d chunks, the first of %d samples: want 3 that never grow", len(chunks), cap(chunks[0]))
	}
	dealAndRun(t, e, load.Load{Closed: true, Each: 10})
	if got, chunks := len(e.gather()), len(e.workers[0].record.chunks); got != 10 || chunks != 3 {
		t.Errorf("the next load: %d samples in %d chunks, want 10 in the 3 that are there", got, chunks)
	}
}

func TestClosedLoadEndsAtItsCap(t *testing.T) {
	target := serve(t, answerAll)
	target.Connections, target.MaxConnections = 4, 4
	for _, threads := range []int{1, 3} {
		e, err := newEngine(openMessage{Targets: []load.Target{target}, Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.close)
		e.maxClosed = 500
		samples, stats, err := e.run(load.Load{Closed: true, Duration: time.Hour})
		if err != nil || len(samples) != 500 || !stats.Capped || stats.Sent != 500 {
			t.Errorf("%d threads: %d samples, %v, stats %+v, want 500 and to be told", threads, len(samples), err, stats)
		}
		samples, stats, err = e.run(load.Load{Closed: true, Each: 450})
		if err != nil || len(samples) != 450 || stats.Capped {
			t.Errorf("%d threads: %d samples, %v, stats %+v, want 450 below the cap", threads, len(samples), err, stats)
		}
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
		want[senders.Next()]++
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
	if _, err := e.prepare(load.Load{Closed: true, Each: 4, Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	p := &w.pools[0]
	slot := p.idleHead
	w.removeIdle(p, slot) // it answers nobody: the second request finds no connection
	w.conns[slot].state = busy
	w.now()
	w.closed.ready = append(w.closed.ready, 1, 0)
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
	for _, s := range w.record.chunks[0] {
		if s.Class != load.Timeout {
			t.Errorf("sample %+v", s)
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
	w := &worker{inLine: make([]int32, places)}
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
		for a := p.queueHead; a != none; a = w.inLine[a] {
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
