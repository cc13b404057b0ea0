package balanceroundrobin

import (
	"fmt"

	"github.com/taremesh/tare/function"
)

// judge: every request reached one replica, in turn. Without weights the order is
// exact where requests came one after the other, and the counts are exact
// where they did not. With weights each has as many of any requests in a row,
// as many as the weights' sum, as its weight says, give or take one.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	var order []int
	abreast := false
	for i, o := range e.Observations {
		if o.Outcome == function.Refused {
			return fmt.Errorf("balance-round-robin: request %d was refused: balancing refuses none", i)
		}
		if o.Request == nil {
			continue // under load nobody looks where it went
		}
		got := e.Reached(i)
		if len(got) != 1 {
			return fmt.Errorf("balance-round-robin: request %d reached %v, not one replica", i, function.Replicas(got))
		}
		order = append(order, got[0].Replica)
		abreast = abreast || i > 0 && o.Earliest < e.Observations[i-1].Latest
	}
	if err := s.counts(order); err != nil {
		return fmt.Errorf("balance-round-robin: %w", err)
	}
	if abreast {
		return nil
	}
	if s.alike() {
		return inTurn(order)
	}
	return s.windows(order)
}

// counts holds the whole: within one of each replica's share, or with weights
// within two, since the first and the last turn may be cut.
func (s Spec) counts(order []int) error {
	off := 2.0
	if s.alike() {
		off = 1
	}
	var n [Replicas]int
	sum := 0
	for _, r := range order {
		if r >= Replicas {
			return fmt.Errorf("replica %d: there are %d", r, Replicas)
		}
		n[r]++
	}
	for i := range n {
		sum += s.weight(i)
	}
	for i := range n {
		want := float64(len(order)*s.weight(i)) / float64(sum)
		if d := float64(n[i]) - want; d <= -off || d >= off {
			return fmt.Errorf("replica %d had %d of %d requests, want %.1f, nearer than %.0f", i, n[i], len(order), want, off)
		}
	}
	return nil
}

// inTurn holds that any so many requests in a row as there are replicas reach
// all of them, always in the same order.
func inTurn(order []int) error {
	for i := 1; i < len(order); i++ {
		for back := 1; back < Replicas && back <= i; back++ {
			if order[i-back] == order[i] {
				return fmt.Errorf("balance-round-robin: requests %d and %d both reached replica %d", i-back, i, order[i])
			}
		}
		if i >= Replicas && order[i-Replicas] != order[i] {
			return fmt.Errorf("balance-round-robin: request %d reached replica %d out of turn", i, order[i])
		}
	}
	return nil
}

// windows holds every so many requests in a row as the weights' sum.
func (s Spec) windows(order []int) error {
	sum := 0
	for i := range Replicas {
		sum += s.weight(i)
	}
	for from := 0; from+sum <= len(order); from++ {
		var n [Replicas]int
		for _, r := range order[from : from+sum] {
			n[r]++
		}
		for i := range n {
			if d := n[i] - s.weight(i); d < -1 || d > 1 {
				return fmt.Errorf("balance-round-robin: of the requests from %d to %d replica %d had %d, its weight is %d of %d", from, from+sum-1, i, n[i], s.weight(i), sum)
			}
		}
	}
	return nil
}
