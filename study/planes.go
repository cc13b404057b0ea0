package study

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// DefaultPlane carries the proxies of a study that names no data plane.
const DefaultPlane = "embedded"

// Planes are the data planes that a study's proxies stand on. In text they are
// one name or a list of names.
type Planes []string

// UnmarshalYAML reads one name or a list of names.
func (p *Planes) UnmarshalYAML(n ast.Node) error {
	var names []string
	switch n := n.(type) {
	case *ast.NullNode:
		return nil
	case *ast.SequenceNode:
		if err := yaml.NodeToValue(n, &names); err != nil {
			return err
		}
	default:
		var name string
		if err := yaml.NodeToValue(n, &name); err != nil {
			return err
		}
		names = []string{name}
	}
	*p = names
	return nil
}

// MarshalJSON writes one plane as its name, several as a list.
func (p Planes) MarshalJSON() ([]byte, error) {
	if len(p) == 1 {
		return json.Marshal(p[0])
	}
	return json.Marshal([]string(p))
}

// UnmarshalJSON takes back what MarshalJSON gave.
func (p *Planes) UnmarshalJSON(text []byte) error {
	var name string
	if err := json.Unmarshal(text, &name); err == nil {
		*p = Planes{name}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(p))
}

// ParsePlanes reads a comma list of names, as on the command line.
func ParsePlanes(list string) (Planes, error) {
	names := Planes(strings.Split(list, ","))
	for i, n := range names {
		names[i] = strings.TrimSpace(n)
	}
	if err := names.check(); err != nil {
		return nil, err
	}
	return names, nil
}

var planeRule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}(@[0-9][0-9.]{0,15})?$`)

// onPlane is the name of the copy of a treatment on a plane.
func onPlane(treatment, plane string) string {
	return treatment + "-" + strings.NewReplacer("@", "-", ".", "-").Replace(plane)
}

func (p Planes) check() error {
	for i, name := range p {
		if !planeRule.MatchString(name) {
			return fmt.Errorf("data plane %q: want a name such as envoy or envoy@1.40.0, or several as in envoy,embedded", name)
		}
		if slices.Contains(p[:i], name) {
			return fmt.Errorf("data plane %q is named twice", name)
		}
	}
	return nil
}

// PlanesAt is the YAML path of what names the data planes: a factor or a field.
func (s *Study) PlanesAt() string {
	if s.factor(factorDataPlane) >= 0 {
		return factorPath(factorDataPlane)
	}
	return "$.dataplane"
}

// PlaneOf returns the data plane of treatment i; empty: it has no proxy.
func (s *Study) PlaneOf(i int) string {
	if !s.OnMesh(i) {
		return ""
	}
	if own := s.Treatments[i].DataPlane; own != "" {
		return own
	}
	return s.DataPlane[0]
}

// Written is the name of treatment i in the study file: the copies that were
// made of it for several data planes, or several levels, share it.
func (s *Study) Written(i int) string {
	if t := s.Treatments[i]; t.Of != "" {
		return t.Of
	}
	return s.Treatments[i].Name
}

// At is the YAML path of a field of treatment i as it was written.
func (s *Study) At(i int, field string) string {
	if t := s.Treatments[i]; t.written > 0 {
		i = t.written - 1
	}
	return fmt.Sprintf("$.treatments[%d].%s", i, field)
}

// expandPlanes copies every treatment that stands behind a proxy for each data
// plane of the study. One without a proxy stands once; what names it, or is
// named by it, is followed on every plane.
func (s *Study) expandPlanes() {
	if len(s.DataPlane) < 2 || s.expanded() || s.factor(factorDataPlane) >= 0 {
		return
	}
	given := *s
	s.Treatments = nil
	for i, t := range given.Treatments {
		t.written = i + 1
		if !given.OnMesh(i) {
			t.Against = given.copiesOf(t.Against, given.DataPlane)
			s.Treatments = append(s.Treatments, t)
			continue
		}
		for _, plane := range given.DataPlane {
			c := t
			c.Name, c.Of, c.DataPlane = onPlane(t.Name, plane), t.Name, plane
			c.Against = given.copiesOf(t.Against, Planes{plane})
			if t.Baseline != "" {
				c.Baseline = given.copiesOf([]string{t.Baseline}, Planes{plane})[0]
			}
			s.Treatments = append(s.Treatments, c)
		}
	}
}

// expanded reports whether the treatments are copies already.
func (s *Study) expanded() bool {
	return slices.ContainsFunc(s.Treatments, func(t Treatment) bool { return t.Of != "" })
}

// copiesOf are the names that treatments have on the planes.
func (s *Study) copiesOf(names []string, planes Planes) []string {
	var out []string
	for _, name := range names {
		if !s.OnMesh(s.Index(name)) {
			out = append(out, name)
			continue
		}
		for _, plane := range planes {
			out = append(out, onPlane(name, plane))
		}
	}
	return out
}
