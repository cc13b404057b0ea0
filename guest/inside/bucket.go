package inside

import (
	"errors"
	"strconv"
	"strings"
	"sync"
)

// Buckets keeps token buckets, by key, for all who share them.
type Buckets interface {
	// Take takes a token from the bucket of the key, which is full at first.
	Take(key string, l *Limit) (Decision, error)
}

// Limit is an allowance in the units in which nothing is rounded: time runs
// gain units a nanosecond, a token is worth token units.
type Limit struct {
	tokens, gain, token, full int64
}

// Decision is what a bucket said to one request.
type Decision struct {
	Allowed   bool
	Limit     int64
	Remaining int64 // whole tokens left
	Next      int64 // nanoseconds until a token is there, 0 when one is
}

const second = 1_000_000_000

// ParseLimit reads a rate such as 10/min.
func ParseLimit(rate string) (Limit, error) {
	count, unit, _ := strings.Cut(rate, "/")
	n, err := strconv.ParseInt(count, 10, 64)
	per := map[string]int64{"s": second, "min": 60 * second, "h": 3600 * second}[unit]
	if err != nil || n < 1 || n > second || per == 0 {
		return Limit{}, errors.New("rate " + rate + ": want N/s, N/min or N/h")
	}
	d := gcd(n, per)
	l := Limit{tokens: n, gain: n / d, token: per / d}
	const room = 1 << 61
	if n > room/l.token {
		return Limit{}, errors.New("rate " + rate + " cannot be counted without rounding")
	}
	l.full = n * l.token
	return l, nil
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Bucket is a bucket at some time.
type Bucket struct {
	Level int64 // units
	At    int64 // nanoseconds on the clock of whoever keeps it
}

// Full is a bucket that nobody drew from.
func (l *Limit) Full(now int64) Bucket { return Bucket{l.full, now} }

// Take refills a bucket and takes a token from it if there is one. A clock
// that went back gives none.
func (l *Limit) Take(b Bucket, now int64) (Bucket, Decision) {
	level := min(max(b.Level, 0), l.full)
	if gap := now - b.At; gap > 0 {
		if gap > (l.full-level)/l.gain {
			level = l.full
		} else {
			level += gap * l.gain
		}
	}
	d := Decision{Limit: l.tokens, Allowed: level >= l.token}
	if d.Allowed {
		level -= l.token
	}
	d.Remaining = level / l.token
	if level < l.token {
		d.Next = (l.token - level + l.gain - 1) / l.gain
	}
	return Bucket{level, now}, d
}

// Memory keeps buckets in this process's memory. Full ones are forgotten
// whenever their number has doubled, which loses nothing.
type Memory struct {
	Now func() int64 // nanoseconds

	mu      sync.Mutex
	held    map[string]*held
	sweepAt int
}

type held struct {
	limit  *Limit
	bucket Bucket
}

const leastSwept = 1024

// Take takes a token.
func (m *Memory) Take(key string, l *Limit) (Decision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.Now()
	h := m.held[key]
	if h == nil {
		if len(m.held) >= max(m.sweepAt, leastSwept) {
			m.sweep(now)
		}
		if m.held == nil {
			m.held = map[string]*held{}
		}
		h = &held{l, l.Full(now)}
		m.held[strings.Clone(key)] = h
	}
	var d Decision
	h.bucket, d = l.Take(h.bucket, now)
	return d, nil
}

func (m *Memory) sweep(now int64) {
	for key, h := range m.held {
		if b := h.bucket; (h.limit.full-b.Level)/h.limit.gain < now-b.At {
			delete(m.held, key)
		}
	}
	m.sweepAt = 2 * len(m.held)
}
