package atlas

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
)

// Entry is one function and where it runs.
type Entry struct {
	Name   string       `json:"name"`
	Doc    string       `json:"doc"`
	Forms  []study.Form `json:"forms"`
	Planes []string     `json:"planes"` // on which one of its forms runs in a proxy
	Sites  []study.Site `json:"sites"`  // at which one of its forms runs
	Places []Place      `json:"places"` // one for each form there is, in the order of study.Forms
	Routes bool         `json:"-"`      // function.Function.Routes
}

// Place is where one form of a function runs.
type Place struct {
	Form   study.Form   `json:"form"`
	Planes []string     `json:"planes,omitempty"` // none of the form library, which runs in no proxy
	Sites  []study.Site `json:"sites,omitempty"`
	// Cannot gives the reasons: by data plane, or under Everywhere.
	Cannot map[string]string `json:"cannot,omitempty"`
}

// Everywhere is the key of a reason that holds on every plane.
const Everywhere = "everywhere"

// Catalogue lists where functions run, given how they can be placed and the
// names of the data planes.
func Catalogue(fs []function.Function, ps []placement.Placement, planes []string) []Entry {
	all := make([]Entry, len(fs))
	for i, f := range fs {
		all[i] = entry(f, ps, planes)
	}
	return all
}

func entry(f function.Function, ps []placement.Placement, planes []string) Entry {
	e := Entry{Name: f.Name, Doc: f.Doc, Routes: f.Routes, Forms: []study.Form{}, Planes: []string{}, Sites: []study.Site{}}
	for _, form := range study.Forms() {
		p := place(f, form, ps, planes)
		e.Places = append(e.Places, p)
		if len(p.Sites) > 0 {
			e.Forms = append(e.Forms, form)
		}
		for _, plane := range planes {
			if slices.Contains(p.Planes, plane) && !slices.Contains(e.Planes, plane) {
				e.Planes = append(e.Planes, plane)
			}
		}
	}
	for _, s := range study.Sites() {
		if slices.ContainsFunc(e.Places, func(p Place) bool { return slices.Contains(p.Sites, s) }) {
			e.Sites = append(e.Sites, s)
		}
	}
	return e
}

func place(f function.Function, form study.Form, ps []placement.Placement, planes []string) Place {
	out := Place{Form: form}
	k := slices.IndexFunc(ps, func(p placement.Placement) bool { return p.Form == form })
	switch {
	case f.Without[form] != "":
		out.Cannot = map[string]string{Everywhere: f.Without[form]}
		return out
	case k < 0:
		out.Cannot = map[string]string{Everywhere: fmt.Sprintf("nothing places the form %s yet", form)}
		return out
	case !ps[k].Has(f):
		out.Cannot = map[string]string{Everywhere: "no reason is given"}
		return out
	case form == study.FormLibrary:
		out.Sites = ps[k].Sites
		return out
	}
	for _, plane := range planes {
		why := ""
		if ps[k].On != nil {
			why = ps[k].On(plane)
		}
		if why == "" {
			out.Planes = append(out.Planes, plane)
			continue
		}
		if out.Cannot == nil {
			out.Cannot = map[string]string{}
		}
		out.Cannot[plane] = why
	}
	if len(out.Planes) > 0 {
		out.Sites = ps[k].Sites
	}
	return out
}

// cannot says why, once: many reasons begin with the word.
func cannot(why string) string { return "cannot: " + strings.TrimPrefix(why, "cannot: ") }

// On says how the form stands on a plane: passes, or cannot and why.
func (p Place) On(plane string) string {
	switch {
	case p.Cannot[Everywhere] != "":
		return cannot(p.Cannot[Everywhere])
	case p.Cannot[plane] != "":
		return cannot(p.Cannot[plane])
	case p.Form == study.FormLibrary:
		return "passes, in the application"
	}
	return "passes"
}
