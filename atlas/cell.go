package atlas

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Cell is one function in one form on one plane: what the atlas weighs.
type Cell struct {
	Function string     `json:"function"`
	Form     study.Form `json:"form"`
	Plane    string     `json:"plane,omitempty"` // empty: in the application
	Site     study.Site `json:"site"`

	params   study.Params
	replicas int
	calls    bool // it works in the application that calls
	headers  study.Headers
	settings study.Settings // how it is had, where it is between two sidecars
}

// String names the cell: ratelimit as wasm on envoy.
func (c Cell) String() string {
	if c.Plane == "" {
		return fmt.Sprintf("%s as %s", c.Function, c.Form)
	}
	return fmt.Sprintf("%s as %s on %s", c.Function, c.Form, c.Plane)
}

// Unweighed is a cell that cannot be weighed, and why.
type Unweighed struct {
	Cell
	Why string `json:"why"`
}

// nothing is the function that does nothing: the control of every form.
const nothing = "noop"

// Only says which cells are wanted; empty lists want all.
type Only struct {
	Functions []string
	Forms     []study.Form
}

// ParseOnly reads a comma list of functions and forms, as on the command line.
func ParseOnly(list string, functions []string) (Only, error) {
	var o Only
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		switch {
		case word == "":
		case slices.Contains(functions, word):
			o.Functions = append(o.Functions, word)
		case slices.Contains(study.Forms(), study.Form(word)):
			o.Forms = append(o.Forms, study.Form(word))
		default:
			return o, fmt.Errorf("%q is neither a function (%s) nor a form (%s)", word, strings.Join(functions, ", "), joined(study.Forms()))
		}
	}
	return o, nil
}

func joined[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, w := range all {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}

// Wants reports whether a form of a function is wanted.
func (o Only) Wants(f string, form study.Form) bool {
	return (len(o.Functions) == 0 || slices.Contains(o.Functions, f)) && (len(o.Forms) == 0 || slices.Contains(o.Forms, form))
}

// Cells lists what can be weighed on the planes: each form of each function,
// with its example for parameters; and the functions without an example.
func Cells(fs []function.Function, entries []Entry, planes []string, o Only) ([]Cell, []Unweighed) {
	var cells []Cell
	var none []Unweighed
	for i, f := range fs {
		if f.Name == nothing {
			continue
		}
		params, why := exampleParams(f)
		for _, p := range entries[i].Places {
			if len(p.Sites) == 0 || !o.Wants(f.Name, p.Form) {
				continue
			}
			for _, c := range cellsOf(f, p, planes) {
				c.params, c.headers = params, f.Headers
				if p.Form == study.FormNative {
					c.settings = f.Settings
				}
				if why != "" && len(c.settings) == 0 {
					none = append(none, Unweighed{c, why})
					continue
				}
				cells = append(cells, c)
			}
		}
	}
	return cells, none
}

// Missing says why wanted cells are not there.
func Missing(entries []Entry, planes []string, o Only) []string {
	var why []string
	for _, e := range entries {
		for _, p := range e.Places {
			if !o.Wants(e.Name, p.Form) {
				continue
			}
			reason := p.Cannot[Everywhere]
			for _, plane := range planes {
				reason = cmp.Or(reason, p.Cannot[plainly(plane)])
			}
			if e.Name == nothing {
				reason = cmp.Or(reason, "it is the control of every batch")
			}
			if reason != "" {
				why = append(why, fmt.Sprintf("%s as %s: %s", e.Name, p.Form, reason))
			}
		}
	}
	return why
}

func exampleParams(f function.Function) (params study.Params, why string) {
	if f.Example == "" {
		return params, "the function has no example that works on every request of a plain load"
	}
	params, err := study.JSONParams("example of "+f.Name, []byte(f.Example))
	if err == nil {
		_, err = f.Decode(params)
	}
	if err != nil {
		return params, fmt.Sprintf("its example: %v", err)
	}
	return params, ""
}

func cellsOf(f function.Function, p Place, planes []string) []Cell {
	c := Cell{Function: f.Name, Form: p.Form, Site: study.SiteServer, replicas: f.Replicas}
	if p.Form == study.FormLibrary {
		c.Site, c.calls = study.SiteService, f.Library.Transport != nil
		if !c.calls {
			c.replicas = 0 // the application that is called is one
		}
		return []Cell{c}
	}
	var all []Cell
	for _, plane := range planes {
		if slices.Contains(p.Planes, plainly(plane)) {
			c.Plane = plane
			all = append(all, c)
		}
	}
	return all
}

// plainly is a plane's name without the version.
func plainly(plane string) string {
	name, _, _ := strings.Cut(plane, "@")
	return name
}
