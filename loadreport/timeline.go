package loadreport

import (
	"math"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
)

// A timeline has at most so many slots: when a load lasts longer, two become one.
const mostSlots = 128

// firstSlot is how long a slot is at first.
const firstSlot = 10 * time.Millisecond

// Times are counted in bins of equal ratio, four to a doubling, from 1/4 µs to
// beyond an hour.
const (
	binsPerDoubling = 4
	bins            = 36 * binsPerDoubling
	lowestBin       = 0.25 // µs
)

// binOf is the bin of a time in µs.
func binOf(us float64) int {
	if !(us > lowestBin) {
		return 0
	}
	return min(int(math.Log2(us/lowestBin)*binsPerDoubling), bins-1)
}

// binLow is the time, in µs, at which a bin begins.
func binLow(k int) float64 { return lowestBin * math.Exp2(float64(k)/binsPerDoubling) }

// slot is a stretch of the load, by intended times.
type slot struct {
	requests int
	classes  [load.Classes]int
	latency  [bins]uint32
	late     [bins]uint32
	latest   float64 // greatest lateness, µs
}

func (s *slot) add(o *slot) {
	s.requests += o.requests
	for i, n := range o.classes {
		s.classes[i] += n
	}
	for i := range s.latency {
		s.latency[i] += o.latency[i]
		s.late[i] += o.late[i]
	}
	s.latest = max(s.latest, o.latest)
}

func (s *slot) errors() int { return s.requests - s.classes[load.OK] }

// timeline counts a load over its time, in bounded memory.
type timeline struct {
	origin time.Duration
	width  time.Duration
	slots  []slot
}

// at is the slot of an intended time.
func (t *timeline) at(intended time.Duration) *slot {
	if t.slots == nil {
		t.origin, t.width, t.slots = intended, firstSlot, make([]slot, 0, mostSlots)
	}
	k := int(max(intended-t.origin, 0) / t.width)
	for k >= mostSlots {
		t.halve()
		k /= 2
	}
	for len(t.slots) <= k {
		t.slots = append(t.slots, slot{})
	}
	return &t.slots[k]
}

// halve makes one slot of each two.
func (t *timeline) halve() {
	half := (len(t.slots) + 1) / 2
	for i := range half {
		merged := t.slots[2*i]
		if 2*i+1 < len(t.slots) {
			merged.add(&t.slots[2*i+1])
		}
		t.slots[i] = merged
	}
	t.slots = t.slots[:half]
	t.width *= 2
}

// batches is how many stretches the spread of a quantile is taken from.
const batches = 32

// inflation is by how much more the requests above the quantile q, a time in µs,
// vary from one stretch of the load to the next than independent ones would. Only
// bins are known, so they are counted from the edge of the time's bin that leaves
// a share nearer to 1−q above it. Counts gives the bins of a slot.
func (t *timeline) inflation(q, us float64, counts func(*slot) *[bins]uint32) float64 {
	per := max(1, len(t.slots)/batches)
	edge := binOf(us)
	var beyond, from, of []int
	for i := range t.slots {
		if i%per == 0 {
			beyond, from, of = append(beyond, 0), append(from, 0), append(of, 0)
		}
		last := len(of) - 1
		for k, n := range counts(&t.slots[i]) {
			of[last] += int(n)
			if k >= edge {
				from[last] += int(n)
			}
			if k > edge {
				beyond[last] += int(n)
			}
		}
	}
	off := func(events []int) float64 { return math.Abs(float64(sum(events)) - (1-q)*float64(sum(of))) }
	if off(from) < off(beyond) {
		beyond = from
	}
	return stat.Overdispersion(beyond, of)
}

func sum(xs []int) int {
	n := 0
	for _, x := range xs {
		n += x
	}
	return n
}

func latencyBins(s *slot) *[bins]uint32 { return &s.latency }
func lateBins(s *slot) *[bins]uint32    { return &s.late }

// quantile is about the q-th part of what a slot counted, in µs: the middle of its
// bin. Nothing counted gives NaN.
func quantile(counts *[bins]uint32, q float64) float64 {
	n := 0
	for _, c := range counts {
		n += int(c)
	}
	if n == 0 {
		return math.NaN()
	}
	rank, seen := int(q*float64(n-1)), 0
	for k, c := range counts {
		if seen += int(c); seen > rank {
			return binLow(k) * math.Exp2(0.5/binsPerDoubling)
		}
	}
	return binLow(bins)
}
