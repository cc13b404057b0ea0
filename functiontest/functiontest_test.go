package functiontest_test

import (
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/ratelimit"
	"github.com/taremesh/tare/functiontest"
)

// limits are Image Hub's, tried by 600 users in turn.
func limits() functiontest.Traffic {
	w := functiontest.Traffic{Params: `{}`, Path: "/pull", Free: "/auth", Burst: 1600, Rounds: 14, Pause: 2 * time.Second, Seed: 3}
	for i := range 600 {
		w.Callers = append(w.Callers, function.Caller{
			User: fmt.Sprint("user-", i), Subscription: []string{"Personal", "Personal", "Team", "Enterprise", "unlisted"}[i%5]})
	}
	// One who upgrades, one who never was seen before, and one of each plan.
	w.Pressed = []function.Caller{
		{User: "user-0", Subscription: "Team"}, {User: "fresh", Subscription: "Personal"},
		{User: "user-1", Subscription: "Personal"}, {User: "user-3", Subscription: "Enterprise"},
	}
	return w
}

func TestRateLimit(t *testing.T) { functiontest.Run(t, ratelimit.Function(), limits()) }

// naive is a rate limit written once more, behind one lock and in floating
// point, with room for mistakes.
type naive struct {
	mu      sync.Mutex
	buckets map[function.Caller]*naiveBucket
	mistake string
}

type naiveBucket struct {
	tokens, capacity float64
	at               time.Time
}

func (n *naive) allow(c function.Caller) bool {
	n.mu.Lock()
	if n.mistake == "keys by subscription" {
		c.User = ""
	}
	b := n.buckets[c]
	if b == nil {
		capacity := map[string]float64{"Personal": 10, "Team": 100, "Enterprise": 1000, "unlisted": 1e9}[c.Subscription]
		b = &naiveBucket{tokens: capacity, capacity: capacity, at: time.Now()}
		if n.mistake == "one more" {
			b.tokens++
		}
		n.buckets[c] = b
	}
	if n.mistake == "forgets a user" && c.User == "user-1" && len(n.buckets)%7 == 0 {
		delete(n.buckets, c)
	}
	if n.mistake == "loses an update" {
		seen := b.tokens
		n.mu.Unlock()
		runtime.Gosched()
		n.mu.Lock()
		b.tokens = seen
	}
	defer n.mu.Unlock()
	gone := time.Since(b.at)
	if n.mistake == "refills in steps" {
		gone = gone.Truncate(time.Minute)
	}
	b.at = b.at.Add(gone)
	b.tokens = min(max(b.tokens, b.capacity), b.tokens+gone.Minutes()*b.capacity)
	if b.tokens < 1-1e-9 {
		return false
	}
	b.tokens--
	return true
}

func (n *naive) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := function.CallerFrom(r.Context())
		switch {
		case r.URL.Path != "/pull" && n.mistake != "limits every path", n.allow(c):
			next.ServeHTTP(w, r)
		case n.mistake == "answers 200":
			w.WriteHeader(http.StatusOK)
		case n.mistake == "serves and refuses":
			next.ServeHTTP(discard{w}, r)
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
}

type discard struct{ http.ResponseWriter }

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

func form(mistake string) functiontest.Form {
	return functiontest.Form{Name: mistake, Make: func(function.Function, function.Spec) (*functiontest.Instance, error) {
		n := &naive{buckets: map[function.Caller]*naiveBucket{}, mistake: mistake}
		return functiontest.Behind(n.wrap), nil
	}}
}

// TestMutantsAreCaught: the judge objects to every mistake, and not to the same
// code without one.
func TestMutantsAreCaught(t *testing.T) {
	if faults := functiontest.Faults(t, ratelimit.Function(), form("none"), limits()); len(faults) > 0 {
		t.Fatalf("the judge accuses a correct limiter: %v", faults)
	}
	for _, mistake := range []string{
		"one more", "forgets a user", "loses an update", "refills in steps", "keys by subscription",
		"answers 200", "serves and refuses", "limits every path",
	} {
		t.Run(mistake, func(t *testing.T) {
			if faults := functiontest.Faults(t, ratelimit.Function(), form(mistake), limits()); len(faults) == 0 {
				t.Error("the judge finds nothing")
			}
		})
	}
}
