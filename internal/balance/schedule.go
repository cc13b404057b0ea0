package balance

import (
	"math/rand/v2"
	"sync"
)

// schedule gives turns by weights: who has weight w is next again 1/w later,
// and the earliest deadline is first (EDF); of equals, who has waited longest.
type schedule struct {
	weight func(int) float64

	mu    sync.Mutex
	now   float64
	order uint64
	queue []turn // a heap
}

type turn struct {
	who      int
	deadline float64
	order    uint64
}

func (t turn) before(o turn) bool {
	return t.deadline < o.deadline || t.deadline == o.deadline && t.order < o.order
}

// newSchedule makes one for who is 0 to n-1. It begins anywhere, so that many
// proxies do not begin with the same one.
func newSchedule(n int, weight func(int) float64) *schedule {
	s := &schedule{weight: weight, queue: make([]turn, 0, n)}
	for i := range n {
		s.add(i)
	}
	for range rand.IntN(n) {
		s.next()
	}
	return s
}

// next is whose turn it is.
func (s *schedule) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.queue[0]
	s.now = first.deadline
	last := len(s.queue) - 1
	s.queue[0] = s.queue[last]
	s.queue = s.queue[:last]
	s.sink()
	s.add(first.who)
	return first.who
}

func (s *schedule) add(who int) {
	s.queue = append(s.queue, turn{who, s.now + 1/s.weight(who), s.order})
	s.order++
	for i := len(s.queue) - 1; i > 0; {
		up := (i - 1) / 2
		if !s.queue[i].before(s.queue[up]) {
			return
		}
		s.queue[i], s.queue[up] = s.queue[up], s.queue[i]
		i = up
	}
}

// sink moves the first turn to where it belongs.
func (s *schedule) sink() {
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < len(s.queue) && s.queue[down].before(s.queue[least]) {
				least = down
			}
		}
		if least == i {
			return
		}
		s.queue[i], s.queue[least] = s.queue[least], s.queue[i]
		i = least
	}
}
