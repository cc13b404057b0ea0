package study

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The minimum-aberration fractions as published: their resolution and how many
// defining words of each length they have (Chen, Sun & Wu 1993, tables of 16,
// 32 and 64 runs; Montgomery, Design and Analysis of Experiments, table of 2^(k-p)).
func TestPublishedFractions(t *testing.T) {
	for _, c := range []struct {
		k, p, resolution int
		words            map[int]int
	}{
		{3, 1, 3, map[int]int{3: 1}},
		{4, 1, 4, map[int]int{4: 1}},
		{5, 1, 5, map[int]int{5: 1}},
		{5, 2, 3, map[int]int{3: 2, 4: 1}},
		{6, 1, 6, map[int]int{6: 1}},
		{6, 2, 4, map[int]int{4: 3}},
		{6, 3, 3, map[int]int{3: 4, 4: 3}},
		{7, 1, 7, map[int]int{7: 1}},
		{7, 2, 4, map[int]int{4: 1, 5: 2}},
		{7, 3, 4, map[int]int{4: 7}},
		{7, 4, 3, map[int]int{3: 7, 4: 7, 7: 1}},
		{8, 2, 5, map[int]int{5: 2, 6: 1}},
		{8, 3, 4, map[int]int{4: 3, 5: 4}},
		{8, 4, 4, map[int]int{4: 14, 8: 1}},
		{9, 4, 4, map[int]int{4: 6, 5: 8, 8: 1}},
		{9, 5, 3, map[int]int{3: 4, 4: 14, 5: 8, 7: 4, 8: 1}},
		{10, 5, 4, map[int]int{4: 10, 5: 16, 8: 5}},
		{11, 6, 4, map[int]int{4: 25, 6: 27, 8: 10, 10: 1}},
	} {
		t.Run(fmt.Sprintf("2^(%d-%d)", c.k, c.p), func(t *testing.T) {
			gens, resolution := generators(c.k, c.p)
			if resolution != c.resolution {
				t.Errorf("resolution %d, want %d", resolution, c.resolution)
			}
			var want lengths
			for length, n := range c.words {
				want[length] = n
			}
			if got := wordLengths(c.k, gens); got != want {
				t.Errorf("words by length %v, want %v", got, want)
			}
		})
	}
}

// A fraction is balanced: every level of every factor as often as the other,
// and every effect that the resolution promises free of the others is.
func TestFractionsAreBalanced(t *testing.T) {
	for _, c := range [][2]int{{3, 1}, {5, 1}, {6, 2}, {7, 3}, {8, 2}, {8, 4}} {
		k, p := c[0], c[1]
		gens, resolution := generators(k, p)
		cells := cellsOf(k, gens)
		if first := make([]int, k); !slices.Equal(cells[0].levels, first) {
			t.Errorf("2^(%d-%d) begins with %v, not with the first levels", k, p, cells[0].levels)
		}
		for w := word(1); w < 1<<k; w++ {
			n := bits.OnesCount32(uint32(w))
			if n >= resolution {
				continue
			}
			sum := 0
			for _, cell := range cells {
				odd := 0
				for f, l := range cell.levels {
					odd += l & int(w>>f&1)
				}
				sum += 1 - 2*(odd%2)
			}
			if sum != 0 {
				t.Errorf("2^(%d-%d), resolution %d: the product of the factors in %b is no contrast: %d", k, p, resolution, w, sum)
			}
		}
	}
}

func fraction(t *testing.T, k, resolution int) (*Plan, error) {
	t.Helper()
	var levels []string
	for i := range k {
		levels = append(levels, fmt.Sprintf("workload.p%c: [1, 2]", 'a'+i))
	}
	text := "tare: study/1\nname: fraction\nworkload: {name: echo}\ntreatments:\n  - {name: plain, control: direct}\n" +
		"factors: {" + strings.Join(levels, ", ") + "}\ndesign: {name: fraction"
	if resolution > 0 {
		text += fmt.Sprintf(", resolution: %d", resolution)
	}
	s, err := Parse("s.yaml", []byte(text+", time: 20m}\n"))
	if err != nil {
		return nil, err
	}
	return MakePlan(*s, Options{})
}

func TestFractionsTakeWhatIsAskedFor(t *testing.T) {
	for _, c := range []struct{ k, asked, cells, resolution int }{
		{3, 0, 4, 3}, {4, 0, 8, 4}, {5, 0, 16, 5}, {6, 0, 32, 6}, // by themselves
		{5, 3, 8, 3}, {6, 4, 16, 4}, {6, 5, 32, 6}, {7, 4, 16, 4}, {8, 4, 16, 4}, {11, 4, 32, 4}, {7, 3, 8, 3},
	} {
		p, err := fraction(t, c.k, c.asked)
		if err != nil {
			t.Errorf("%d factors, resolution %d: %v", c.k, c.asked, err)
			continue
		}
		if got := len(p.Study.Combinations()); got != c.cells || p.Study.Resolution() != c.resolution {
			t.Errorf("%d factors, resolution %d: %d cells of resolution %d, want %d of %d", c.k, c.asked, got, p.Study.Resolution(), c.cells, c.resolution)
		}
	}
	for _, c := range []struct {
		k, asked int
		want     string
	}{
		{7, 0, "resolution 5 of 7 factors takes more than the 59 treatments that stand at once: write resolution: 4 (then main effects are clear, two-factor interactions cannot be told from one another), or use fewer factors or design add-drop"},
		{8, 5, "resolution 5 of 8 factors takes more than the 59 treatments"},
		{8, 6, "resolution 6 of 8 factors takes more than the 59 treatments"},
		{5, 6, "resolution 6 is not to be had with 5 factors: use design factorial"},
		{5, 9, "resolution 9: want 3 to 8"},
		{2, 0, "a fraction is of 3 to 11 factors, not of 2"},
		{12, 0, "a fraction is of 3 to 11 factors, not of 12"},
	} {
		if _, err := fraction(t, c.k, c.asked); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "s.yaml:") {
			t.Errorf("%d factors, resolution %d: %v, want s.yaml:… %s", c.k, c.asked, err, c.want)
		}
	}
}

// Held against the published alias structures: of 2^(5-1) with I = ABCDE, and
// of 2^(6-2), in which the interaction of A and B has two others beside it.
func TestAliases(t *testing.T) {
	p, err := fraction(t, 5, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &p.Study
	for _, c := range []struct {
		of   []int
		want [][]int
	}{
		{[]int{0}, [][]int{{1, 2, 3, 4}}},
		{[]int{4}, [][]int{{0, 1, 2, 3}}},
		{[]int{0, 1}, [][]int{{2, 3, 4}}},
		{[]int{3, 4}, [][]int{{0, 1, 2}}},
		{[]int{5}, nil}, {[]int{-1}, nil},
	} {
		if diff := cmp.Diff(c.want, s.Aliases(c.of)); diff != "" {
			t.Errorf("aliases of %v: %s", c.of, diff)
		}
	}
	if p, err = fraction(t, 6, 4); err != nil {
		t.Fatal(err)
	}
	s = &p.Study
	pairs := 0 // of two-factor interactions that are the same
	for a := range 6 {
		for _, alias := range s.Aliases([]int{a}) {
			if len(alias) < 3 {
				t.Errorf("main effect %d has the alias %v", a, alias)
			}
		}
		for b := a + 1; b < 6; b++ {
			fewest := 0
			for _, alias := range s.Aliases([]int{a, b}) {
				if len(alias) == 2 {
					pairs++
				}
				if len(alias) < fewest {
					t.Errorf("aliases of %d and %d are not in the order of their factors: %v", a, b, s.Aliases([]int{a, b}))
				}
				fewest = len(alias)
			}
		}
	}
	if pairs != 18 { // three words of length 4, each of three pairs of pairs, either way
		t.Errorf("%d two-factor interactions are aliased with one another, want 18", pairs)
	}
	if none := s.Aliases([]int{0, 0}); len(none) != 3 {
		t.Errorf("the defining words are %v, want 3", none)
	}
}
