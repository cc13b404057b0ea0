package study

import (
	"fmt"
	"strings"
)

// allCells are all combinations of levels, the last factor turning fastest.
func (s *Study) allCells() ([]cell, error) {
	n := 1
	for _, f := range s.Factors {
		n *= len(f.Levels)
		if n > maxCells {
			return nil, s.Errorf("$.factors", "all combinations of the levels are more than the %d treatments that stand at once: use design %s (two levels each) or %s, or fewer levels", maxCells, Fraction, Sweep)
		}
	}
	cells := make([]cell, n)
	for i := range cells {
		cells[i] = cell{levels: make([]int, len(s.Factors)), against: -1}
		for k, rest := len(s.Factors)-1, i; k >= 0; k-- {
			levels := len(s.Factors[k].Levels)
			cells[i].levels[k], rest = rest%levels, rest/levels
		}
	}
	return s.named(cells), nil
}

// sweepCells are the first levels of all factors, the centre, and each other
// level beside it.
func (s *Study) sweepCells() ([]cell, error) {
	centre := make([]int, len(s.Factors))
	cells := []cell{{name: "centre", levels: centre, against: -1}}
	for k, f := range s.Factors {
		for l := 1; l < len(f.Levels); l++ {
			cells = append(cells, cell{name: s.long("", k, l), levels: other(centre, k, l), against: 0})
		}
	}
	if len(cells) > maxCells {
		return nil, s.Errorf("$.factors", "%d levels beside the first of each factor: want at most %d", len(cells)-1, maxCells-1)
	}
	return cells, nil
}

// addDropCells are all first levels, each second one added to them, all second
// levels, and each dropped from them.
func (s *Study) addDropCells() ([]cell, error) {
	if err := s.twoLevels(); err != nil {
		return nil, err
	}
	n := len(s.Factors)
	switch {
	case n < 3:
		return nil, s.Errorf("$.factors", "design %s of %d factors tries no more than design %s: use that", AddDrop, n, Factorial)
	case 2*n+2 > maxCells:
		return nil, s.Errorf("$.factors", "design %s of %d factors takes %d treatments: want at most %d", AddDrop, n, 2*n+2, maxCells)
	}
	none, all := make([]int, n), make([]int, n)
	for k := range all {
		all[k] = 1
	}
	cells := []cell{{name: "none", levels: none, against: -1}}
	for k := range n {
		cells = append(cells, cell{name: s.long("with-", k, 1), levels: other(none, k, 1), against: 0})
	}
	cells = append(cells, cell{name: "all", levels: all, against: 0})
	for k := range n {
		cells = append(cells, cell{name: s.long("without-", k, 1), levels: other(all, k, 0), against: n + 1})
	}
	return cells, nil
}

func (s *Study) twoLevels() error {
	for _, f := range s.Factors {
		if len(f.Levels) != 2 {
			return s.Errorf(factorPath(f.Name), "design %s takes factors of two levels, and %s has %d: use design %s or %s", s.Design.Name, f.Name, len(f.Levels), Factorial, Sweep)
		}
	}
	return nil
}

// other is a combination with one level changed.
func other(levels []int, k, l int) []int {
	out := append([]int{}, levels...)
	out[k] = l
	return out
}

// maxName is the length of a treatment's name; a cell's leaves room for that of
// its A/A copy.
const maxName = 40

const maxCellName = maxName - len("-aa")

// named gives cells names of their levels: with what the levels are of, else
// without, else numbers.
func (s *Study) named(cells []cell) []cell {
	for _, piece := range []func(int, int) string{s.short, s.bare, nil} {
		used := map[string]bool{}
		for i := range cells {
			cells[i].name = fmt.Sprintf("cell-%02d", i+1)
			if piece != nil {
				parts := make([]string, len(s.Factors))
				for k, l := range cells[i].levels {
					parts[k] = piece(k, l)
				}
				cells[i].name = strings.Join(parts, "-")
			}
			if name := cells[i].name; len(name) <= maxCellName && s.Index(name) < 0 {
				used[name] = true
			}
		}
		if len(used) == len(cells) {
			break
		}
	}
	return cells
}

// short is a level with a few letters that say of what.
func (s *Study) short(k, l int) string {
	f := s.Factors[k]
	kind, _ := kindOf(f.Name)
	level := slug(f.Levels[l])
	r, err := s.read(f.Name, f.Levels[l])
	switch {
	case err != nil || !r.word:
		return slug(kind.short) + level
	case level == levelOn:
		return slug(kind.short)
	case level == levelOff || level == levelNone:
		return "no" + slug(kind.short)
	}
	return level
}

// bare is a level alone.
func (s *Study) bare(k, l int) string { return slug(s.Factors[k].Levels[l]) }

// long is a level with its factor's whole name, after a word.
func (s *Study) long(before string, k, l int) string {
	f := s.Factors[k]
	name := before + slug(f.Name) + "-" + slug(f.Levels[l])
	if len(name) > maxCellName || s.Index(name) >= 0 {
		name = fmt.Sprintf("%s%d-%d", before+"factor-", k+1, l+1)
	}
	return name
}

// slug is text as it may stand in a name: of a rate its number alone.
func slug(text string) string {
	text, _, _ = strings.Cut(text, "/s")
	text = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == 'µ' || r == 'μ':
			return 'u'
		}
		return '-'
	}, text)
	return strings.Trim(text, "-")
}
