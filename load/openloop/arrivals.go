package openloop

import (
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/taremesh/tare/load"
)

const (
	// chunkSamples arrivals are kept, handed on and given back together.
	chunkSamples = 1 << 14
	// maxChunks of one thread can be under way at the same time. A place is an
	// arrival's number modulo all their places.
	maxChunks = 1 << 11
	maxPlaces = maxChunks * chunkSamples
	pageBytes = 4096
)

// The classes of samples that never leave the engine.
const (
	pending = load.Class(255) // the outcome is not known yet
	moved   = load.Class(254) // the arrival has got another place
)

// never is a time that never came.
const never = time.Duration(-1)

// noArrival is an intended time that is never reached.
const noArrival = time.Duration(math.MaxInt64)

// chunk is a piece of a thread's arrivals, in the order in which they were
// taken up.
type chunk struct {
	samples [chunkSamples]load.Sample
	links   [chunkSamples]int32 // the next in a pool's line, or onSlot
	until   time.Duration       // later chunks hold no arrival taken up before
	used    int                 // of the samples, once it is handed on
	below   *chunk              // in a stack
}

// touch brings memory for the first n samples in, so that it does not come
// piece by piece while a load runs.
func (c *chunk) touch(n int) {
	const step = pageBytes / 64
	for i := 0; i < n; i += step {
		c.samples[i].User, c.links[i] = 0, none
	}
}

// stack hands chunks from one goroutine to another; neither ever waits.
type stack struct{ top atomic.Pointer[chunk] }

func (s *stack) push(c *chunk) {
	for {
		c.below = s.top.Load()
		if s.top.CompareAndSwap(c.below, c) {
			return
		}
	}
}

// takeAll returns the last that was pushed, with the others below it.
func (s *stack) takeAll() *chunk { return s.top.Swap(nil) }

// arrivals are what a thread has taken up: chunks whose arrivals are all
// settled leave, in order, and come back empty. So the memory follows the
// requests that are under way, not the length of the load.
type arrivals struct {
	chunks [maxChunks]*chunk // by place; nil: not in use
	next   int               // how many arrivals were taken up
	oldest int               // no arrival before it is pending
	handed int               // chunks handed on
	spare  *chunk            // at hand

	full     stack        // handed on, for the collector
	returned stack        // empty, from the collector
	free     atomic.Int32 // how many are empty: at hand, or returned
}

func placeOf(number int) int32 { return int32(uint(number) % maxPlaces) }

// sample is an arrival's. It is the one way to it while a load runs.
func (a *arrivals) sample(place int32) *load.Sample {
	return &a.chunks[uint32(place)/chunkSamples%maxChunks].samples[uint32(place)%chunkSamples]
}

// link is where an arrival is: see chunk.
func (a *arrivals) link(place int32) *int32 {
	return &a.chunks[uint32(place)/chunkSamples%maxChunks].links[uint32(place)%chunkSamples]
}

// errTooMany ends a load that would take the machine's memory.
var errTooMany = errors.New("more than 33,554,432 requests of one thread wait for their outcome at once: lower the rate or the timeout")

// place gives an arrival its place.
func (a *arrivals) place(s load.Sample) (int32, error) {
	place := placeOf(a.next)
	if place%chunkSamples == 0 {
		i := a.next / chunkSamples
		if a.chunks[i%maxChunks] != nil {
			return none, errTooMany
		}
		a.chunks[i%maxChunks] = a.empty()
		if i > a.handed {
			a.chunks[(i-1)%maxChunks].until = s.Intended
		}
	}
	*a.sample(place) = s
	a.next++
	return place, nil
}

// empty is a chunk to fill.
func (a *arrivals) empty() *chunk {
	if a.spare == nil {
		a.spare = a.returned.takeAll()
	}
	if a.spare == nil {
		return new(chunk) // the collector was not quick enough
	}
	c := a.spare
	a.spare = c.below
	a.free.Add(-1)
	return c
}

// giveBack takes an empty chunk from the collector.
func (a *arrivals) giveBack(c *chunk) {
	a.free.Add(1)
	a.returned.push(c)
}

// passOldest says that the oldest arrival is settled. When it was its chunk's
// last, the chunk leaves.
func (a *arrivals) passOldest(now time.Duration) {
	if a.oldest++; a.oldest%chunkSamples == 0 {
		if a.oldest == a.next {
			a.chunks[a.handed%maxChunks].until = now
		}
		a.give(chunkSamples)
	}
}

// give hands on the chunk whose turn it is.
func (a *arrivals) give(used int) {
	i := a.handed % maxChunks
	c := a.chunks[i]
	c.used = used
	a.chunks[i] = nil
	a.handed++
	a.full.push(c)
}

// end gives away all that is left, and begins anew.
func (a *arrivals) end() {
	for left := a.next - a.handed*chunkSamples; left > 0; left -= chunkSamples {
		if left <= chunkSamples {
			a.chunks[a.handed%maxChunks].until = noArrival
		}
		a.give(min(left, chunkSamples))
	}
	a.next, a.oldest, a.handed = 0, 0, 0
}

// reserve sees to memory for so many arrivals before a load begins.
func (a *arrivals) reserve(n int) {
	for c := a.returned.takeAll(); c != nil; {
		below := c.below
		c.below, a.spare = a.spare, c
		c = below
	}
	have := 0
	for c := a.spare; c != nil; c = c.below {
		have += chunkSamples
	}
	for ; have < n; have += chunkSamples {
		c := new(chunk)
		c.touch(min(n-have, chunkSamples))
		c.below, a.spare = a.spare, c
	}
	a.free.Store(int32(have / chunkSamples))
}
