package study

import (
	"fmt"
	"slices"
)

// cell is a combination of levels as a design names it: by index, one for each
// factor.
type cell struct {
	name   string
	levels []int
	// against is the cell that it is compared with, by its place; -1: none.
	against int
}

// Combination is a cell of an expanded design over factors.
type Combination struct {
	Treatment int
	Levels    []int // of each of the study's factors, by index
}

// Combinations lists the cells that stand, without the A/A copy; nil in other
// designs.
func (s *Study) Combinations() []Combination {
	var cs []Combination
	for i, t := range s.Treatments {
		if t.Cell != nil {
			cs = append(cs, Combination{i, t.Cell})
		}
	}
	return cs
}

// copied is the treatment that a design over factors copies: the one it names,
// else the last; -1: there is none of that name.
func (s *Study) copied() int {
	if s.Design.Of != "" {
		return s.Index(s.Design.Of)
	}
	return len(s.Treatments) - 1
}

// checkCopied: what is copied, and the steps that it is built on; nothing else
// would ever stand.
func (s *Study) checkCopied() error {
	if !s.OverFactors() || s.expanded() {
		return nil
	}
	of := s.copied()
	if of < 0 {
		return s.Errorf("$.design.of", "%q is no treatment (those are: %s)", s.Design.Of, s.namesBefore(len(s.Treatments)))
	}
	ladder := s.Ladder(of)
	for i, t := range s.Treatments {
		switch {
		case t.Control == AA:
			return s.Errorf(s.At(i, "control"), "design %s makes the A/A copy of its first cell itself: leave %q out", s.Design.Name, t.Name)
		case !slices.Contains(ladder, i):
			return s.Errorf(s.At(i, "name"), "design %s copies treatment %q, and %q is no step of its ladder: it would never stand; name the one to copy in design: {of: …}", s.Design.Name, s.Treatments[of].Name, t.Name)
		case len(t.Against) > 0:
			return s.Errorf(s.At(i, "against"), "in design %s the factors' levels are compared, not %q", s.Design.Name, t.Name)
		}
		for _, one := range t.Set {
			if s.factor(one.Factor) >= 0 {
				return s.Errorf(factorPath(one.Factor), "factor %s contradicts the setting of treatment %q: leave one out", one.Factor, t.Name)
			}
		}
	}
	return nil
}

// expandCells puts a copy of a treatment in place for each combination of
// levels, and an A/A copy of the first. What they are built on stays as steps
// of their ladders and never stands itself.
func (s *Study) expandCells() error {
	if s.expanded() {
		return nil
	}
	cells, err := s.design().cells(s)
	if err != nil {
		return err
	}
	m := &cellMaker{Study: s, of: s.copied()}
	for i := range s.Treatments {
		s.Treatments[i].written = i + 1
	}
	var copies []Treatment
	for _, c := range cells {
		t, err := m.treatment(c)
		if err != nil {
			return err
		}
		if c.against >= 0 {
			t.Against = []string{cells[c.against].name}
		}
		copies = append(copies, t)
	}
	first := copies[0]
	copies = append(copies, Treatment{Name: copyName(first.Name), Control: AA, Baseline: first.Name, DataPlane: first.DataPlane, Of: first.Of, written: first.written})
	s.Treatments = append(s.Treatments, copies...)
	return s.checkRates()
}

// copyName is the name of the A/A copy of a cell.
func copyName(cell string) string { return cell + "-aa" }

// checkRates: a treatment with few requests needs a phase that is long enough
// for a p50.
func (s *Study) checkRates() error {
	if s.factor(factorRate) < 0 {
		return nil
	}
	if need := s.LeastLatency(); s.Design.Latency < need {
		return s.Errorf("$.design.latency", "a latency phase of %v is too short for a p50 at the lowest rate: want at least %v", s.Design.Latency, need)
	}
	return nil
}

// cellMaker makes treatments of cells.
type cellMaker struct {
	*Study
	of int // the treatment that is copied
}

// setting is a level of a cell with what is known of it.
type setting struct {
	Setting
	kind  factorKind
	first bool // of its factor's levels
}

func (m *cellMaker) settings(c cell) []setting {
	all := make([]setting, len(m.Factors))
	for k, f := range m.Factors {
		all[k].Setting = Setting{f.Name, f.Levels[c.levels[k]]}
		all[k].kind, _ = kindOf(f.Name)
		all[k].first = c.levels[k] == 0
	}
	return all
}

// clash refuses a level that means nothing, or something else, beside another.
func (m *cellMaker) clash(one setting, beside, remedy string) error {
	return m.Errorf(factorPath(one.Factor), "%s %s contradicts %s: %s", one.Factor, one.Level, beside, remedy)
}

// treatment makes the copy for one cell.
func (m *cellMaker) treatment(c cell) (Treatment, error) {
	own := m.Treatments[m.of]
	t := Treatment{Name: c.name, Of: m.Written(m.of), Cell: c.levels, Baseline: own.Name, written: m.of + 1}
	settings := m.settings(c)
	if err := m.addForm(&t, settings); err != nil {
		return t, err
	}
	if err := m.addMesh(&t, settings); err != nil {
		return t, err
	}
	for _, one := range settings {
		switch {
		case one.Factor == factorDataPlane && m.proxied(t):
			t.DataPlane = one.Level
		case one.kind.name == paramsPrefix && !m.weighs(t) && !one.first:
			return t, m.clash(one, "a cell without the study's function", "it is a parameter of that; leave level "+levelNone+" out, or use design "+Sweep)
		case !structural(one.Factor) && m.means(one, t):
			t.Set = append(t.Set, one.Setting)
		}
		if one.kind.proxy && one.Level != one.kind.idle && !one.first && !m.proxied(t) {
			return t, m.clash(one, m.without(settings), "it is of a proxy; "+m.remedy(one))
		}
	}
	return t, nil
}

// means reports whether a level does something to a copy: without a proxy, or
// the function, those of theirs do not.
func (m *cellMaker) means(one setting, t Treatment) bool {
	switch {
	case one.kind.proxy:
		return m.proxied(t)
	case one.kind.name == paramsPrefix:
		return m.weighs(t)
	}
	return true
}

// weighs reports whether a copy will carry the study's function.
func (m *cellMaker) weighs(t Treatment) bool {
	return t.Form != "" && t.Control == "" || m.carries(m.Index(t.Baseline))
}

// remedy of a cell that is impossible beside others which are not.
func (m *cellMaker) remedy(one setting) string {
	if m.factor(factorMesh) < 0 {
		return "name a treatment with control: router in design.of"
	}
	return fmt.Sprintf("leave factor %s out, or use design %s, which changes one factor at a time", one.Factor, Sweep)
}

// without says why a cell has no proxy.
func (m *cellMaker) without(settings []setting) string {
	for _, one := range settings {
		if one.Factor == factorMesh {
			return factorMesh + " " + one.Level
		}
	}
	return fmt.Sprintf("treatment %q, which has no proxy", m.Treatments[m.of].Name)
}

// proxied reports whether a copy will stand behind a proxy.
func (m *cellMaker) proxied(t Treatment) bool { return m.OnMesh(m.Index(t.Baseline)) }

// find returns the setting of a factor; false: it is none of the study's.
func find(settings []setting, factor string) (setting, bool) {
	i := slices.IndexFunc(settings, func(o setting) bool { return o.Factor == factor })
	if i < 0 {
		return setting{}, false
	}
	return settings[i], true
}

// addForm gives a copy the form that factors ask for, in place of the copied
// treatment's own.
func (m *cellMaker) addForm(t *Treatment, settings []setting) error {
	own := m.Treatments[m.of]
	filter, noops := find(settings, factorFilter)
	form, forms := find(settings, factorForm)
	function, functions := find(settings, factorFunction)
	switch {
	case noops:
		if own.Control == Noop {
			t.Baseline = own.Baseline
		}
		t.Form, t.Control = formOf(filter.Level), Noop
	case forms || functions:
		if own.Form != "" {
			t.Baseline = own.Baseline
		}
		t.Form = own.Form
		if forms {
			t.Form = formOf(form.Level)
		}
		if err := m.addFunction(t, own, form, function, functions); err != nil {
			return err
		}
	}
	if t.Form == "" {
		t.Control = ""
	}
	return m.addSite(t, settings)
}

func formOf(level string) Form {
	if level == levelNone {
		return ""
	}
	return Form(level)
}

// addFunction: a form is of the study's function, or of nothing in its place.
func (m *cellMaker) addFunction(t *Treatment, own Treatment, form, function setting, functions bool) error {
	if !functions {
		t.Control = own.Control
		if own.Control != Noop {
			t.Control = ""
		}
	}
	switch {
	case functions && t.Form == "":
		return m.clash(function, m.formless(form), "say in which form: write factors: {form: […]} without none, or name a treatment with a form in design.of")
	case function.Level == levelNone:
		if form.Factor != "" && !form.first {
			return m.clash(form, factorFunction+" "+levelNone, "nothing has no form; write "+factorFunction+": ["+string(Noop)+", NAME], or use design "+Sweep)
		}
		t.Form = ""
	case function.Level == string(Noop):
		t.Control = Noop
	}
	switch weighed := t.Form != "" && t.Control == ""; {
	case weighed && m.Function == nil:
		return m.clash(form, "a study without a function", "write function: {name: …}")
	case weighed && m.carries(m.Index(t.Baseline)):
		return m.clash(form, fmt.Sprintf("treatment %q, which carries the function already", t.Baseline), "name one below it in design.of")
	}
	return nil
}

func (m *cellMaker) formless(form setting) string {
	if form.Factor != "" {
		return factorForm + " " + form.Level
	}
	return fmt.Sprintf("treatment %q, which has no form", m.Treatments[m.of].Name)
}

// addSite puts a form at its site, which may be a factor's level.
func (m *cellMaker) addSite(t *Treatment, settings []setting) error {
	natural := SiteServer
	if t.Form == FormLibrary {
		natural = SiteService
	}
	if t.Form != "" {
		t.Site = natural
	}
	site, ok := find(settings, factorSite)
	switch {
	case !ok:
		return nil
	case t.Form == "" && !site.first:
		return m.clash(site, "a treatment without a form", "nothing has no site: name a treatment with a form in design.of, or leave the factor out")
	case t.Form != "" && Site(site.Level) != natural:
		return m.clash(site, fmt.Sprintf("form %s, which runs at site %s only", t.Form, natural), "leave the factor out: the site follows from the form")
	}
	return nil
}

// addMesh puts a copy behind a proxy where a factor asks for one.
func (m *cellMaker) addMesh(t *Treatment, settings []setting) error {
	mesh, ok := find(settings, factorMesh)
	base := m.Index(t.Baseline)
	switch {
	case ok && m.OnMesh(base):
		return m.clash(mesh, fmt.Sprintf("treatment %q, which stands behind a proxy already", t.Baseline), "name one without a proxy in design.of")
	case ok && mesh.Level == levelOn:
		t.Baseline = m.onMesh(base)
	}
	if t.Site != SiteServer || m.proxied(*t) {
		return nil
	}
	for _, name := range []string{factorForm, factorFilter, factorFunction} {
		if one, has := find(settings, name); has {
			return m.clash(one, m.without(settings), "it runs in a proxy; "+m.remedy(one))
		}
	}
	return nil
}

// onMesh returns the step that puts a treatment behind a router; it is made once.
func (m *cellMaker) onMesh(base int) string {
	name := m.Treatments[base].Name + "-on-mesh"
	if len(name) > maxName {
		name = "on-mesh"
	}
	if m.Index(name) < 0 {
		m.Treatments = append(m.Treatments, Treatment{Name: name, Control: Router, Baseline: m.Treatments[base].Name, Of: m.Treatments[base].Name, written: base + 1})
	}
	return name
}

// carries reports whether the study's function is on the ladder of treatment i.
func (s *Study) carries(i int) bool {
	return slices.ContainsFunc(s.Carried(i), func(j int) bool { return s.Treatments[j].Function == nil })
}
