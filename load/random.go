package load

import "math/bits"

// What is drawn for one request alone (its size, what its templates say, the
// pause after it) depends on the load's seed and the request's number, and on
// nothing before it: so it is the same however many threads share the load, and
// when a request has to be sent again. The generator is SplitMix64's finalizer
// over a counter (G. L. Steele Jr., D. Lea & C. H. Flood, "Fast splittable
// pseudorandom number generators", OOPSLA 2014).

// The streams of what is drawn by number. They are apart from each other and
// from those of schedule.go.
const (
	sizeStream     = 0xa0761d6478bd642f
	thinkStream    = 0xe7037ed1a0b428db
	templateStream = 0x8ebc6af09c88c6e3
)

const golden = 0x9e3779b97f4a7c15 // 2⁶⁴ ÷ the golden ratio, odd

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// streamKey is where a stream of a seed begins.
func streamKey(seed, stream uint64) uint64 { return mix(mix(seed+golden) ^ stream) }

// at is the n-th number of a stream.
func at(key, n uint64) uint64 { return mix(key + (n+1)*golden) }

// unitFloat is a number in (0, 1).
func unitFloat(x uint64) float64 { return (float64(x>>11) + 0.5) / (1 << 53) }

// below is a number in [0, n), every one as likely but for n in 2⁶⁴.
func below(x, n uint64) uint64 {
	high, _ := bits.Mul64(x, n)
	return high
}
