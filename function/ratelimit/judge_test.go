package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/function"
)

// history runs the model at exact times and returns what an observer sees of
// it: intervals that hold the times, and some answers lost.
func history(r *rand.Rand, s Spec, requests int, blur time.Duration, lost float64) function.Evidence {
	m := newModel(s)
	callers := []function.Caller{{User: "u", Subscription: "A"}, {User: "v", Subscription: "A"}, {User: "u", Subscription: "B"}, {User: "w", Subscription: "none"}}
	var e function.Evidence
	at := time.Duration(0)
	for range requests {
		c := callers[r.IntN(len(callers))]
		path := []string{"/p", "/q", "/free"}[r.IntN(3)]
		_, rate := s.account(path, c)
		at += gap(r, rate) / 16
		allowed, _, _ := m.decide(at, path, c)
		o := function.Observation{Earliest: at, Latest: at, Path: path, Caller: c, Outcome: function.Refused}
		if blur > 0 {
			o.Earliest = max(0, at-time.Duration(r.Int64N(int64(blur))))
			o.Latest = at + time.Duration(r.Int64N(int64(blur)))
		}
		if allowed {
			o.Outcome = function.Allowed
			e.Served++
		}
		if r.Float64() < lost {
			o.Outcome = function.Unknown
			o.Latest += time.Hour // nobody knows
		}
		e.Observations = append(e.Observations, o)
	}
	slices.SortFunc(e.Observations, func(a, b function.Observation) int { return int(a.Earliest - b.Earliest) })
	return e
}

// TestJudgeNeverAccusesTheModel: whatever is not known of a correct history,
// it is not called wrong.
func TestJudgeNeverAccusesTheModel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	blurs := []time.Duration{0, time.Nanosecond, time.Millisecond, time.Second, time.Minute}
	for i := range 6000 {
		s := randomSpec(r)
		e := history(r, s, 1+r.IntN(120), blurs[i%len(blurs)], []float64{0, 0.1}[i%2])
		if err := judge(s, e); err != nil {
			t.Fatalf("history %d of %v: %v", i, s.Limits, err)
		}
	}
}

// TestJudgeOfExactTimesIsTheModel: where times are known exactly, the judge
// finds every single wrong decision.
func TestJudgeOfExactTimesIsTheModel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 6))
	flipped := map[function.Outcome]int{}
	for range 4000 {
		s := randomSpec(r)
		e := history(r, s, 60, 0, 0)
		i := r.IntN(len(e.Observations))
		o := &e.Observations[i]
		if !s.limited(o.Path) || simultaneous(e.Observations, i) {
			continue
		}
		flipped[o.Outcome]++
		was := o.Outcome
		if o.Outcome = function.Refused; was == function.Refused {
			o.Outcome = function.Allowed
		}
		e.Served = -1
		if judge(s, e) == nil {
			t.Fatalf("request %d at %v was %v by the model: the judge takes %v as well", i, o.Earliest, was, o.Outcome)
		}
	}
	if flipped[function.Allowed] < 500 || flipped[function.Refused] < 500 {
		t.Fatalf("too few of one kind: %v", flipped)
	}
}

// simultaneous reports whether another request of the same account came at the
// same time: which of them was refused is then open.
func simultaneous(all []function.Observation, i int) bool {
	for j, o := range all {
		if j != i && o.Earliest == all[i].Earliest && o.Caller == all[i].Caller && o.Path == all[i].Path {
			return true
		}
	}
	return false
}

// TestJudgeAgainstBruteForce compares both conditions with their definitions,
// tried at every pair of times.
func TestJudgeAgainstBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 7))
	found := map[string]int{}
	for range 20_000 {
		limit, err := newLimit(1+r.Int64N(3), 1+r.Int64N(3), time.Duration(1+r.IntN(5)))
		if err != nil {
			t.Fatal(err)
		}
		l := &ledger{limit: limit}
		draw := func(n int) (spans []span) {
			for range r.IntN(n) {
				from := r.Int64N(20)
				spans = append(spans, span{from, from + r.Int64N(4)})
			}
			return spans
		}
		l.allowed, l.unknown, l.refused = draw(10), draw(3), draw(4)
		over, unjust := bruteOverdraft(l), bruteUnjust(l)
		found[fmt.Sprint(over, unjust)]++
		if got := l.overdraft() != nil; got != over {
			t.Fatalf("overdraft of %+v: %v, by definition %v", l, got, over)
		}
		if got := l.unjust() != nil; got != unjust {
			t.Fatalf("unjust of %+v: %v, by definition %v", l, got, unjust)
		}
	}
	if len(found) != 4 {
		t.Fatalf("not every case came up: %v", found)
	}
}

func bruteOverdraft(l *ledger) bool {
	for from := range int64(25) {
		for to := from; to < 25; to++ {
			k := int64(0)
			for _, s := range l.allowed {
				if s.from >= from && s.to <= to {
					k++
				}
			}
			if k*l.limit.token > l.limit.full+l.limit.gain*(to-from) {
				return true
			}
		}
	}
	return false
}

func bruteUnjust(l *ledger) bool {
	return slices.ContainsFunc(l.refused, func(r span) bool {
		for x := r.from; x <= r.to; x++ {
			for s := range x + 1 {
				k := int64(0)
				for _, o := range slices.Concat(l.allowed, l.unknown) {
					if o.from <= x && o.to >= s {
						k++
					}
				}
				if l.limit.full+l.limit.gain*(x-s)-k*l.limit.token < l.limit.token {
					return false
				}
			}
		}
		return true
	})
}

func TestJudgeCounts(t *testing.T) {
	s := DefaultSpec()
	c := function.Caller{User: "u", Subscription: "Personal"}
	at := func(ms int, path string, o function.Outcome) function.Observation {
		t := time.Duration(ms) * time.Millisecond
		return function.Observation{Earliest: t, Latest: t + time.Millisecond, Path: path, Caller: c, Outcome: o}
	}
	cases := []struct {
		name   string
		seen   []function.Observation
		served int
		ok     bool
	}{
		{"nothing", nil, 0, true},
		{"no counter", []function.Observation{at(1, "/pull", function.Allowed)}, -1, true},
		{"served", []function.Observation{at(1, "/pull", function.Allowed)}, 1, true},
		{"answered 200 itself", []function.Observation{at(1, "/pull", function.Allowed)}, 0, false},
		{"served what it refused", []function.Observation{at(1, "/pull", function.Allowed)}, 2, false},
		{"lost answer, served", []function.Observation{at(1, "/pull", function.Unknown)}, 1, true},
		{"lost answer, not served", []function.Observation{at(1, "/pull", function.Unknown)}, 0, true},
		{"free path refused", []function.Observation{at(1, "/free", function.Refused)}, 0, false},
		{"fresh user refused", []function.Observation{at(1, "/pull", function.Refused)}, 0, false},
		{"ends before it begins", []function.Observation{{Earliest: 2, Latest: 1, Path: "/pull", Caller: c}}, -1, false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if err := judge(s, function.Evidence{Observations: tc.seen, Served: tc.served}); (err == nil) != tc.ok {
				t.Errorf("judge says %v", err)
			}
		})
	}
}

func TestForecast(t *testing.T) {
	s := DefaultSpec()
	u, v := function.Caller{User: "u", Subscription: "Personal"}, function.Caller{User: "v", Subscription: "Team"}
	var arrivals []function.Arrival
	for i := range 12 {
		arrivals = append(arrivals, function.Arrival{At: time.Duration(i) * time.Second, Path: "/pull", Caller: u},
			function.Arrival{At: time.Duration(i) * time.Second, Path: "/pull", Caller: v},
			function.Arrival{At: time.Duration(i) * time.Second, Path: "/free", Caller: u})
	}
	// In 11 s u gains 11/6 tokens: 11.83 in all for 12 requests.
	f, err := forecast(s, arrivals)
	if err != nil {
		t.Fatal(err)
	}
	if f.Refused != 1 || f.Callers != 2 || f.Who != u || f.Lowest < 0.06 || f.Lowest > 0.07 {
		t.Errorf("forecast %+v: want one refusal, u at 4/60 of its allowance, two buckets", f)
	}
	if f, err := forecast(s, nil); err != nil || f != (function.Forecast{Lowest: 1}) {
		t.Errorf("of nothing: %+v, %v", f, err)
	}
	arrivals[0].At = time.Hour
	if _, err := forecast(s, arrivals); err == nil {
		t.Error("takes arrivals out of order")
	}
}

func BenchmarkForecast(b *testing.B) {
	arrivals := make([]function.Arrival, 30_000)
	for i := range arrivals {
		arrivals[i] = function.Arrival{At: time.Duration(i) * 300 * time.Microsecond, Path: "/pull",
			Caller: function.Caller{User: fmt.Sprint("user-", i*7919%2000), Subscription: []string{"Personal", "Team", "Enterprise"}[i%3]}}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := forecast(DefaultSpec(), arrivals); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	s := DefaultSpec()
	s.Limits["A"], s.Limits["B"] = s.Limits["Team"], s.Limits["Enterprise"]
	s.Paths = []string{"/p", "/q"}
	e := history(rand.New(rand.NewPCG(3, 8)), s, 20_000, 2*time.Millisecond, 0.01)
	for b.Loop() {
		if err := judge(s, e); err != nil {
			b.Fatal(err)
		}
	}
}
