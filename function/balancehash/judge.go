package balancehash

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// The bounds: how far a replica's part of the keys may be from an even one, as
// a part of that and beyond what chance does to few keys, and how many keys of
// replicas that stay may move when another one leaves. Rings of Envoy's least
// size are uneven.
var bounds = map[string]struct{ uneven, moved float64 }{
	Ring:   {uneven: .35, moved: .30},
	Maglev: {uneven: .05, moved: .15},
}

// judge: every request reached one replica, that of its key; keys are spread;
// after a change few keys have moved that had no need to.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	var before map[string]int
	now, next := map[string]int{}, 0
	for i, o := range e.Observations {
		if o.Outcome == function.Refused {
			return fmt.Errorf("balance-hash: request %d was refused: balancing refuses none", i)
		}
		if o.Request == nil {
			continue // under load nobody looks where it went
		}
		got := e.Reached(i)
		if len(got) != 1 {
			return fmt.Errorf("balance-hash: request %d reached %v, not one replica", i, function.Replicas(got))
		}
		if next < len(e.Changes) && o.Latest > e.Changes[next].Asked {
			if o.Earliest < e.Changes[next].Taken {
				continue // it may have been before or after
			}
			if err := s.even(now); err != nil {
				return err
			}
			if s, err = changed(e.Changes[next]); err != nil {
				return err
			}
			before, now, next = now, map[string]int{}, next+1
		}
		replica := got[0].Replica
		if !s.stays(replica) {
			return fmt.Errorf("balance-hash: request %d reached replica %d, which is left out", i, replica)
		}
		key := s.key(o.Request)
		if key == "" {
			continue
		}
		if was, ok := now[key]; ok && was != replica {
			return fmt.Errorf("balance-hash: request %d for key %s reached replica %d, and one before it replica %d", i, key, replica, was)
		}
		now[key] = replica
	}
	if err := s.even(now); err != nil {
		return err
	}
	return s.moved(before, now)
}

func changed(c function.Change) (Spec, error) {
	p, err := study.JSONParams("change", []byte(c.Params))
	if err != nil {
		return Spec{}, fmt.Errorf("balance-hash: %w", err)
	}
	to, err := Decode(p)
	if err != nil {
		return Spec{}, err
	}
	return function.SpecAs[Spec](to)
}

// key is what the request is hashed by; empty: nothing.
func (s Spec) key(m *function.Message) string {
	h := http.Request{Header: m.Header}
	switch {
	case s.Header != "":
		return m.Header.Get(s.Header)
	case s.Cookie != "":
		if c, err := h.Cookie(s.Cookie); err == nil {
			return c.Value
		}
		return ""
	}
	_, query, _ := strings.Cut(m.Target, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	return values.Get(s.Query)
}

// fewestKeys is how many are needed to say how even they are.
const fewestKeys = 100

func (s Spec) even(keys map[string]int) error {
	if len(keys) < fewestKeys {
		return nil
	}
	var n [Replicas]int
	for _, r := range keys {
		n[r]++
	}
	part := float64(len(keys)) / float64(Replicas-len(s.Without))
	for r, k := range n {
		// Five deviations of a key drawn for a replica or for another one.
		if off := bounds[s.Table].uneven*part + 5*math.Sqrt(part); s.stays(r) && math.Abs(float64(k)-part) > off {
			return fmt.Errorf("balance-hash: replica %d has %d of %d keys, and an even part is %.0f", r, k, len(keys), part)
		}
	}
	return nil
}

// moved holds the keys of replicas that are there before and after.
func (s Spec) moved(before, now map[string]int) error {
	stayed, moved := 0, 0
	for key, was := range before {
		is, asked := now[key]
		if !asked || !s.stays(was) {
			continue
		}
		stayed++
		if is != was {
			moved++
		}
	}
	if float64(moved) > bounds[s.Table].moved*float64(stayed) {
		return fmt.Errorf("balance-hash: %d of %d keys moved whose replica is still there", moved, stayed)
	}
	return nil
}
