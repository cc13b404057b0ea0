package rls

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func TestRateText(t *testing.T) {
	for text, want := range map[string]Rate{"10/min": {10, time.Minute}, "1/s": {1, time.Second}, "1000000/h": {MostTokens, time.Hour}} {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%s: %v, %v", text, r, err)
		}
		if back, err := r.MarshalText(); err != nil || string(back) != text {
			t.Errorf("%v: %s, %v", r, back, err)
		}
	}
	for _, text := range []string{"", "10", "10/", "/s", "0/s", "-1/s", "1000001/s", "1.5/s", "1/d", "1/s/s", " 1/s"} {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, r)
		}
	}
	if _, err := (Rate{1, time.Millisecond}).MarshalText(); err == nil {
		t.Error("a rate per millisecond has a text")
	}
}

func TestTake(t *testing.T) {
	at := time.Now()
	s := Store{now: func() time.Time { return at }}
	r := Rate{2, time.Second}
	for i, c := range []struct {
		wait time.Duration
		hits uint32
		over bool
		left Level
	}{
		{0, 1, false, Level{1, 500 * time.Millisecond}},
		{0, 1, false, Level{0, time.Second}},
		{0, 1, true, Level{0, time.Second}},
		{499_999_999, 1, true, Level{0, 500_000_001}},
		{1, 1, false, Level{0, time.Second}},
		{time.Hour, 3, true, Level{2, 0}},
		{0, 2, false, Level{0, time.Second}},
		{time.Second, 1 << 31, true, Level{2, 0}},
	} {
		at = at.Add(c.wait)
		if over, left := s.Take("a", r, c.hits); over != c.over || left != c.left {
			t.Errorf("%d: over %t, %+v; want %t, %+v", i, over, left, c.over, c.left)
		}
	}
	if over, _ := s.Take("b", r, 2); over {
		t.Error("another key has the same bucket")
	}
	if over, left := s.Take("b", Rate{3, time.Second}, 1); over || left.Remaining != 2 {
		t.Errorf("another rate: over %t, %+v", over, left)
	}
}

// Buckets that are full are let go, others never.
func TestSweep(t *testing.T) {
	at := time.Now()
	s := Store{now: func() time.Time { return at }}
	s.Take("kept", Rate{1, time.Hour}, 1)
	for i := range 10 * firstSweep {
		at = at.Add(time.Millisecond)
		s.Take(string(rune('a'+i%26))+time.Duration(i).String(), Rate{1000, time.Second}, 1)
	}
	if n := len(s.buckets); n > 2*firstSweep {
		t.Errorf("%d buckets are kept", n)
	}
	if over, _ := s.Take("kept", Rate{1, time.Hour}, 1); !over {
		t.Error("an empty bucket was let go")
	}
}

// Many at once get exactly what is there.
func TestAtOnce(t *testing.T) {
	var s Store
	var wg sync.WaitGroup
	var allowed atomic.Int64
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if over, _ := s.Take("a", Rate{300, time.Hour}, 1); !over {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := allowed.Load(); n != 300 {
		t.Errorf("%d were allowed, not 300", n)
	}
}

func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	var store Store
	go func() {
		done <- Serve(ctx, l, func(domain string, d []Entry, hits uint32) Answer {
			if len(d) != 1 || d[0].Key != "user" || domain != "hub" {
				return Answer{}
			}
			a := Answer{Limited: true, Rate: Rate{3, time.Hour}}
			a.Over, a.Level = store.Take(d[0].Value, a.Rate, hits)
			return a
		})
	}()
	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(hits uint32, users ...string) *rlsv3.RateLimitResponse {
		q := &rlsv3.RateLimitRequest{Domain: "hub", HitsAddend: hits}
		for _, u := range users {
			q.Descriptors = append(q.Descriptors, &commonv3.RateLimitDescriptor{Entries: []*commonv3.RateLimitDescriptor_Entry{{Key: "user", Value: u}}})
		}
		a, err := rlsv3.NewRateLimitServiceClient(conn).ShouldRateLimit(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for i, c := range []struct {
		hits  uint32
		users []string
		over  bool
		left  uint32 // of the first
	}{
		{0, []string{"ann"}, false, 2},
		{2, []string{"ann"}, false, 0},
		{1, []string{"ann", "bob"}, true, 0},
		{1, []string{"bob"}, false, 1}, // it drew above
	} {
		a := ask(c.hits, c.users...)
		if (a.GetOverallCode() == rlsv3.RateLimitResponse_OVER_LIMIT) != c.over || a.GetStatuses()[0].GetLimitRemaining() != c.left {
			t.Errorf("%d: %v", i, a)
		}
		if l := a.GetStatuses()[0].GetCurrentLimit(); l.GetRequestsPerUnit() != 3 || l.GetUnit() != rlsv3.RateLimitResponse_RateLimit_HOUR {
			t.Errorf("%d: limit %v", i, l)
		}
	}
	if a := ask(1); a.GetOverallCode() != rlsv3.RateLimitResponse_OK || len(a.GetStatuses()) != 0 {
		t.Errorf("nothing asked: %v", a)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
