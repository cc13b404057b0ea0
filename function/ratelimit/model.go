package ratelimit

import (
	"time"

	"github.com/taremesh/tare/function"
)

// model is what the rate limit means: a token bucket per account, filled
// continuously. It is the oracle of every form, so it is written to be read:
// one request after the other, nothing clever. Levels are in units in which
// nothing is rounded (see limit).
//
// Times are expected in order. A request whose time lies before that of an
// earlier one of the same account finds what the bucket held then, less what
// was taken since: no token is granted twice.
type model struct {
	spec    Spec
	buckets map[account]*modelBucket
}

type modelBucket struct {
	limit limit
	level int64 // units
	at    time.Duration
}

func newModel(s Spec) *model {
	return &model{spec: s, buckets: map[account]*modelBucket{}}
}

// decide reports whether the request is allowed, and the bucket it drew from,
// nil for a path without limit.
func (m *model) decide(at time.Duration, path string, c function.Caller) (allowed bool, b *modelBucket, err error) {
	if !m.spec.limited(path) {
		return true, nil, nil
	}
	who, rate := m.spec.account(path, c)
	b = m.buckets[who]
	if b == nil {
		l, err := rate.limit()
		if err != nil {
			return false, nil, err
		}
		b = &modelBucket{limit: l, level: l.full, at: at}
		m.buckets[who] = b
	}
	return b.take(at), b, nil
}

func (b *modelBucket) take(at time.Duration) bool {
	b.refill(at)
	if b.level < b.limit.token {
		return false
	}
	b.level -= b.limit.token
	return true
}

// refill brings the level to the given time. A gap long enough to fill any
// bucket is not multiplied out, so that nothing overflows.
func (b *modelBucket) refill(at time.Duration) {
	gap := at - b.at
	b.at = at
	if int64(gap) > (b.limit.full-b.level)/b.limit.gain {
		b.level = b.limit.full
		return
	}
	b.level += int64(gap) * b.limit.gain
}
