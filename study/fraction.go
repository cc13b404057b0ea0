package study

import (
	"math/bits"
	"slices"
)

// A two-level fraction tries 2^(k−p) of the 2^k combinations. The first k−p
// factors take all of theirs; the level of each other one is set by a generator:
// a set of the first factors, of which it has the second level where an odd
// number of the set has. So the combination of all first levels is in every
// fraction. Products of generators with their factors are the defining words;
// the resolution is the length of the shortest, and an effect cannot be told
// from those that it becomes when it is multiplied by a word.
//
// Rule: of the sizes that stand at once the smallest that has the resolution
// asked for; of its sets of generators that with minimum aberration (fewest
// words of length 3, then of 4, …: Fries & Hunter 1980), the first of equals,
// generators being sets in the order of their size.

// word is a set of factors, a bit for each.
type word uint32

const (
	// mostFraction bounds the search: 11 factors in 32 combinations are 230,230
	// sets of generators.
	mostFraction  = 11
	leastFraction = 3
)

// generators are those of the best 2^(k−p) fraction, and its resolution; none
// if there are not enough sets.
func generators(k, p int) (best []word, resolution int) {
	base := k - p
	if base < 2 || p < 1 {
		return nil, 0
	}
	var columns []word
	for w := word(1); w < 1<<base; w++ {
		if bits.OnesCount32(uint32(w)) >= 2 {
			columns = append(columns, w)
		}
	}
	slices.SortStableFunc(columns, func(a, b word) int { return bits.OnesCount32(uint32(a)) - bits.OnesCount32(uint32(b)) })
	var least lengths
	chosen := make([]word, 0, p)
	var search func(from int)
	search = func(from int) {
		if len(chosen) == p {
			if counts := wordLengths(k, chosen); best == nil || slices.Compare(counts[:], least[:]) < 0 {
				least, best = counts, slices.Clone(chosen)
			}
			return
		}
		for i := from; i < len(columns); i++ {
			chosen = append(chosen, columns[i])
			search(i + 1)
			chosen = chosen[:len(chosen)-1]
		}
	}
	search(0)
	if best == nil {
		return nil, 0
	}
	return best, slices.IndexFunc(least[:], func(n int) bool { return n > 0 })
}

// lengths is how many defining words there are of each length.
type lengths [mostFraction + 1]int

// wordLengths counts the defining words. It goes through the products by a Gray
// code: one generator more or less each time.
func wordLengths(k int, gens []word) (counts lengths) {
	base := k - len(gens)
	var w word
	for i := 1; i < 1<<len(gens); i++ {
		j := bits.TrailingZeros(uint(i))
		w ^= gens[j] ^ 1<<(base+j)
		counts[bits.OnesCount32(uint32(w))]++
	}
	return counts
}

// defaultResolution: main effects and two-factor interactions free of one
// another from 5 factors on; of fewer, what half of the combinations gives.
func defaultResolution(k int) int { return min(k, 5) }

// checkFraction holds the fields of a fraction.
func (s *Study) checkFraction() error {
	r, k := s.Design.Resolution, len(s.Factors)
	switch {
	case r != 0 && (r < 3 || r > 8):
		return s.Errorf("$.design.resolution", "resolution %d: want 3 to 8 (3: main effects clear of one another; 4: and of two-factor interactions; 5: these too of one another)", r)
	case k > 0 && (k < leastFraction || k > mostFraction):
		return s.Errorf("$.factors", "a fraction is of %d to %d factors, not of %d: use design %s or %s", leastFraction, mostFraction, k, Factorial, AddDrop)
	case r > k && k > 0:
		return s.Errorf("$.design.resolution", "resolution %d is not to be had with %d factors: use design %s", r, k, Factorial)
	}
	return nil
}

// fractionCells are the combinations of the smallest fraction that has the
// resolution.
func (s *Study) fractionCells() ([]cell, error) {
	if err := s.twoLevels(); err != nil {
		return nil, err
	}
	k, want := len(s.Factors), s.Design.Resolution
	if want == 0 {
		want = defaultResolution(k)
	}
	had := 0 // the best resolution that stands at once
	for p := k - 2; p >= 1 && 1<<(k-p) <= maxCells; p-- {
		gens, resolution := generators(k, p)
		if resolution >= want {
			return s.named(cellsOf(k, gens)), nil
		}
		had = max(had, resolution)
	}
	return nil, s.Errorf("$.design", "resolution %d of %d factors takes more than the %d treatments that stand at once: write resolution: %d (then %s), or use fewer factors or design %s", want, k, maxCells, had, confusion(had), AddDrop)
}

// confusion says what cannot be told apart at a resolution.
func confusion(resolution int) string {
	switch resolution {
	case 3:
		return "main effects cannot be told from two-factor interactions"
	case 4:
		return "main effects are clear, two-factor interactions cannot be told from one another"
	}
	return "main effects and two-factor interactions are clear of one another"
}

// cellsOf are the combinations of a fraction, the last of the first factors
// turning fastest.
func cellsOf(k int, gens []word) []cell {
	base := k - len(gens)
	cells := make([]cell, 1<<base)
	for i := range cells {
		levels := make([]int, k)
		var seconds word // which of the first factors have their second level
		for f := range base {
			levels[f] = i >> (base - 1 - f) & 1
			seconds |= word(levels[f]) << f
		}
		for j, g := range gens {
			levels[base+j] = bits.OnesCount32(uint32(seconds&g)) % 2
		}
		cells[i] = cell{levels: levels, against: -1}
	}
	return cells
}

// definingWords are those of the combinations that stand: the sets of factors of
// which every combination has an even number at the second level. None of a
// whole factorial, nor of a design that is no fraction.
func (s *Study) definingWords() []word {
	k := len(s.Factors)
	if s.Design.Name != Fraction || k > mostFraction {
		return nil
	}
	var words []word
	cs := s.Combinations()
	for w := word(1); len(cs) > 0 && w < 1<<k; w++ {
		odd := func(c Combination) bool {
			n := 0
			for f, l := range c.Levels {
				n += l & int(w>>f&1)
			}
			return n%2 == 1
		}
		if !slices.ContainsFunc(cs, odd) {
			words = append(words, w)
		}
	}
	return words
}

// Resolution of the fraction that stands: the fewest factors whose effects
// together are confused with nothing being done at all; 0 in other designs.
func (s *Study) Resolution() int {
	r := 0
	for _, w := range s.definingWords() {
		if n := bits.OnesCount32(uint32(w)); r == 0 || n < r {
			r = n
		}
	}
	return r
}

// Aliases lists the effects that a fraction cannot tell from the one of the
// given factors (one of them: a main effect, two: their interaction), each as
// the factors that it is of, those of fewest factors first. None in other designs.
func (s *Study) Aliases(factors []int) [][]int {
	var effect word
	for _, f := range factors {
		if f < 0 || f >= len(s.Factors) {
			return nil
		}
		effect ^= 1 << f
	}
	var out [][]int
	for _, w := range s.definingWords() {
		var alias []int
		for f := range s.Factors {
			if (w^effect)>>f&1 == 1 {
				alias = append(alias, f)
			}
		}
		if len(alias) > 0 {
			out = append(out, alias)
		}
	}
	slices.SortFunc(out, func(a, b []int) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return slices.Compare(a, b)
	})
	return out
}
