package study

import (
	"fmt"
	"slices"
	"time"
)

// Reference is somebody else's answer to the question of a pairs study,
// printed beside ours. Nothing is computed from it.
type Reference struct {
	Source  string   `yaml:"source" json:"source"`
	Figures []Figure `yaml:"figures" json:"figures"`
	Differs []string `yaml:"differs" json:"differs,omitempty"` // what their set-up had that ours has not, and the other way round
}

// Figure is what a reference says of one treatment at one level.
type Figure struct {
	Treatment string        `yaml:"treatment" json:"treatment"` // as in the study file
	Level     Level         `yaml:"level" json:"level"`
	P50       time.Duration `yaml:"p50" json:"p50,omitempty"`
	Rate      Rate          `yaml:"rate" json:"rate,omitempty"` // what a closed loop reached
}

func (s *Study) checkReference() error {
	r := s.Reference
	if r == nil {
		return nil
	}
	if s.Design.Name != DesignPairs {
		return s.Errorf("$.reference", "a reference stands beside the table of design %s, and this study has design %s", DesignPairs, s.Design.Name)
	}
	if r.Source == "" {
		return s.Errorf("$.reference", "the reference has no source: say whose figures they are")
	}
	for i, f := range r.Figures {
		at := func(field string) string { return fmt.Sprintf("$.reference.figures[%d].%s", i, field) }
		switch {
		case !slices.Contains(s.Design.Pair, f.Treatment):
			return s.Errorf(at("treatment"), "figure of %q, which is not one of the pair %v", f.Treatment, s.Design.Pair)
		case !slices.Contains(s.Design.Levels, f.Level):
			return s.Errorf(at("level"), "figure at %v, which is not one of the levels %v", f.Level, s.Design.Levels)
		case f.P50 <= 0 && f.Rate <= 0:
			return s.Errorf(at("treatment"), "a figure needs a p50 or a rate")
		}
	}
	return nil
}

// Figure returns what the reference says of a treatment at a level, if anything.
func (r *Reference) Figure(treatment string, l Level) (Figure, bool) {
	if r == nil {
		return Figure{}, false
	}
	i := slices.IndexFunc(r.Figures, func(f Figure) bool { return f.Treatment == treatment && f.Level == l })
	if i < 0 {
		return Figure{}, false
	}
	return r.Figures[i], true
}
