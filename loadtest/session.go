package loadtest

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// testPhases: all loads of a session use the connections that Open made, on
// one clock.
func testPhases(t *testing.T, g load.Generator) {
	var servers []*server
	var targets []load.Target
	for range 2 {
		s := listen(t, always(ok))
		servers, targets = append(servers, s), append(targets, s.target(5, 5))
	}
	session := open(t, g, load.Population{}, targets...)
	previous, opened := time.Duration(0), 0
	for phase := range uint64(3) {
		l := load.Load{Rate: 1000, Each: 50, Seed: phase}
		samples, stats := generate(t, session, l)
		checkSchedule(t, l, 2, load.Population{}, samples, stats)
		checkClasses(t, samples, load.OK)
		if stats.Began < previous {
			t.Errorf("phase %d began at %v, before the end of the last at %v", phase, stats.Began, previous)
		}
		previous = stats.Began + stats.Wall
		if phase > 0 {
			opened += stats.Opened
		}
	}
	for i, s := range servers {
		if accepted, _ := s.counts(); accepted != 5 {
			t.Errorf("target %d accepted %d connections, want 5", i, accepted)
		}
	}
	if opened != 0 {
		t.Errorf("%d connections opened after the first phase", opened)
	}
}

// testIdleClosed: connections that the server closes between loads are no
// outcome of a request.
func testIdleClosed(t *testing.T, g load.Generator) {
	s := listen(t, always(ok))
	session := open(t, g, load.Population{}, s.target(6, 32))
	for phase := range uint64(3) {
		samples, _ := generate(t, session, load.Load{Rate: 2000, Each: 60, Seed: phase})
		checkClasses(t, samples, load.OK)
		s.hangUp()
	}
}

// testTargetGone: a target that is gone refuses, one that comes back serves.
func testTargetGone(t *testing.T, g load.Generator) {
	s, other := listen(t, always(ok)), listen(t, always(ok))
	session := open(t, g, load.Population{}, s.target(3, 8), other.target(3, 8))
	l := load.Load{Rate: 2000, Each: 30, Seed: 1}
	samples, _ := generate(t, session, l)
	checkClasses(t, samples, load.OK)
	s.stop()
	samples, stats := generate(t, session, l)
	checkSchedule(t, l, 2, load.Population{}, samples, stats)
	var took []time.Duration
	for _, sample := range samples {
		want := load.OK
		if sample.Target == 0 {
			want = load.Refused
			took = append(took, sample.Failed-sample.Intended)
		}
		if sample.Class != want {
			t.Errorf("class %v of target %d, want %v", sample.Class, sample.Target, want)
		}
	}
	checkFailed(t, "refused", took, 0)
	if stats.Sent != 30 {
		t.Errorf("%d sent, want 30", stats.Sent)
	}
	s.listen(t, s.addr)
	samples, _ = generate(t, session, l)
	checkClasses(t, samples, load.OK)
}

// testCancel: the server answers 50 requests and holds the rest. Canceled, the
// generator returns what was done, and can be used again.
func testCancel(t *testing.T, g load.Generator) {
	const answered = 50
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var count counter
	target := listen(t, func(c *net.TCPConn, _ []string) bool {
		n := count.add()
		if n == answered+20 {
			cancel()
		}
		if n > answered && ctx.Err() == nil {
			<-ctx.Done()
		}
		return always(ok)(c, nil)
	}).target(4, 512)
	session := open(t, g, load.Population{}, target)
	samples, stats, err := load.Collect(ctx, session, load.Load{Rate: 1000, Duration: time.Hour / 10, Seed: 3})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that of the context", err)
	}
	if len(samples) == 0 || len(samples) > stats.Scheduled || stats.Scheduled > 50_000 { // of 360,000
		t.Errorf("%d samples of %d scheduled", len(samples), stats.Scheduled)
	}
	checkClasses(t, samples, load.OK)
	for i, s := range samples {
		checkSample(t, s)
		if i > 0 && s.Intended < samples[i-1].Intended {
			t.Errorf("sample %d is out of order", i)
		}
	}
	if _, _, err := load.Collect(ctx, session, load.Load{Rate: 1, Each: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("a load with a canceled context: error %v", err)
	}
	l := load.Load{Rate: 1000, Each: 100, Seed: 3}
	samples, stats = generate(t, session, l)
	checkSchedule(t, l, 1, load.Population{}, samples, stats)
	checkClasses(t, samples, load.OK)
}

func testOpenRefused(t *testing.T, g load.Generator) {
	s := listen(t, always(ok))
	gone := s.target(2, 2)
	gone.Name = "the one that is gone"
	s.stop()
	session, err := g.Open(context.Background(), []load.Target{gone}, load.Population{})
	if err == nil {
		_ = session.Close()
		t.Fatal("opened a target that refuses connections")
	}
	if !strings.Contains(err.Error(), gone.Name) || !strings.Contains(err.Error(), gone.Addr) {
		t.Errorf("the error names neither the target nor its address: %v", err)
	}
}

// testBadLoad: a load that cannot be is refused and harms nothing.
func testBadLoad(t *testing.T, g load.Generator) {
	session := open(t, g, load.Population{}, listen(t, always(ok)).target(1, 4))
	for _, bad := range []load.Load{{}, {Rate: -1, Each: 1}, {Rate: 1e9, Each: 1}, {Rate: 1, Each: 1, Targets: []int{1}},
		{Closed: true}, {Closed: true, Each: 1, Rate: 1},
		{Closed: true, Each: 1, Targets: []int{1}}} {
		if _, _, err := load.Collect(context.Background(), session, bad); err == nil {
			t.Errorf("no error for %+v", bad)
		}
	}
	samples, _ := generate(t, session, load.Load{Rate: 1000, Each: 10})
	checkClasses(t, samples, load.OK)
}
