package stat

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// Method says how a critical value was found.
type Method string

const (
	// MethodT is Student's t: a single comparison needs no correction.
	MethodT Method = "t"
	// MethodBonferroni is Student's t at level 1 − α/m for m comparisons.
	MethodBonferroni Method = "bonferroni-t"
	// MethodMaxT is max-|t| by sign flips of whole blocks.
	MethodMaxT Method = "max-t"
	// MethodNone: no series has any spread, so there is no critical value.
	MethodNone Method = "none"
)

// Multiplicity says how a family of intervals was made simultaneous.
type Multiplicity struct {
	Method      Method
	Level       float64 // that all intervals of the family hold together
	Comparisons int
	Blocks      int
	Flips       int     // sign flips looked at, 0 if none were
	Critical    float64 // half-width of each interval in standard errors
	Constant    []int   // the series without spread, left out of the rest
}

const (
	minFlipBlocks  = 10     // fewer blocks have too few flips: Bonferroni
	maxExactBlocks = 14     // up to here all flips are looked at
	randomFlips    = 20_000 // beyond, so many are drawn
	minTailFlips   = 20     // flips that must lie beyond the critical value
)

// Simultaneous gives intervals that hold together at the level for several
// series of block differences: ds[j][b] is comparison j in block b, all series
// over the same blocks. Each is mean ± critical·sd/√n with one critical value.
//
// From 10 blocks on it is the level quantile of max over j of |t_j| when the
// signs of whole blocks are flipped (which keeps the correlation of the
// comparisons) in the differences centred by their means, each flip studentised
// anew: all 2ⁿ flips up to 14 blocks, else 20,000 drawn from the seed. It is
// never less than Student's t for one comparison. Below 10 blocks, and where
// fewer than 20 flips lie beyond the quantile, it is Bonferroni's.
//
// Centring takes a degree of freedom, but studentising each flip gives it back:
// the family covers 95 % at 10 blocks as at 20 (testdata/coverage.md).
//
// A series without spread gets the interval [c, c] and is listed in Constant.
// Errors are ErrShape, ErrTooFew, ErrNotFinite, ErrLevel.
func Simultaneous(ds [][]float64, level float64, seed uint64) ([]Interval, Multiplicity, error) {
	if err := checkLevel(level); err != nil {
		return nil, Multiplicity{}, err
	}
	if len(ds) == 0 {
		return nil, Multiplicity{}, fmt.Errorf("no comparisons: %w", ErrShape)
	}
	all := make([]moments, len(ds))
	mult := Multiplicity{Level: level, Comparisons: len(ds), Blocks: len(ds[0])}
	var varying [][]float64
	for j, d := range ds {
		if len(d) != len(ds[0]) {
			return nil, Multiplicity{}, fmt.Errorf("comparison %d has %d blocks, the first has %d: %w", j+1, len(d), len(ds[0]), ErrShape)
		}
		m, err := momentsOf(d)
		if err != nil {
			return nil, Multiplicity{}, fmt.Errorf("comparison %d: %w", j+1, err)
		}
		all[j] = m
		if m.sd == 0 {
			mult.Constant = append(mult.Constant, j)
			continue
		}
		varying = append(varying, directions(d, m))
	}
	mult.findCritical(varying, seed)
	intervals := make([]Interval, len(ds))
	for j, m := range all {
		intervals[j] = m.interval(mult.Critical)
	}
	return intervals, mult, nil
}

// findCritical sets Method, Flips and Critical.
func (mult *Multiplicity) findCritical(units [][]float64, seed uint64) {
	n, m := mult.Blocks, len(units)
	if m == 0 {
		mult.Method = MethodNone
		return
	}
	alpha := 1 - mult.Level
	single := tQuantile(1-alpha/2, n-1)
	if m == 1 {
		mult.Method, mult.Critical = MethodT, single
		return
	}
	mult.Method, mult.Critical = MethodBonferroni, tQuantile(1-alpha/2/float64(m), n-1)
	if n < minFlipBlocks || alpha*float64(flipCount(n)) < minTailFlips {
		return
	}
	shares := flipShares(units, seed)
	slices.Sort(shares)
	flipped := studentised(shares[int(math.Ceil(mult.Level*float64(len(shares))))-1], n)
	if math.IsInf(flipped, 1) {
		return // all differences of a comparison have the same size: flips tell nothing
	}
	mult.Method, mult.Flips = MethodMaxT, flipCount(n)
	mult.Critical = max(flipped, single)
}

func flipCount(blocks int) int {
	if blocks <= maxExactBlocks {
		return 1 << blocks
	}
	return randomFlips
}

// directions are the centred differences as a vector u of length 1/√n, so that
// (Σ sᵢuᵢ)² is the share that the mean takes of the sum of squares after the
// flips s; |t| rises with that share, and studentised gives it.
func directions(d []float64, m moments) []float64 {
	n := float64(m.n)
	scale := m.sd * math.Sqrt((n-1)*n)
	u := make([]float64, len(d))
	for i, x := range d {
		u[i] = (x - m.mean) / scale
	}
	return u
}

// studentised is |t| of n values whose mean takes the share of their sum of squares.
func studentised(share float64, n int) float64 {
	if share >= 1-sameWithin {
		return math.Inf(1)
	}
	return math.Sqrt(float64(n-1) * share / (1 - share))
}

// chunkBlocks is how many blocks' signs are looked up at once.
const chunkBlocks = 8

// flipShares gives for each flip the greatest share over the comparisons.
func flipShares(units [][]float64, seed uint64) []float64 {
	n := len(units[0])
	tables := flipTables(units)
	sums := make([]float64, len(units))
	signs := make([]byte, (len(tables)+7)/8*8) // whole words of a byte per chunk
	if n <= maxExactBlocks {
		// A flip and its opposite have the same |t|: half of them tell all.
		shares := make([]float64, 1<<(n-1))
		for flip := range shares {
			binary.LittleEndian.PutUint64(signs, uint64(flip))
			shares[flip] = greatestShare(tables, signs, sums)
		}
		return shares
	}
	random := rand.New(rand.NewPCG(seed, 0x7374_6174)) // a stream of its own
	shares := make([]float64, randomFlips)
	for flip := range shares {
		for w := 0; w < len(signs); w += 8 {
			binary.LittleEndian.PutUint64(signs[w:], random.Uint64())
		}
		shares[flip] = greatestShare(tables, signs, sums)
	}
	return shares
}

// greatestShare adds up one flip; sums is its scratch space.
func greatestShare(tables [][]float64, signs []byte, sums []float64) float64 {
	m := len(sums)
	clear(sums)
	for c, table := range tables {
		for j, x := range table[int(signs[c])*m:][:m] {
			sums[j] += x
		}
	}
	var greatest float64
	for _, s := range sums {
		if share := s * s; share > greatest {
			greatest = share
		}
	}
	return greatest
}

// flipTables holds, for each chunk of blocks and each choice of their signs,
// the signed sum of each comparison.
func flipTables(units [][]float64) [][]float64 {
	n, m := len(units[0]), len(units)
	tables := make([][]float64, 0, (n+chunkBlocks-1)/chunkBlocks)
	for first := 0; first < n; first += chunkBlocks {
		table := make([]float64, (1<<chunkBlocks)*m)
		width := min(chunkBlocks, n-first)
		for j, u := range units {
			for _, x := range u[first : first+width] {
				table[j] += x
			}
			for signs := 1; signs < 1<<chunkBlocks; signs++ {
				low := bits.TrailingZeros(uint(signs))
				table[signs*m+j] = table[(signs&(signs-1))*m+j]
				if low < width {
					table[signs*m+j] -= 2 * u[first+low]
				}
			}
		}
		tables = append(tables, table)
	}
	return tables
}
