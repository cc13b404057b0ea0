package ratelimit

import (
	"container/heap"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v4"
)

// shelf holds the buckets of one limit, by key. A bucket that exists is found
// and drawn from without a lock and without allocation.
//
// Memory is bounded in one of two ways. A shelf without most drops full
// buckets, which loses nothing, whenever it has doubled since it last did. A
// shelf with most evicts the least recently used bucket when it would hold
// more: its user starts with a full bucket again, as with Envoy's
// max_dynamic_descriptors.
type shelf struct {
	limit   limit
	most    int // 0: no bound
	now     clock
	buckets *xsync.Map[string, *bucket]

	sweepAt  atomic.Int64 // sweep when so many are held
	sweeping atomic.Bool

	making sync.Mutex // held to add a bucket where most is set; guards order
	order  usage
}

// sweepMin is the number of buckets below which no sweep is worth its time.
const sweepMin = 1024

func newShelf(l limit, most int, now clock) *shelf {
	s := &shelf{limit: l, most: most, now: now, buckets: xsync.NewMap[string, *bucket]()}
	s.sweepAt.Store(sweepMin)
	return s
}

// take takes a token from the bucket of the key, which may be a view of bytes
// that change later.
func (s *shelf) take(key string) Decision {
	for {
		b, found := s.buckets.Load(key)
		if !found {
			b = s.add(strings.Clone(key))
		}
		d, at, ok := b.take(&s.limit, s.now)
		if !ok {
			continue // dropped since it was found
		}
		if s.most > 0 {
			b.used.Store(int64(at))
		}
		return d
	}
}

func (s *shelf) add(key string) *bucket {
	if s.most > 0 {
		return s.addEvicting(key)
	}
	b, found := s.buckets.LoadOrCompute(key, func() (*bucket, bool) { return newBucket(), false })
	if !found && int64(s.buckets.Size()) >= s.sweepAt.Load() {
		s.sweep()
	}
	return b
}

// sweep drops the full buckets. It takes time in proportion to their number,
// and is called once for as many additions.
func (s *shelf) sweep() {
	if !s.sweeping.CompareAndSwap(false, true) {
		return
	}
	defer s.sweeping.Store(false)
	s.buckets.DeleteMatching(func(_ string, b *bucket) (remove, stop bool) {
		return b.drop(&s.limit, s.now), false
	})
	s.sweepAt.Store(max(sweepMin, 2*int64(s.buckets.Size())))
}

func (s *shelf) addEvicting(key string) *bucket {
	s.making.Lock()
	defer s.making.Unlock()
	if b, found := s.buckets.Load(key); found {
		return b
	}
	if len(s.order) >= s.most {
		s.evict()
	}
	b := newBucket()
	b.used.Store(int64(s.now()))
	s.buckets.Store(key, b)
	heap.Push(&s.order, use{key: key, bucket: b, at: b.used.Load()})
	return b
}

// evict removes the least recently used bucket. The heap is ordered by a time
// noted earlier, which the true one can only exceed; so an entry whose noted
// time is still true is the least.
func (s *shelf) evict() {
	for {
		least := &s.order[0]
		if at := least.bucket.used.Load(); at > least.at {
			least.at = at
			heap.Fix(&s.order, 0)
			continue
		}
		s.buckets.Delete(least.key)
		least.bucket.discard()
		heap.Pop(&s.order)
		return
	}
}

// usage is a heap of buckets by when they were noted to be used.
type usage []use

type use struct {
	key    string
	bucket *bucket
	at     int64
}

func (u usage) Len() int           { return len(u) }
func (u usage) Less(i, j int) bool { return u[i].at < u[j].at }
func (u usage) Swap(i, j int)      { u[i], u[j] = u[j], u[i] }
func (u *usage) Push(x any)        { *u = append(*u, x.(use)) }
func (u *usage) Pop() any {
	last := len(*u) - 1
	x := (*u)[last]
	*u = (*u)[:last]
	return x
}
