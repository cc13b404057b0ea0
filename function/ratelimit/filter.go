package ratelimit

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"
	"unsafe"

	"github.com/taremesh/tare/function"
)

// filter is the native form in the embedded data plane: what one message of
// Envoy's local rate limit says, compiled.
//
// Names are Envoy's: a request yields descriptors, lists of key and value, and
// every rule that matches one of them has a bucket to draw from.
type filter struct {
	enabled, enforced share
	status            int
	policies          []policy
	rules             []rule // slowest refill first
	standard          *shelf // the default token bucket; nil: none
	alwaysStandard    bool   // draw from it also when a rule matched
	headers           []header
	rateHeaders       bool
	retryAfter        bool
}

// share is a fraction of requests.
type share struct{ of, outOf uint32 }

func (s share) drawn() bool {
	return s.of >= s.outOf || s.of > 0 && rand.Uint32N(s.outOf) < s.of
}

type header struct {
	name  string
	value []byte
}

// policy makes one descriptor of a request, an entry per action.
type policy []action

// action is the value of a header, or a fixed one.
type action struct {
	key        string
	header     string // empty: fixed
	fixed      []byte
	skipAbsent bool // without the header: no entry, instead of no descriptor
}

// rule limits requests with a descriptor of these entries.
type rule struct {
	entries []match
	wild    int // entries that are
	order   int // in the message
	shelf   *shelf
}

type match struct {
	key, value string
	wild       bool // any value, and a bucket for each
}

// entry is a part of a request's descriptor.
type entry struct {
	key   string
	value []byte
}

// maxEntries is the greatest number of actions of a policy.
const maxEntries = 8

// Handle limits the request.
func (f *filter) Handle(x function.Exchange) (proceed bool) {
	if !f.enabled.drawn() {
		return true
	}
	d, limited := f.decide(x)
	if !limited {
		return true
	}
	if f.rateHeaders {
		x.AddResponseHeader(limitHeader, decimalBytes(d.Limit))
		x.AddResponseHeader(remainingHeader, decimalBytes(d.Remaining))
		x.AddResponseHeader(resetHeader, decimalBytes(seconds(d.Next)))
	}
	if d.Allowed || !f.enforced.drawn() {
		return true
	}
	for _, h := range f.headers {
		x.AddResponseHeader(h.name, h.value)
	}
	if f.retryAfter {
		x.AddResponseHeader(retryAfterHeader, decimalBytes(max(1, seconds(d.Next))))
	}
	x.Reply(f.status, refusal)
	return false
}

// decide draws from the bucket of every rule that matches, slowest first,
// until one is empty, then from the default bucket when it applies. The
// decision reported is that of the bucket that refused, else of the first.
// limited is false when no bucket applies.
func (f *filter) decide(x function.Exchange) (first Decision, limited bool) {
	var room [maxEntries]entry
	for i := range f.rules {
		r := &f.rules[i]
		for _, p := range f.policies {
			entries, ok := p.describe(x, room[:0])
			if !ok || !r.matches(entries) || f.shadowed(i, entries) {
				continue
			}
			d := r.take(entries)
			if !d.Allowed {
				return d, true
			}
			if !limited {
				first, limited = d, true
			}
		}
	}
	if f.standard == nil || limited && !f.alwaysStandard {
		return first, limited
	}
	d := f.standard.take("")
	if !d.Allowed || !limited {
		return d, true
	}
	return first, true
}

// shadowed reports whether a rule more exact than rule i takes the descriptor:
// a descriptor counts once.
func (f *filter) shadowed(i int, entries []entry) bool {
	for j := range f.rules {
		if f.rules[j].before(&f.rules[i]) && f.rules[j].matches(entries) {
			return true
		}
	}
	return false
}

// before reports whether, of two rules that match, this one is taken: the one
// with fewer wildcards, else the one that comes first in the message.
func (r *rule) before(other *rule) bool {
	if r.wild != other.wild {
		return r.wild < other.wild
	}
	return r.order < other.order
}

func (p policy) describe(x function.Exchange, into []entry) (entries []entry, ok bool) {
	for i := range p {
		a := &p[i]
		value := a.fixed
		if a.header != "" {
			v, found := x.Header(a.header)
			if !found {
				if a.skipAbsent {
					continue
				}
				return nil, false
			}
			value = v
		}
		into = append(into, entry{a.key, value})
	}
	return into, len(into) > 0
}

func (r *rule) matches(entries []entry) bool {
	return slices.EqualFunc(r.entries, entries, func(m match, e entry) bool {
		return m.key == e.key && (m.wild || m.value == string(e.value))
	})
}

// take draws from the rule's bucket for the values of its wildcards.
func (r *rule) take(entries []entry) Decision {
	var room [256]byte
	key := room[:0]
	wild := 0
	var single []byte
	for i, m := range r.entries {
		if !m.wild {
			continue
		}
		if wild++; wild == 1 {
			single = entries[i].value
			continue
		}
		if wild == 2 {
			key = appendPart(key, single)
		}
		key = appendPart(key, entries[i].value)
	}
	if wild < 2 {
		return r.shelf.take(view(single))
	}
	return r.shelf.take(view(key))
}

// appendPart appends a value with its length, so that no two lists of values
// give the same key.
func appendPart(key, value []byte) []byte {
	key = binary.AppendUvarint(key, uint64(len(value)))
	return append(key, value...)
}

// view is the bytes as a string that is valid as long as they are: the shelf
// copies a key that it keeps.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// sortRules puts the slowest refill first, so that in most cases a request is
// refused before it has drawn from any other bucket.
func sortRules(rules []rule) {
	slices.SortStableFunc(rules, func(a, b rule) int {
		x, y := a.shelf.limit, b.shelf.limit
		return compareFraction(x.gain, x.token, y.gain, y.token)
	})
}

// compareFraction compares a/b with c/d.
func compareFraction(a, b, c, d int64) int {
	l, r := float64(a)/float64(b), float64(c)/float64(d)
	switch {
	case l < r:
		return -1
	case l > r:
		return 1
	}
	return 0
}

// running returns a clock that starts now.
func running() clock {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}
