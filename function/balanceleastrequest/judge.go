package balanceleastrequest

import (
	"fmt"
	"math"
	"time"

	"github.com/taremesh/tare/function"
)

// How often a form without fault may be found guilty, and one that draws evenly
// be let through.
const (
	falseAlarm = 1e-6
	missed     = 1e-2
)

// judge: every request reached one replica, and a replica that certainly had
// more under way than any other was taken no more often than the draws allow.
// The others, which are alike, had alike many.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	at := make([]function.Delivery, len(e.Observations))
	for i, o := range e.Observations {
		if o.Outcome == function.Refused {
			return fmt.Errorf("balance-least-request: request %d was refused: balancing refuses none", i)
		}
		if o.Request == nil {
			return nil // under load nobody looks where they went
		}
		got := e.Reached(i)
		if len(got) != 1 {
			return fmt.Errorf("balance-least-request: request %d reached %v, not one replica", i, function.Replicas(got))
		}
		at[i] = got[0]
	}
	slow, delay := slowest(e.Trial)
	decisions, taken := 0, 0
	var others []int
	for i := range at {
		if at[i].Replica != slow && idle(e, at, i, slow) {
			others = append(others, at[i].Replica)
		}
		if !busiest(e, at, i, slow, delay) {
			continue
		}
		decisions++
		if at[i].Replica == slow {
			taken++
		}
	}
	p := math.Pow(Replicas, -float64(s.choices()))
	bound := 0
	for above(decisions, bound, p) > falseAlarm {
		bound++
	}
	if even := 1 - above(decisions, bound, 1.0/Replicas); even > missed {
		return fmt.Errorf("balance-least-request: replica %d was busy at %d decisions: too few to tell an even draw", slow, decisions)
	}
	if taken > bound {
		return fmt.Errorf("balance-least-request: replica %d, the busiest, was taken at %d of %d decisions: more than %d come once in a million trials", slow, taken, decisions, bound)
	}
	return alike(others)
}

// slowest is the replica whose answers take longest, and how long.
func slowest(t *function.Trial) (slow int, delay time.Duration) {
	for i, r := range t.Replicas {
		if len(r.Answers) > 0 && r.Answers[0].Delay > delay {
			slow, delay = i, r.Answers[0].Delay
		}
	}
	return slow, delay
}

// busiest reports whether the slow replica had certainly more under way than
// any other all the time in which request i was decided: from when it was sent
// to when it arrived.
func busiest(e function.Evidence, at []function.Delivery, i, slow int, delay time.Duration) bool {
	from, to := e.Observations[i].Earliest, at[i].At
	certain := 0
	var possible [Replicas]int
	for k, d := range at {
		switch {
		case k == i:
		case d.Replica == slow && d.At <= from && d.At+delay >= to:
			certain++
		case d.Replica != slow && e.Observations[k].Earliest <= to && e.Observations[k].Latest >= from:
			possible[d.Replica]++
		}
	}
	for r, n := range possible {
		if r != slow && n >= certain {
			return false
		}
	}
	return certain > 0
}

// idle reports whether certainly no request but i was under way at the replicas
// that are alike while i was decided: one that lingers at one of them sends all
// that come meanwhile to the other.
func idle(e function.Evidence, at []function.Delivery, i, slow int) bool {
	from, to := e.Observations[i].Earliest, at[i].At
	for k, d := range at {
		if k != i && d.Replica != slow && e.Observations[k].Earliest <= to && e.Observations[k].Latest >= from {
			return false
		}
	}
	return true
}

// alike holds that two replicas that are alike, and had nothing to do, had alike
// many: they are chosen between as by a coin.
func alike(order []int) error {
	counts := map[int]int{}
	for _, r := range order {
		counts[r]++
	}
	for r, n := range counts {
		if above(len(order), n-1, 1.0/(Replicas-1)) < falseAlarm {
			return fmt.Errorf("balance-least-request: replica %d had %d of the %d requests of those that are alike", r, n, len(order))
		}
	}
	return nil
}

// above is the probability of more than k successes in n draws of probability p.
func above(n, k int, p float64) float64 {
	sum := 0.0
	for i := max(k+1, 0); i <= n; i++ {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}
