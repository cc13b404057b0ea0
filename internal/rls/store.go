package rls

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
)

// Rate is a bucket's capacity, and the time in which an empty one fills. As
// text: 10/s, 10/min or 10/h.
type Rate struct {
	Tokens uint32
	Per    time.Duration
}

// MostTokens is the largest capacity of a bucket: levels fit 64 bits.
const MostTokens = 1_000_000

var units = []struct {
	name string
	per  time.Duration
	unit rlsv3.RateLimitResponse_RateLimit_Unit
}{
	{"s", time.Second, rlsv3.RateLimitResponse_RateLimit_SECOND},
	{"min", time.Minute, rlsv3.RateLimitResponse_RateLimit_MINUTE},
	{"h", time.Hour, rlsv3.RateLimitResponse_RateLimit_HOUR},
}

// UnmarshalText reads a rate.
func (r *Rate) UnmarshalText(text []byte) error {
	number, name, _ := strings.Cut(string(text), "/")
	n, err := strconv.ParseUint(number, 10, 32)
	for _, u := range units {
		if u.name == name && err == nil && n > 0 && n <= MostTokens {
			*r = Rate{uint32(n), u.per}
			return nil
		}
	}
	return fmt.Errorf("%q is no rate: write N/s, N/min or N/h, N from 1 to %d", text, MostTokens)
}

// MarshalText writes what UnmarshalText reads.
func (r Rate) MarshalText() ([]byte, error) {
	for _, u := range units {
		if u.per == r.Per {
			return fmt.Appendf(nil, "%d/%s", r.Tokens, u.name), nil
		}
	}
	return nil, fmt.Errorf("a rate per %v has no text", r.Per)
}

func (r Rate) unit() rlsv3.RateLimitResponse_RateLimit_Unit {
	for _, u := range units {
		if u.per == r.Per {
			return u.unit
		}
	}
	return rlsv3.RateLimitResponse_RateLimit_UNKNOWN
}

// Level is what is in a bucket.
type Level struct {
	Remaining uint32 // whole tokens
	UntilFull time.Duration
}

// Store is buckets by key. The zero value is ready; it is safe for concurrent
// use.
type Store struct {
	mu      sync.Mutex
	buckets map[string]*bucket
	sweep   int // when there are so many, those that are full are let go
	now     func() time.Time
}

// bucket's level is in units of 1/Per tokens: one token is Per of them in
// nanoseconds, and Tokens of them come with each nanosecond, so that nothing
// is rounded.
type bucket struct {
	rate  Rate
	level int64
	at    time.Time
}

const firstSweep = 1024

// Take draws tokens from a bucket, or none if it has not so many.
func (s *Store) Take(key string, r Rate, hits uint32) (over bool, left Level) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	b := s.buckets[key]
	if b == nil || b.rate != r {
		b = &bucket{rate: r, level: r.full(), at: now}
		s.keep(key, b, now)
	}
	b.refill(now)
	want := int64(r.Per) * int64(min(hits, MostTokens+1))
	if over = b.level < want; !over {
		b.level -= want
	}
	return over, Level{uint32(b.level / int64(r.Per)), b.untilFull()}
}

func (s *Store) clock() time.Time {
	if s.now != nil {
		return s.now()
	}
	return time.Now()
}

// keep adds a bucket. One that is full is no different from one that is not
// there, so those go when the buckets have become twice as many.
func (s *Store) keep(key string, b *bucket, now time.Time) {
	if s.buckets == nil {
		s.buckets, s.sweep = map[string]*bucket{}, firstSweep
	}
	if len(s.buckets) >= s.sweep {
		for k, old := range s.buckets {
			if old.refill(now); old.level == old.rate.full() {
				delete(s.buckets, k)
			}
		}
		s.sweep = max(firstSweep, 2*len(s.buckets))
	}
	s.buckets[key] = b
}

func (r Rate) full() int64 { return int64(r.Tokens) * int64(r.Per) }

func (b *bucket) refill(now time.Time) {
	gap := now.Sub(b.at)
	b.at = now
	if missing := b.rate.full() - b.level; int64(gap) > missing/int64(b.rate.Tokens) {
		b.level = b.rate.full()
		return
	}
	b.level += int64(gap) * int64(b.rate.Tokens)
}

func (b *bucket) untilFull() time.Duration {
	missing, gain := b.rate.full()-b.level, int64(b.rate.Tokens)
	return time.Duration((missing + gain - 1) / gain)
}
