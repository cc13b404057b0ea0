// Package placement puts a function where it runs.
//
// A Placement is one form: it changes the topology of a treatment so that the
// function stands there in that form, one file each. It starts nothing.
package placement

import (
	"fmt"
	"slices"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// Placement puts functions into topologies in one form.
type Placement struct {
	Form  study.Form
	Sites []study.Site
	// On says why a data plane has no such form; empty: it has. nil: all have.
	On func(plane string) string
	// Has reports whether the function exists in this form.
	Has func(function.Function) bool
	// Place adds the function, with its parameters, to the service or to the
	// server's proxy of the topology.
	Place func(t *testbed.Topology, f function.Function, s function.Spec) error
}

// Name is the form.
func (p Placement) Name() string { return string(p.Form) }

// At reports whether the form can run at the site.
func (p Placement) At(s study.Site) bool { return slices.Contains(p.Sites, s) }

// PlaceAt does what Place does, at the site.
func (p Placement) PlaceAt(t *testbed.Topology, at study.Site, f function.Function, s function.Spec) error {
	if at == study.SiteService || at == study.SiteServer {
		return p.Place(t, f, s)
	}
	own, there := t.Proxy, t.ProxyAt(at)
	if there == nil {
		return fmt.Errorf("place %s at site %s of %s: no proxy is there", f.Name, at, t.Name)
	}
	t.Proxy = there
	defer func() { t.Proxy = own }()
	return p.Place(t, f, s)
}

// All lists the placements there are.
func All() []Placement {
	return []Placement{library, native, lua, wasm, wasmGo, dynmod, dynmodGo, external}
}

// prepare gives the proxy what the function's form chooses between there.
func prepare(t *testbed.Topology, f function.Function, s function.Spec) {
	if f.Prepare != nil {
		t.Proxy.Shapes = append(t.Proxy.Shapes, func(r *dataplane.Resources) error { return f.Prepare(s, r) })
	}
}
