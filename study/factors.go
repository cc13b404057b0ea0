package study

import (
	"fmt"
	"slices"
	"strings"
)

// maxCells is how many combinations of levels may stand at once, beside the
// A/A copy of the first.
const maxCells = maxTreatments - 1

// factorPath is the YAML path of a factor, whose name may have a dot.
func factorPath(name string) string { return "$.factors.'" + name + "'" }

// checkFactors holds the factors of a design over factors, each by itself and
// with the rest of the study.
func (s *Study) checkFactors() error {
	switch {
	case !s.OverFactors():
		return nil
	case len(s.Factors) == 0:
		return s.Errorf("$.design.name", "design %s needs factors: {connections: [4, 16]}, names with their levels (known: %s)", s.Design.Name, strings.Join(factorNames(), ", "))
	}
	for i, f := range s.Factors {
		if slices.ContainsFunc(s.Factors[:i], func(g Factor) bool { return g.Name == f.Name }) {
			return s.Errorf(factorPath(f.Name), "factor %s is listed twice", f.Name)
		}
		if err := s.checkLevelsOf(f); err != nil {
			return err
		}
	}
	return s.checkTogether()
}

func (s *Study) checkLevelsOf(f Factor) error {
	at := func(k int) string { return fmt.Sprintf("%s[%d]", factorPath(f.Name), k) }
	if _, ok := kindOf(f.Name); !ok {
		_, err := s.read(f.Name, "")
		return s.Errorf(factorPath(f.Name), "%w", err)
	}
	same := map[string]string{}
	for k, level := range f.Levels {
		r, err := s.read(f.Name, level)
		if err != nil {
			return s.Errorf(at(k), "%w", err)
		}
		if other, ok := same[r.same]; ok {
			return s.Errorf(at(k), "factor %s has level %s twice: %s is the same", f.Name, level, other)
		}
		same[r.same] = level
	}
	if len(f.Levels) < 2 {
		return s.Errorf(factorPath(f.Name), "factor %s has %d levels: it needs at least 2 to make a difference", f.Name, len(f.Levels))
	}
	return nil
}

// Factor returns the place of a factor among the study's, or -1.
func (s *Study) factor(name string) int {
	return slices.IndexFunc(s.Factors, func(f Factor) bool { return f.Name == name })
}

// rivals are two factors, or a factor and a field, that say the same thing.
type rivals struct {
	factor string
	// other is a factor, or with a $ the path of a field.
	other, why string
}

// checkTogether refuses factors that contradict one another or a field.
func (s *Study) checkTogether() error {
	for _, r := range []rivals{
		{factorFilter, factorForm, "a filter is a no-op in a form, a form is that of the study's function: for both write function: [noop, NAME] beside form"},
		{factorFilter, factorFunction, "a filter is a no-op already: write form beside function"},
		{factorResponse, workloadPrefix + factorResponse, "they are one thing: leave one out"},
		{factorConnections, "$.load.connections", "leave the field out"},
		{factorRate, "$.load.rate", "leave the field out"},
		{factorResponse, "$.workload.params.response", "leave the parameter out"},
		{factorRate, "$.enforcement", "the last phase sends the same to every treatment: make two studies"},
	} {
		if s.factor(r.factor) < 0 || !s.says(r.other) {
			continue
		}
		return s.Errorf(factorPath(r.factor), "factor %s contradicts %s: %s", r.factor, strings.TrimPrefix(r.other, "$."), r.why)
	}
	for _, f := range s.Factors {
		if field, ok := strings.CutPrefix(f.Name, workloadPrefix); ok && s.says("$.workload.params."+field) {
			return s.Errorf(factorPath(f.Name), "factor %s contradicts workload.params.%s: leave the parameter out", f.Name, field)
		}
		if field, ok := strings.CutPrefix(f.Name, paramsPrefix); ok && s.says("$.function.params."+field) {
			return s.Errorf(factorPath(f.Name), "factor %s contradicts function.params.%s: leave the parameter out", f.Name, field)
		}
	}
	return s.checkPlanesFactor()
}

// says reports whether the study has the factor, or its file the field.
func (s *Study) says(what string) bool {
	if !strings.HasPrefix(what, "$") {
		return s.factor(what) >= 0
	}
	return s.source.tree != nil && s.nodeAt(what) != nil
}

// checkPlanesFactor: in a design over factors the plane is a factor like others.
func (s *Study) checkPlanesFactor() error {
	k := s.factor(factorDataPlane)
	switch {
	case k < 0 && len(s.DataPlane) > 1:
		return s.Errorf("$.dataplane", "design %s takes several data planes as a factor: write factors: {%s: [%s]}", s.Design.Name, factorDataPlane, strings.Join(s.DataPlane, ", "))
	case k >= 0 && !slices.Equal(s.DataPlane, s.Factors[k].Levels):
		return s.Errorf(factorPath(factorDataPlane), "factor %s contradicts the study's dataplane %s: leave that out", factorDataPlane, strings.Join(s.DataPlane, ", "))
	}
	return nil
}

// setFactors gives the study what follows from its factors.
func (s *Study) setFactors() {
	if !s.OverFactors() {
		return
	}
	if k := s.factor(factorDataPlane); k >= 0 && len(s.DataPlane) == 0 {
		s.DataPlane = slices.Clone(s.Factors[k].Levels)
	}
	if k := s.factor(factorRate); k >= 0 && s.Load.Rate == 0 {
		s.Load.Rate = s.lowest(s.Factors[k])
	}
}

// lowest is the least of the rates that can be read; the others are refused later.
func (s *Study) lowest(f Factor) Rate {
	var least Rate
	for _, level := range f.Levels {
		if x, _, ok := s.Number(f.Name, level); ok && (least == 0 || Rate(x) < least) {
			least = Rate(x)
		}
	}
	return least
}

// checkSet holds a treatment's settings: one factor, at a level that its
// baseline has not.
func (s *Study) checkSet(i int, t Treatment) error {
	at := func(name string) string { return s.At(i, "set.'"+name+"'") }
	for _, one := range t.Set {
		if _, err := s.read(one.Factor, one.Level); err != nil {
			return s.Errorf(at(one.Factor), "%w", err)
		}
		kind, _ := kindOf(one.Factor)
		was, set := s.SettingsOf(s.Index(t.Baseline)).Level(one.Factor)
		switch {
		case kind.field != "":
			return s.Errorf(at(one.Factor), "%s is not set: %s", one.Factor, kind.field)
		case kind.proxy && one.Level != kind.idle && !s.OnMesh(i):
			return s.Errorf(at(one.Factor), "factor %s is of a proxy, and treatment %q has none; put it on one with a router", one.Factor, t.Name)
		case set && was == one.Level:
			return s.Errorf(at(one.Factor), "treatment %q sets %s to %s, as its baseline %q does already", t.Name, one.Factor, was, t.Baseline)
		case one.Factor == factorRate && s.Design.Name == DesignPairs:
			return s.Errorf(at(one.Factor), "in design %s the rates are its levels", DesignPairs)
		case one.Factor == factorRate && s.Enforcement != nil:
			return s.Errorf(at(one.Factor), "the enforcement phase sends the same to every treatment: make two studies")
		}
	}
	if len(t.Set) > 1 {
		return s.Errorf(s.At(i, "set"), "treatment %q sets %s and %s at once, and what either does could not be told: make two treatments, one on top of the other", t.Name, t.Set[0].Factor, t.Set[1].Factor)
	}
	return nil
}

// RateOf is how many requests/s treatment i gets where all share the load.
func (s *Study) RateOf(i int) Rate {
	level, set := s.SettingsOf(i).Level(factorRate)
	if !set {
		return s.Load.Rate
	}
	x, _, ok := s.Number(factorRate, level)
	if !ok {
		return s.Load.Rate
	}
	return Rate(x)
}
