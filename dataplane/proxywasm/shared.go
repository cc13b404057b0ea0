package proxywasm

import (
	"math"
	"sync"
)

// Shared is what guests share across instances and plugins: data by VM id and
// key, and queues. It is safe for concurrent use, and outlives its plugins.
type Shared struct {
	limits SharedLimits

	mu     sync.Mutex
	spaces map[string]*space
	names  map[queueName]uint32
	queues map[uint32]*queue
	last   uint32 // the id of the queue made last
	queued int    // bytes that wait in all queues
}

// SharedLimits bound what is shared. A guest that would go beyond them is
// answered "internal failure".
type SharedLimits struct {
	// Bytes is the most of one VM id's data, and of all queues, keys included.
	// 0: 64 MiB.
	Bytes int
	// Keys is the most keys of one VM id. 0: 1,000,000.
	Keys int
	// Queues is the most queues. 0: 1,000.
	Queues int
	// Items is the most items that wait in one queue. 0: 10,000.
	Items int
}

// NewShared makes an empty store; zero limits take their defaults.
func NewShared(l SharedLimits) *Shared {
	return &Shared{
		limits: SharedLimits{
			Bytes:  positive(l.Bytes, 64<<20),
			Keys:   positive(l.Keys, 1_000_000),
			Queues: positive(l.Queues, 1000),
			Items:  positive(l.Items, 10_000),
		},
		spaces: map[string]*space{},
		names:  map[queueName]uint32{},
		queues: map[uint32]*queue{},
	}
}

// space is the data of one VM id.
type space struct {
	limits SharedLimits

	mu     sync.Mutex
	values map[string]*value
	bytes  int
	cas    uint32 // of the value written last
}

// value is replaced under the lock of its space, and its memory used again.
type value struct {
	data []byte
	cas  uint32
}

func (s *Shared) space(vm string) *space {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp, ok := s.spaces[vm]
	if !ok {
		sp = &space{limits: s.limits, values: map[string]*value{}}
		s.spaces[vm] = sp
	}
	return sp
}

// get appends a value to a buffer, and says where the value is; nil: there is
// none. The number it returns changes with every write; it is never 0.
func (s *space) get(to, key []byte) (data []byte, cas uint32, v *value) {
	s.mu.Lock()
	if v = s.values[string(key)]; v != nil {
		to, cas = append(to, v.data...), v.cas
	}
	s.mu.Unlock()
	return to, cas, v
}

// set writes a value. A cas that is not 0 must be the one of the value that is
// there; where there is none, any will do, as in Envoy. A value stays where it
// is for ever: who knows where need not have it looked for again.
func (s *space) set(key, data []byte, cas uint32, known *value) status {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := known, known != nil
	if !ok {
		v, ok = s.values[string(key)]
	}
	switch {
	case ok && cas != 0 && cas != v.cas:
		return statusCASMismatch
	case ok && s.bytes+len(data)-len(v.data) > s.limits.Bytes:
		return statusInternalFailure
	case !ok && (s.bytes+len(data)+len(key) > s.limits.Bytes || len(s.values) >= s.limits.Keys):
		return statusInternalFailure
	}
	if !ok {
		v = new(value)
		s.values[string(key)] = v
		s.bytes += len(key)
	}
	s.bytes += len(data) - len(v.data)
	if cap(v.data) > 2*len(data)+64 {
		v.data = nil // do not hold on to what a long value needed
	}
	v.data = append(v.data[:0], data...)
	v.cas = s.next()
	return statusOK
}

// next is a number that no value has had for long. Guests may take 0 and the
// highest for "no value": these are left out.
func (s *space) next() uint32 {
	s.cas++
	if s.cas == math.MaxUint32 {
		s.cas = 1
	}
	return s.cas
}
