package loadtest

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// streamed is how many requests a load has that must stream: more than a
// generator that holds back next to nothing gathers before it hands them over.
const streamed = 50_000

// TestStream holds a generator that was told to hold back as few samples as it
// can to what a long load is: its samples come while it runs, in order.
func TestStream(t *testing.T, g load.Generator) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, load.Generator)
	}{
		{"InOrder", testStreamInOrder},
		{"ClosedInOrder", testStreamClosed},
		{"Cancel", testStreamCancel},
		{"SinkFails", testSinkFails},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, g) })
	}
}

// answering is a server that answers at once, but holds the answer to its n-th
// request until it is let go.
func answering(t *testing.T, n int) (s *server, let func()) {
	t.Helper()
	var seen counter
	held := make(chan struct{})
	let = sync.OnceFunc(func() { close(held) })
	t.Cleanup(let)
	s = listen(t, func(c *net.TCPConn, _ []string) bool {
		if seen.add() == n {
			<-held
		}
		return always(ok)(c, nil)
	})
	return s, let
}

// testStreamInOrder: the samples are the schedule, arrival for arrival, and the
// last request is answered only when the first samples and a word of progress
// have come.
func testStreamInOrder(t *testing.T, g load.Generator) {
	s, let := answering(t, streamed)
	var parts, told atomic.Bool
	var samples []load.Sample
	var last load.Progress
	session := open(t, g, population(20), s.target(16, 16))
	l := load.Load{Rate: 60_000, Each: streamed, Seed: 4, Timeout: time.Hour}
	stats, err := session.Generate(context.Background(), l, load.Sink{
		Samples: func(part []load.Sample) error {
			samples = append(samples, part...)
			if parts.Store(true); told.Load() {
				let()
			}
			return nil
		},
		Progress: func(p load.Progress) {
			if p.Sent < last.Sent || p.Done < last.Done || p.Done > p.Sent || p.Elapsed <= last.Elapsed || p.Failed != 0 || p.Sent > streamed {
				t.Errorf("progress %+v after %+v", p, last)
			}
			last = p
			if told.Store(true); parts.Load() {
				let()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	checkSchedule(t, l, 1, population(20), samples, stats)
	checkClasses(t, samples, load.OK)
}

// testStreamClosed: a closed load streams too, ordered by intended times.
func testStreamClosed(t *testing.T, g load.Generator) {
	s, let := answering(t, streamed)
	var samples []load.Sample
	session := open(t, g, load.Population{}, s.target(8, 8))
	stats, err := session.Generate(context.Background(), load.Load{Closed: true, Each: streamed, Timeout: time.Hour}, load.Sink{
		Samples: func(part []load.Sample) error {
			samples = append(samples, part...)
			let()
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	checkClosed(t, samples, stats, 8)
	checkClasses(t, samples, load.OK)
	if len(samples) != streamed {
		t.Errorf("%d samples, want %d", len(samples), streamed)
	}
}

// testStreamCancel: canceled in mid-stream, a load hands over all that was done.
func testStreamCancel(t *testing.T, g load.Generator) {
	s, _ := answering(t, 0)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	session := open(t, g, load.Population{}, s.target(16, 16))
	l := load.Load{Rate: 60_000, Duration: time.Hour / 2, Seed: 4, Timeout: time.Hour}
	var samples []load.Sample
	stats, err := session.Generate(ctx, l, load.Sink{Samples: func(part []load.Sample) error {
		samples = append(samples, part...)
		cancel()
		return nil
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that of the context", err)
	}
	checkClasses(t, samples, load.OK)
	if stats.Sent != len(samples) && stats.Sent > stats.Scheduled {
		t.Errorf("%d samples of %+v", len(samples), stats)
	}
	if !slices.IsSortedFunc(samples, func(a, b load.Sample) int { return int(a.Intended - b.Intended) }) {
		t.Error("the samples are not in the order of their intended times")
	}
	schedule, err := load.NewSchedule(l, 1, load.Population{})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(samples); { // those without an outcome are missing, nothing else
		a, _ := schedule.Next()
		switch intended := stats.Began + a.At; {
		case samples[i].Intended == intended:
			i++
		case samples[i].Intended < intended:
			t.Fatalf("sample %d was intended at %v, which is not in the schedule", i, samples[i].Intended)
		}
	}
	again, stats := generate(t, session, load.Load{Rate: 1000, Each: 20})
	checkClasses(t, again, load.OK)
	if stats.Sent != 20 {
		t.Errorf("the next load: %+v", stats)
	}
}

var errSink = errors.New("the sink is full")

// testSinkFails: a sink that takes no more ends the load, and is not asked again.
func testSinkFails(t *testing.T, g load.Generator) {
	s, _ := answering(t, 0)
	session := open(t, g, load.Population{}, s.target(8, 8))
	calls := 0
	stats, err := session.Generate(context.Background(), load.Load{Closed: true, Duration: time.Hour}, load.Sink{Samples: func([]load.Sample) error {
		calls++
		return errSink
	}})
	if !errors.Is(err, errSink) || calls != 1 {
		t.Errorf("error %v after %d calls, want the sink's after one", err, calls)
	}
	if stats.Sent == 0 || stats.Wall <= 0 {
		t.Errorf("nothing is said of what was done: %+v", stats)
	}
	samples, _ := generate(t, session, load.Load{Rate: 1000, Each: 20})
	checkClasses(t, samples, load.OK)
}
