package study

import (
	"slices"
	"strings"
)

// design is one way to spend a study's time. What an entry leaves out is done
// as in an interleaved study.
type design struct {
	name, doc string
	// factors: each combination of levels that it tries is a copy of a treatment.
	factors bool
	// control: some blocks have an interference control.
	control bool
	// defaults are the fields that are its own, or that it has otherwise.
	defaults func(*Study)
	check    func(*Study) error
	// expand copies treatments; it gets a study that is expanded at most for
	// its data planes, and not twice.
	expand  func(*Study) error
	quicken func(*Study) // beyond what --quick does to every study
	// cells lists the combinations of levels that a design over factors tries.
	cells func(*Study) ([]cell, error)
	// blocks plans the blocks; nil: not planned yet.
	blocks func(*Plan) error
}

// designs are all there are.
func designs() []design {
	return []design{
		{name: Interleaved, doc: "every request draws its treatment", control: true, blocks: (*Plan).addBlocks},
		{name: Windows, doc: "one treatment at a time, the others stopped, in random order", blocks: (*Plan).addBlocks},
		{name: Factorial, doc: "every combination of the factors' levels", factors: true, control: true, cells: (*Study).allCells, expand: (*Study).expandCells, blocks: (*Plan).addBlocks},
		{name: Fraction, doc: "a 2^(k-p) fraction of the combinations of two-level factors", factors: true, control: true, check: (*Study).checkFraction, cells: (*Study).fractionCells, expand: (*Study).expandCells, blocks: (*Plan).addBlocks},
		{name: Sweep, doc: "one factor at a time from the first level of each", factors: true, control: true, cells: (*Study).sweepCells, expand: (*Study).expandCells, blocks: (*Plan).addBlocks},
		{name: AddDrop, doc: "each factor's second level added to the first levels, and dropped from the second ones", factors: true, control: true, cells: (*Study).addDropCells, expand: (*Study).expandCells, blocks: (*Plan).addBlocks},
		{name: DesignPairs, doc: "two treatments at a time, level by level", defaults: (*Study).setPairs, check: (*Study).checkPairs, expand: (*Study).expandLevels, quicken: (*Study).quickenPairs, blocks: (*Plan).addPairs},
		{name: DesignAA, doc: "identical arms, compared in disjoint pairs", check: (*Study).checkArms, blocks: (*Plan).addBlocks},
		{name: Knee, doc: "the greatest rate under an objective", defaults: (*Study).setKnee, check: (*Study).checkKnee, blocks: (*Plan).addKnee},
	}
}

// Designs lists the names of all designs.
func Designs() []string {
	var names []string
	for _, d := range designs() {
		names = append(names, d.name)
	}
	return names
}

// design is the study's; the zero value where there is none of that name.
func (s *Study) design() design {
	all := designs()
	if i := slices.IndexFunc(all, func(d design) bool { return d.name == s.Design.Name }); i >= 0 {
		return all[i]
	}
	return design{}
}

// OverFactors reports whether the study's design tries combinations of levels.
func (s *Study) OverFactors() bool { return s.design().factors }

// designDocs says in one line what the designs are.
func designDocs() string {
	var words []string
	for _, d := range designs() {
		words = append(words, d.name+": "+d.doc)
	}
	return strings.Join(words, "; ")
}

// ownField is a field that only some designs have.
type ownField struct {
	path  string
	given bool
	of    []string
}

func (s *Study) ownFields() []ownField {
	var factors []string
	for _, d := range designs() {
		if d.factors {
			factors = append(factors, d.name)
		}
	}
	d, pairs := s.Design, []string{DesignPairs}
	return []ownField{
		{"$.design.pair", d.Pair != nil, pairs},
		{"$.design.levels", d.Levels != nil, pairs},
		{"$.design.closed", d.Closed != 0, pairs},
		{"$.margin.rate", !s.Margin.Rate.IsZero(), append(pairs, Knee)},
		{"$.design.objective", d.Objective != nil, []string{Knee}},
		{"$.design.probe", d.Probe != 0, []string{Knee}},
		{"$.design.treatments", d.Treatments != nil, []string{Knee}},
		{"$.factors", len(s.Factors) > 0, factors},
		{"$.design.of", d.Of != "", factors},
		{"$.design.resolution", d.Resolution != 0, []string{Fraction}},
	}
}

// checkOwn: a field of another design would do nothing.
func (s *Study) checkOwn() error {
	for _, f := range s.ownFields() {
		if f.given && !slices.Contains(f.of, s.Design.Name) {
			return s.Errorf(f.path, "this is for design: {name: %s}, and the design is %s", strings.Join(f.of, "|"), s.Design.Name)
		}
	}
	if check := s.design().check; check != nil {
		return check(s)
	}
	return nil
}

// expandDesign copies treatments as the design asks for.
func (s *Study) expandDesign() error {
	if d := s.design(); d.expand != nil {
		return d.expand(s)
	}
	return nil
}

// planDesign plans the blocks of the study's design.
func (p *Plan) planDesign() error {
	d := p.Study.design()
	if d.blocks == nil {
		return p.Study.Errorf("$.design.name", "design %s is not planned yet", d.name)
	}
	return d.blocks(p)
}
