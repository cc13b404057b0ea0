package balance_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taremesh/tare/internal/balance"
)

func patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balance.NewBreaker(balance.Limits{Connections: 2, Pending: 3, Requests: 10, Retries: 1})
		var in, most, admitted, overflow atomic.Int64
		var wg sync.WaitGroup
		began := time.Now()
		for range 9 {
			wg.Go(func() {
				switch b.Enter(patient) {
				case balance.Admitted:
					admitted.Add(1)
					if n := in.Add(1); n > most.Load() {
						most.Store(n)
					}
					<-time.After(time.Second) // of the bubble's clock
					in.Add(-1)
					b.Leave()
				case balance.Overflow:
					overflow.Add(1)
					if d := time.Since(began); d != 0 {
						t.Errorf("refused after %v", d)
					}
				}
			})
		}
		wg.Wait()
		if admitted.Load() != 5 || overflow.Load() != 4 || most.Load() != 2 {
			t.Errorf("admitted %d, refused %d, at once %d", admitted.Load(), overflow.Load(), most.Load())
		}
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("five by two took %v", d)
		}
		if l := b.Load(); l.Requests != 0 || l.Waiting != 0 || l.Refused.Pending != 4 || l.Refused.Connections != 7 {
			t.Errorf("at the end: %+v", l)
		}
	})
}

func TestBreakerRequests(t *testing.T) {
	b := balance.NewBreaker(balance.Limits{Connections: 100, Pending: 100, Requests: 2})
	for i, want := range []balance.Verdict{balance.Admitted, balance.Admitted, balance.Overflow} {
		if got := b.Enter(patient); got != want {
			t.Errorf("request %d: %v", i, got)
		}
	}
	b.Leave()
	if got := b.Enter(patient); got != balance.Admitted {
		t.Errorf("after one has left: %v", got)
	}
	if l := b.Load(); l.Refused.Requests != 1 {
		t.Errorf("load %+v", l)
	}
}

// Who waits too long goes, and leaves nothing behind.
func TestBreakerPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balance.NewBreaker(balance.Limits{Connections: 1, Pending: 1, Requests: 1})
		b.Enter(nil)
		began := time.Now()
		if got := b.Enter(patient); got != balance.Waited || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %v", got, time.Since(began))
		}
		if got := b.Enter(nil); got != balance.Overflow {
			t.Errorf("one that does not wait: %v", got)
		}
		b.Leave()
		if l := b.Load(); l.Requests != 0 || l.Waiting != 0 {
			t.Errorf("load %+v", l)
		}
		// A limit that grows lets in who waits.
		b.Enter(nil)
		done := make(chan balance.Verdict, 1)
		go func() { done <- b.Enter(patient) }()
		synctest.Wait()
		b.Limit(balance.Limits{Connections: 2, Pending: 1, Requests: 2})
		if got := <-done; got != balance.Admitted {
			t.Errorf("after the limit grew: %v", got)
		}
	})
}

func TestRetries(t *testing.T) {
	b := balance.NewBreaker(balance.Limits{Connections: 100, Requests: 100, Retries: 2})
	// granted is how many retries there are to be had, which are kept.
	granted := func() (n int) {
		for n < 1000 && b.Retry() {
			n++
		}
		return n
	}
	if n := granted(); n != 2 {
		t.Errorf("%d retries of 2", n)
	}
	b.EndRetry()
	if n := granted(); n != 1 {
		t.Errorf("%d more when one has ended", n)
	}
	b.EndRetry()
	b.EndRetry()
	b.Limit(balance.Limits{Connections: 100, Requests: 100, Budget: 20, Floor: 1})
	if n := granted(); n != 1 {
		t.Errorf("%d retries, the floor is 1", n)
	}
	for range 15 {
		b.Enter(nil)
	}
	if n := granted(); n != 2 {
		t.Errorf("%d more of a fifth of 15", n)
	}
	if l := b.Load(); l.Retries != 3 || l.Refused.Retries != 4 {
		t.Errorf("load %+v", l)
	}
}
