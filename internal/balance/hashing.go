package balance

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Hash is the one that keys of requests are hashed with.
func Hash(key []byte) uint64 { return xxhash.Sum64(key) }

// ring has points of every host, and a request goes to the first point at or
// after its hash (ketama). It has the points that Envoy's has.
type ring []point

type point struct {
	hash uint64
	host *Host
}

// newRing gives each host points by its weight: so many that the lightest has
// whole ones, and at least the smallest size of all together, but never more
// than the largest.
func newRing(size Ring, shares []share) picker {
	if len(shares) == 0 {
		return nil
	}
	least := 1.0
	for _, s := range shares {
		least = min(least, s.part)
	}
	scale := min(math.Ceil(least*float64(size.Min))/least, float64(size.Max))
	sum := xxhash.Sum64
	if size.Murmur {
		sum = murmur
	}
	r := make(ring, 0, int(math.Ceil(scale)))
	have, want := 0.0, 0.0
	var key []byte
	for _, s := range shares {
		want += scale * s.part
		for i := 0; have < want; i++ {
			key = append(append(key[:0], s.host.Addr...), '_')
			key = strconv.AppendInt(key, int64(i), 10)
			r = append(r, point{sum(key), s.host})
			have++
		}
	}
	slices.SortFunc(r, func(a, b point) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		return strings.Compare(a.host.Addr, b.host.Addr)
	})
	return r
}

func (r ring) pick(hash uint64, attempt int) *Host {
	low, high := 0, len(r)
	for low < high {
		if mid := int(uint(low+high) >> 1); r[mid].hash < hash {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return r[(low+attempt)%len(r)].host
}

// maglev is the table of Maglev: every host fills places in an order of its
// own, in turn, so that all have alike many and few change when one leaves.
// (Eisenbud and others, "Maglev", NSDI 2016, section 3.4; with weights as Envoy
// has them.)
type maglev []*Host

func newMaglev(size int, shares []share) picker {
	if len(shares) == 0 {
		return nil
	}
	// The table is not to depend on the order of the configuration.
	shares = slices.SortedFunc(slices.Values(shares), func(a, b share) int { return strings.Compare(a.host.Addr, b.host.Addr) })
	most := 0.0
	for _, s := range shares {
		most = max(most, s.part)
	}
	n := uint64(size)
	type filler struct {
		host               *Host
		offset, skip, next uint64
		part, due          float64
	}
	fillers := make([]filler, len(shares))
	for i, s := range shares {
		seeded := xxhash.NewWithSeed(1)
		_, _ = seeded.WriteString(s.host.Addr) // it never fails
		fillers[i] = filler{host: s.host, offset: xxhash.Sum64String(s.host.Addr) % n, skip: seeded.Sum64()%(n-1) + 1, part: s.part}
	}
	table := make(maglev, size)
	filled := 0
	for round := 1.0; ; round++ {
		for i := range fillers {
			f := &fillers[i]
			if round*f.part < f.due {
				continue
			}
			f.due += most
			at := (f.offset + f.skip*f.next) % n
			for table[at] != nil {
				f.next++
				at = (f.offset + f.skip*f.next) % n
			}
			table[at] = f.host
			f.next++
			if filled++; filled == size {
				return table
			}
		}
	}
}

func (m maglev) pick(hash uint64, attempt int) *Host {
	if attempt > 0 {
		hash ^= ^uint64(attempt - 1)
	}
	return m[hash%uint64(len(m))]
}

// murmur is MurmurHash64A with the seed of the C++ library's std::hash, as
// Envoy uses it.
func murmur(b []byte) uint64 {
	const (
		m    = 0xc6a4a7935bd1e995
		seed = 0xc70f6907
	)
	mix := func(k uint64) uint64 {
		k *= m
		return (k ^ k>>47) * m
	}
	h := uint64(seed) ^ uint64(len(b))*m
	for ; len(b) >= 8; b = b[8:] {
		h = (h ^ mix(binary.LittleEndian.Uint64(b))) * m
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		h = (h ^ binary.LittleEndian.Uint64(tail[:])) * m
	}
	h = (h ^ h>>47) * m
	return h ^ h>>47
}
