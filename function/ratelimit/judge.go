package ratelimit

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/taremesh/tare/function"
)

// judge holds what was seen of one instance against the model, where only an
// interval is known for the time of each decision. It reports a fault only
// where no way of choosing the times, and of what became of requests without
// answer, is left in which a correct limiter did this. The evidence must hold
// every request that the instance got from its start, and times by a clock of
// the same rate as the instance's.
//
//   - A path without limit refuses nothing.
//   - Too many allowed (overdraft) and refused without cause (unjust): see there.
//   - The service behind it served as many as were allowed; a request without
//     answer may have been one of them.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := specOf(spec)
	if err != nil {
		return err
	}
	seen := map[account]*ledger{}
	for i, o := range e.Observations {
		if o.Latest < o.Earliest || o.Earliest < 0 || o.Latest > horizon || o.Outcome > function.Refused {
			return fmt.Errorf("ratelimit: observation %d is none: from %v to %v, outcome %d", i, o.Earliest, o.Latest, o.Outcome)
		}
		if !s.limited(o.Path) {
			if o.Outcome == function.Refused {
				return fmt.Errorf("ratelimit: a request for %s at %v was refused: the path is not limited", o.Path, o.Earliest)
			}
			continue
		}
		who, rate := s.account(o.Path, o.Caller)
		if seen[who] == nil {
			l, err := rate.limit()
			if err != nil {
				return fmt.Errorf("ratelimit: %w", err)
			}
			seen[who] = &ledger{limit: l}
		}
		seen[who].add(o)
	}
	for who, l := range seen {
		if err := l.judge(); err != nil {
			return fmt.Errorf("ratelimit: %s: %w", who, err)
		}
	}
	return served(e)
}

func (a account) String() string {
	if a.caller == (function.Caller{}) {
		return fmt.Sprintf("callers of %s without a listed subscription", a.path)
	}
	return fmt.Sprintf("user %s (%s) of %s", a.caller.User, a.caller.Subscription, a.path)
}

// served compares the service's own count with the requests that were let
// through on all paths.
func served(e function.Evidence) error {
	if e.Served < 0 {
		return nil
	}
	var count [function.Refused + 1]int
	for _, o := range e.Observations {
		count[o.Outcome]++
	}
	least, most := count[function.Allowed], count[function.Allowed]+count[function.Unknown]
	if e.Served < least || e.Served > most {
		return fmt.Errorf("ratelimit: the service served %d requests, but %d were answered as allowed and %d not at all",
			e.Served, least, count[function.Unknown])
	}
	return nil
}

// ledger is what was seen of one account.
type ledger struct {
	limit   limit
	allowed []span
	unknown []span
	refused []span
}

// span is the possible times of a decision, in ns.
type span struct{ from, to int64 }

func (l *ledger) add(o function.Observation) {
	s := span{int64(o.Earliest), int64(o.Latest)}
	switch o.Outcome {
	case function.Allowed:
		l.allowed = append(l.allowed, s)
	case function.Refused:
		l.refused = append(l.refused, s)
	default:
		l.unknown = append(l.unknown, s)
	}
}

func (l *ledger) judge() error {
	if err := l.overdraft(); err != nil {
		return err
	}
	return l.unjust()
}

// overdraft looks for an interval [t, u] in which more was allowed than a full
// bucket and the refill of u−t are worth.
//
// In units: k·token ≤ full + gain·(u−t), where k counts the spans that lie
// wholly inside [t, u], since those decisions were certainly made in it. It is
// enough to try t at a beginning and u at an end of a span. Going through the
// spans by their end u, a tree over the beginnings t holds gain·t + k(t)·token
// and gives the greatest; a new span counts for every t up to its beginning.
// A correct limiter never fails: between any two of its decisions it allows no
// more than this.
func (l *ledger) overdraft() error {
	if int64(len(l.allowed)) <= l.limit.tokens {
		return nil
	}
	begins := slices.Clone(l.allowed)
	slices.SortFunc(begins, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	ends := slices.Clone(l.allowed)
	slices.SortFunc(ends, func(a, b span) int { return cmp.Compare(a.to, b.to) })
	tree := newMaxTree(len(begins), func(i int) int64 { return l.limit.gain * begins[i].from })
	last := 0
	for _, s := range ends {
		reach, _ := slices.BinarySearchFunc(begins, s.from+1, func(b span, from int64) int { return cmp.Compare(b.from, from) })
		tree.add(reach, l.limit.token)
		// Beginnings after the last one counted hold nothing yet.
		if last = max(last, reach); tree.max(last) > l.limit.full+l.limit.gain*s.to {
			return l.describe(begins, s.to)
		}
	}
	return nil
}

// describe finds the interval up to u that holds too many, for the message.
func (l *ledger) describe(begins []span, u int64) error {
	worst, excess, count := int64(0), int64(-1), int64(0)
	for _, b := range begins {
		k := int64(0)
		for _, s := range begins {
			if s.from >= b.from && s.to <= u {
				k++
			}
		}
		if over := k*l.limit.token - l.limit.full - l.limit.gain*(u-b.from); over > excess {
			worst, excess, count = b.from, over, k
		}
	}
	return fmt.Errorf("allowed %d requests between %v and %v: a capacity of %d and the refill allow %d",
		count, time.Duration(worst), time.Duration(u), l.limit.tokens,
		(l.limit.full+l.limit.gain*(u-worst))/l.limit.token)
}

// unjust looks for a refusal that no history explains.
//
// A limiter refuses at time x when the level is below one token. The level is
// the least of full + gain·(x−s) − k·token over all s ≤ x, k being the requests
// that drew a token in [s, x]. So a refusal is explained only if some x in its
// span and some s ≤ x have
//
//	token·k(s, x) − gain·(x−s) > full − token
//
// with k as great as it can be: the requests allowed or without answer whose
// span meets [s, x]. That number is begun(x) − ended(s), those that begin by x
// less those that end before s, so the two choices part:
//
//	[token·begun(x) − gain·x] + max over s ≤ x of [gain·s − token·ended(s)]
//
// The best x is the refusal's beginning or the beginning of a request after
// it; the best s is an end of a request, or x. A correct limiter's own x and s
// are among those tried, so it is never accused.
func (l *ledger) unjust() error {
	if len(l.refused) == 0 {
		return nil
	}
	drew := slices.Concat(l.allowed, l.unknown)
	var begins, ends []int64
	for _, s := range drew {
		begins, ends = append(begins, s.from), append(ends, s.to)
	}
	slices.Sort(begins)
	slices.Sort(ends)
	c := causes{limit: l.limit, begins: begins, ends: ends}
	c.prepare()
	for _, r := range l.refused {
		if c.greatest(r) <= l.limit.full-l.limit.token {
			return fmt.Errorf("refused a request between %v and %v, when at least one token of %d was there",
				time.Duration(r.from), time.Duration(r.to), l.limit.tokens)
		}
	}
	return nil
}

// causes evaluates the left side of unjust's condition.
type causes struct {
	limit        limit
	begins, ends []int64   // sorted
	drawn        []int64   // per end: the greatest of the second bracket over the ends up to it
	explained    *topTable // per beginning: the whole left side at it
}

func (c *causes) prepare() {
	greatest := int64(untouched)
	for _, s := range c.ends {
		greatest = max(greatest, c.since(s))
		c.drawn = append(c.drawn, greatest)
	}
	at := make([]int64, len(c.begins))
	for i, x := range c.begins {
		at[i] = c.at(x)
	}
	c.explained = newTopTable(at)
}

// greatest returns the greatest left side that the refusal's span allows.
func (c *causes) greatest(r span) int64 {
	best := c.at(r.from)
	if first, last := upTo(c.begins, r.from), upTo(c.begins, r.to); first < last {
		best = max(best, c.explained.max(first, last))
	}
	return best
}

// at is the left side at x, with the best s.
func (c *causes) at(x int64) int64 {
	best := c.since(x)
	if n := upTo(c.ends, x); n > 0 {
		best = max(best, c.drawn[n-1])
	}
	return c.limit.token*int64(upTo(c.begins, x)) - c.limit.gain*x + best
}

// since is the second bracket at s.
func (c *causes) since(s int64) int64 {
	ended, _ := slices.BinarySearch(c.ends, s)
	return c.limit.gain*s - c.limit.token*int64(ended)
}

// upTo counts the sorted values that are at most x.
func upTo(sorted []int64, x int64) int {
	n, _ := slices.BinarySearch(sorted, x+1)
	return n
}
