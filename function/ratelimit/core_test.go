package ratelimit

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/function"
)

// handClock is a clock that stands until it is set.
type handClock struct{ at time.Duration }

func (h *handClock) now() time.Duration { return h.at }

// randomSpec draws limits whose fractions reduce to many shapes.
func randomSpec(r *rand.Rand) Spec {
	rate := func() Rate {
		n := 1 + r.Int64N(4)
		if r.IntN(8) == 0 {
			n = 1 + r.Int64N(1000)
		}
		return Rate{Tokens: n, Per: units[r.IntN(len(units))].per}
	}
	s := DefaultSpec()
	s.Limits = map[string]Rate{"A": rate(), "B": rate()}
	s.Others = rate()
	s.Paths = []string{"/p", "/q"}
	return s
}

// gap draws a time between requests near the time of a token, so that
// decisions are close.
func gap(r *rand.Rand, rate Rate) time.Duration {
	token := int64(rate.Per) / rate.Tokens
	switch r.IntN(5) {
	case 0:
		return 0
	case 1:
		return time.Duration(token + r.Int64N(3) - 1)
	case 2:
		return time.Duration(r.Int64N(2*token + 1))
	case 3:
		return time.Duration(r.Int64N(int64(rate.Per) + 1))
	}
	return time.Duration(r.Int64N(token/8 + 1))
}

// TestCoreEqualsModel holds the core to the model, decision for decision, on
// random histories of several users and changes of subscription.
func TestCoreEqualsModel(t *testing.T) {
	const histories, steps = 100_000, 24
	r := rand.New(rand.NewPCG(3, 1))
	users := []string{"", "u", "v"}
	subscriptions := []string{"A", "B", "C"}
	decided := map[bool]int{}
	for h := range histories {
		s := randomSpec(r)
		s.Paths = s.Paths[:1]
		clock := &handClock{}
		l, err := newLimiter(s, clock.now)
		if err != nil {
			t.Fatal(err)
		}
		m := newModel(s)
		for step := range steps {
			c := function.Caller{User: users[r.IntN(3)], Subscription: subscriptions[r.IntN(3)]}
			path := s.Paths[0]
			_, rate := s.account(path, c)
			clock.at += gap(r, rate) / 4
			want, _, err := m.decide(clock.at, path, c)
			if err != nil {
				t.Fatal(err)
			}
			got := l[path].allow(c)
			decided[want]++
			if got.Allowed != want {
				t.Fatalf("history %d, step %d, %v at %v of %v: core %v, model %v", h, step, c, clock.at, rate, got.Allowed, want)
			}
		}
	}
	if min(decided[true], decided[false]) < histories*steps/4 {
		t.Fatalf("too few of one kind: %v", decided)
	}
}

// TestModelIsExact holds the model to rational arithmetic.
func TestModelIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 2))
	for range 2000 {
		s := randomSpec(r)
		rate := s.Limits["A"]
		m, c := newModel(s), function.Caller{User: "u", Subscription: "A"}
		full := new(big.Rat).SetInt64(rate.Tokens)
		level, at := new(big.Rat).Set(full), time.Duration(0)
		for range 40 {
			d := gap(r, rate)
			at += d
			level.Add(level, big.NewRat(rate.Tokens*int64(d), int64(rate.Per)))
			if level.Cmp(full) > 0 {
				level.Set(full)
			}
			want := level.Cmp(big.NewRat(1, 1)) >= 0
			if want {
				level.Sub(level, big.NewRat(1, 1))
			}
			got, _, err := m.decide(at, "/p", c)
			if err != nil || got != want {
				t.Fatalf("%v at %v: model %v (%v), exact %v", rate, at, got, err, want)
			}
		}
	}
}

// TestCoreUnderConcurrency sorts the decisions of many goroutines by their
// clock readings and holds them to the model, all of them.
func TestCoreUnderConcurrency(t *testing.T) {
	for _, rate := range []Rate{{3, time.Second}, {1000, time.Minute}, {7, time.Second}} {
		l, err := rate.limit()
		if err != nil {
			t.Fatal(err)
		}
		// A clock that never tells the same time twice, with steps such that
		// about half of the requests are refused.
		var ticks atomic.Int64
		step := int64(rate.Per) / rate.Tokens / 2
		now := func() time.Duration {
			t := ticks.Add(1)
			runtime.Gosched() // others decide between the reading and its use
			return time.Duration(t * step)
		}
		type decision struct {
			at      time.Duration
			allowed bool
		}
		const workers, each = 8, 4000
		seen := make([][]decision, workers)
		b := newBucket()
		var wait sync.WaitGroup
		for w := range workers {
			wait.Go(func() {
				for range each {
					d, at, _ := b.take(&l, now)
					seen[w] = append(seen[w], decision{at, d.Allowed})
				}
			})
		}
		wait.Wait()
		all := slices.Concat(seen...)
		slices.SortFunc(all, func(a, b decision) int { return int(a.at - b.at) })
		m := &modelBucket{limit: l, level: l.full}
		for i, d := range all {
			if want := m.take(d.at); want != d.allowed {
				t.Fatalf("%v: decision %d at %v: core %v, model %v", rate, i, d.at, d.allowed, want)
			}
		}
	}
}

func TestClockThatStepsBackGrantsNothingTwice(t *testing.T) {
	l, _ := Rate{2, time.Second}.limit()
	c := &handClock{}
	b, m := newBucket(), &modelBucket{limit: l, level: l.full}
	for _, at := range []time.Duration{0, 0, time.Second, 0, 600, time.Second, time.Second, 500 * time.Millisecond, 1500 * time.Millisecond, 1499 * time.Millisecond} {
		c.at = at
		d, _, _ := b.take(&l, c.now)
		if want := m.take(at); d.Allowed != want {
			t.Errorf("at %v: core %v, model %v", at, d.Allowed, want)
		}
	}
}

func TestDecisionSaysHowMuchIsLeft(t *testing.T) {
	l, _ := Rate{10, time.Minute}.limit()
	c := &handClock{}
	b := newBucket()
	for i := range 10 {
		d, _, _ := b.take(&l, c.now)
		want := Decision{Allowed: true, Limit: 10, Remaining: int64(9 - i)}
		if i == 9 {
			want.Next = 6 * time.Second
		}
		if d != want {
			t.Errorf("request %d: %+v, want %+v", i, d, want)
		}
	}
	c.at = 5900 * time.Millisecond
	if d, _, _ := b.take(&l, c.now); d != (Decision{Limit: 10, Next: 100 * time.Millisecond}) {
		t.Errorf("before the next token: %+v", d)
	}
}

// TestShelfDropsFullBuckets counts on memory that does not grow with users
// who were there once.
func TestShelfDropsFullBuckets(t *testing.T) {
	l, _ := Rate{10, time.Second}.limit()
	c := &handClock{}
	s := newShelf(l, 0, c.now)
	for i := range 100_000 {
		c.at += time.Millisecond
		s.take(fmt.Sprint("u", i))
	}
	// Each bucket is full again after 100 ms, so about 100 are not.
	if n := s.buckets.Size(); n > 2*sweepMin {
		t.Errorf("holds %d buckets", n)
	}
	s.take("kept")
	c.at += 50 * time.Millisecond
	s.sweep()
	for range 9 {
		s.take("kept")
	}
	if d := s.take("kept"); d.Allowed {
		t.Error("a sweep dropped a bucket that was not full")
	}
}

func TestShelfSweepsWhileUsed(t *testing.T) {
	l, _ := Rate{2, time.Second}.limit()
	var ticks atomic.Int64
	s := newShelf(l, 0, func() time.Duration { return time.Duration(ticks.Add(1)) * 200 * time.Millisecond })
	var allowed, done atomic.Int64
	var wait sync.WaitGroup
	wait.Go(func() {
		for done.Load() < 4 {
			s.sweep()
		}
	})
	for range 4 {
		wait.Go(func() {
			defer done.Add(1)
			for range 3000 {
				if s.take("u").Allowed {
					allowed.Add(1)
				}
			}
		})
	}
	wait.Wait()
	if most := 2 + ticks.Load()*200/500; allowed.Load() > most {
		t.Errorf("allowed %d, at most %d", allowed.Load(), most)
	}
}

// TestShelfEvictsLeastRecentlyUsed follows a plain list.
func TestShelfEvictsLeastRecentlyUsed(t *testing.T) {
	l, _ := Rate{5, time.Hour}.limit()
	c := &handClock{}
	const most = 20
	s := newShelf(l, most, c.now)
	left := map[string]int64{}
	var order []string // least recent first
	r := rand.New(rand.NewPCG(3, 4))
	for step := range 20_000 {
		c.at++
		key := fmt.Sprint("u", r.IntN(30))
		if i := slices.Index(order, key); i >= 0 {
			order = slices.Delete(order, i, i+1)
		} else {
			if len(order) == most {
				order = order[1:]
			}
			left[key] = 5
		}
		order = append(order, key)
		want := left[key] > 0
		left[key] = max(0, left[key]-1)
		if got := s.take(key).Allowed; got != want {
			t.Fatalf("step %d, %s: %v, want %v", step, key, got, want)
		}
		if s.buckets.Size() > most || len(s.order) > most {
			t.Fatalf("step %d: holds %d buckets", step, s.buckets.Size())
		}
	}
}

func TestShelfEvictsWhileUsed(t *testing.T) {
	l, _ := Rate{5, time.Hour}.limit()
	s := newShelf(l, 4, running())
	var wait sync.WaitGroup
	for w := range 6 {
		wait.Go(func() {
			for i := range 3000 {
				s.take(fmt.Sprint("u", (w+i)%9))
			}
		})
	}
	wait.Wait()
	if s.buckets.Size() != 4 || len(s.order) != 4 {
		t.Errorf("holds %d buckets, lists %d", s.buckets.Size(), len(s.order))
	}
}

func BenchmarkAllow(b *testing.B) {
	l, err := newLimiter(DefaultSpec(), running())
	if err != nil {
		b.Fatal(err)
	}
	var callers []function.Caller
	for i := range 2000 {
		callers = append(callers, function.Caller{User: fmt.Sprint("user-", i), Subscription: []string{"Personal", "Team", "Enterprise"}[i%3]})
	}
	path := l["/pull"]
	b.Run("one goroutine", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			path.allow(callers[i%len(callers)])
			i++
		}
	})
	b.Run("all cores", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			i := rand.IntN(2000)
			for pb.Next() {
				path.allow(callers[i%len(callers)])
				i++
			}
		})
	})
}
