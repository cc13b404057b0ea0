package ratelimitglobal

import (
	"container/heap"
	"fmt"
	"net/http"
	"slices"
	"sort"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/rls"
)

// account is whose bucket a request draws from.
type account struct{ path, user, subscription string }

// span is when a decision was made: at some time in it, in ns.
type span struct{ from, to int64 }

// ledger is what was seen of one account, over all proxies.
type ledger struct {
	rate                      rls.Rate
	allowed, unknown, refused []span
}

// judge holds all that was seen at all proxies against one bucket for each
// account. It finds fault only where no choice of times within the spans is
// left in which one bucket did this.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	if e.Trial != nil && e.Trial.Mute {
		return s.judgeMute(e)
	}
	seen := map[account]*ledger{}
	for i, o := range e.Observations {
		if err := s.passed(i, o, e); err != nil {
			return err
		}
		rate, limited := s.Limits[o.Caller.Subscription]
		if limited = limited && o.Caller.User != "" && slices.Contains(s.Paths, o.Path); !limited {
			if o.Outcome == function.Refused {
				return fmt.Errorf("ratelimit-global: request %d for %s was refused, and nothing limits it", i, o.Path)
			}
			continue
		}
		who := account{o.Path, o.Caller.User, o.Caller.Subscription}
		if seen[who] == nil {
			seen[who] = &ledger{rate: rate}
		}
		seen[who].add(o)
	}
	for who, l := range seen {
		if err := l.overdraft(); err != nil {
			return fmt.Errorf("ratelimit-global: user %s (%s) of %s: %w", who.user, who.subscription, who.path, err)
		}
		if err := l.unjust(); err != nil {
			return fmt.Errorf("ratelimit-global: user %s (%s) of %s: %w", who.user, who.subscription, who.path, err)
		}
	}
	return nil
}

// passed: what was allowed reached the service behind once, what was refused
// got 429 and did not.
func (s Spec) passed(i int, o function.Observation, e function.Evidence) error {
	if o.Response == nil {
		return nil // also under load
	}
	reached := len(e.Reached(i))
	switch {
	case o.Outcome == function.Allowed && reached != 1:
		return fmt.Errorf("ratelimit-global: request %d was allowed and reached the service behind %d times", i, reached)
	case o.Outcome == function.Refused && reached != 0:
		return fmt.Errorf("ratelimit-global: request %d was refused and reached the service behind", i)
	case o.Outcome == function.Refused && o.Response.Status != http.StatusTooManyRequests:
		return fmt.Errorf("ratelimit-global: request %d was refused with %d, not 429", i, o.Response.Status)
	}
	return nil
}

// judgeMute: without the service all that it would have been asked about goes
// the same way, whatever it is limited to.
func (s Spec) judgeMute(e function.Evidence) error {
	for i, o := range e.Observations {
		asked := o.Caller.User != "" && o.Caller.Subscription != ""
		want := !asked || s.OnFailure == Allow
		if want != (o.Outcome == function.Allowed) {
			return fmt.Errorf("ratelimit-global: request %d without the service: went on %t, want %t", i, !want, want)
		}
		if !want && o.Response.Status != http.StatusInternalServerError {
			return fmt.Errorf("ratelimit-global: request %d without the service was refused with %d, not 500", i, o.Response.Status)
		}
		if n := len(e.Reached(i)); (n == 1) != want {
			return fmt.Errorf("ratelimit-global: request %d without the service reached the one behind %d times", i, n)
		}
	}
	return nil
}

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

// The units of levels: a token is Per of them in nanoseconds, and Tokens of
// them come in each nanosecond.
func (l *ledger) full() int64  { return int64(l.rate.Tokens) * int64(l.rate.Per) }
func (l *ledger) token() int64 { return int64(l.rate.Per) }
func (l *ledger) gain() int64  { return int64(l.rate.Tokens) }

// overdraft lets one bucket serve the allowed requests as early as it can, those
// first whose time ends first. To draw early wastes no refill, so if this finds
// no time for one of them, nothing does.
func (l *ledger) overdraft() error {
	spans := slices.Clone(l.allowed)
	slices.SortFunc(spans, func(a, b span) int { return int(min(max(a.from-b.from, -1), 1)) })
	var waiting ends
	level, now := l.full(), int64(0)
	wait := func(until int64) {
		if missing := l.full() - level; until-now > missing/l.gain() {
			level = l.full()
		} else {
			level += (until - now) * l.gain()
		}
		now = until
	}
	for i := 0; i < len(spans) || len(waiting) > 0; {
		if len(waiting) == 0 && spans[i].from > now {
			wait(spans[i].from)
		}
		for ; i < len(spans) && spans[i].from <= now; i++ {
			heap.Push(&waiting, spans[i].to)
		}
		if level >= l.token() {
			if end := heap.Pop(&waiting).(int64); end < now {
				return l.tooMany()
			}
			level -= l.token()
			continue
		}
		next := now + (l.token()-level+l.gain()-1)/l.gain()
		if i < len(spans) {
			next = min(next, spans[i].from)
		}
		if waiting[0] < next {
			return l.tooMany()
		}
		wait(next)
	}
	return nil
}

func (l *ledger) tooMany() error {
	return fmt.Errorf("more was allowed than one bucket of %d per %v has: %d requests", l.rate.Tokens, l.rate.Per, len(l.allowed))
}

// unjust looks for a refusal at a time when the bucket cannot have been empty.
// A bucket is empty at x when for some s before x what may have been drawn
// from s to x is more than full − token, less what has come in since: all
// requests that may have begun by x, less those that ended before s. The best x
// is the refusal's beginning or that of a request after it, the best s an end
// of a request or x.
func (l *ledger) unjust() error {
	drew := slices.Concat(l.allowed, l.unknown)
	var begins, ends []int64
	for _, s := range drew {
		begins, ends = append(begins, s.from), append(ends, s.to)
	}
	slices.Sort(begins)
	slices.Sort(ends)
	best := make([]int64, len(ends)) // over the ends up to each
	for k, s := range ends {
		best[k] = l.gain()*s - l.token()*int64(sort.Search(len(ends), func(j int) bool { return ends[j] >= s }))
		if k > 0 {
			best[k] = max(best[k], best[k-1])
		}
	}
	below := func(sorted []int64, x int64) int {
		return sort.Search(len(sorted), func(j int) bool { return sorted[j] >= x })
	}
	drawn := func(x int64) int64 { // more than full − token: the bucket may be empty at x
		most := l.gain()*x - l.token()*int64(below(ends, x))
		if n := below(ends, x+1); n > 0 {
			most = max(most, best[n-1])
		}
		return l.token()*int64(below(begins, x+1)) - l.gain()*x + most
	}
	for _, r := range l.refused {
		most := drawn(r.from)
		for j := below(begins, r.from+1); j < len(begins) && begins[j] <= r.to; j++ {
			most = max(most, drawn(begins[j]))
		}
		if most <= l.full()-l.token() {
			return fmt.Errorf("a request was refused when a token of %d per %v was there", l.rate.Tokens, l.rate.Per)
		}
	}
	return nil
}

// ends is a heap of times.
type ends []int64

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i] < e[j] }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(int64)) }
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
