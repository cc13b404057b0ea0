package functiontest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// Artefact is what carries out a form: the same thing under two names is one
// form, and not two.
type Artefact struct {
	Form study.Form
	What string // "module", "script", "message", "library"
	ID   string // equal where they are the same
}

// Artefacts are those of the function's forms under the parameters. modules is
// the folder with dynamic modules.
func Artefacts(fn function.Function, spec function.Spec, modules string) ([]Artefact, error) {
	var all []Artefact
	for _, p := range placement.All() {
		if !p.Has(fn) {
			continue
		}
		a, err := artefact(p, fn, spec, modules)
		if err != nil {
			return nil, fmt.Errorf("form %s of %s: %w", p.Form, fn.Name, err)
		}
		all = append(all, a)
	}
	return all, nil
}

func artefact(p placement.Placement, fn function.Function, spec function.Spec, modules string) (Artefact, error) {
	switch p.Form {
	case study.FormLibrary:
		return Artefact{p.Form, "library", "in the application"}, nil
	case study.FormWasm:
		return Artefact{p.Form, "module", digest(fn.Wasm.Module)}, nil
	case study.FormWasmGo:
		return Artefact{p.Form, "module", digest(fn.WasmGo.Module)}, nil
	case study.FormDynmod, study.FormDynmodGo:
		d := fn.Dynmod
		if p.Form == study.FormDynmodGo {
			d = fn.DynmodGo
		}
		object, err := os.ReadFile(filepath.Join(modules, "lib"+d.Module+".so"))
		return Artefact{p.Form, "module", digest(object)}, err
	case study.FormLua:
		script, err := fn.Lua.Script(spec)
		return Artefact{p.Form, "script", digest([]byte(script))}, err
	}
	message, err := message(p, fn, spec)
	return Artefact{p.Form, "message", message}, err
}

// message is what the proxy is told in the form: its filters, or that it is
// shaped.
func message(p placement.Placement, fn function.Function, spec function.Spec) (string, error) {
	x := testbed.Topology{Name: fn.Name, Proxy: &dataplane.Proxy{Hosts: []dataplane.VirtualHost{{
		Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}}}}}}
	if err := p.Place(&x, fn, spec); err != nil {
		return "", err
	}
	id := ""
	for _, f := range x.Proxy.Filters {
		id += f.Config.GetTypeUrl() + " " + digest(f.Config.GetValue()) + " "
	}
	for _, h := range x.Proxy.Hosts {
		for _, r := range h.Routes {
			for _, name := range slices.Sorted(maps.Keys(r.Overrides)) {
				id += r.Path + " " + digest(r.Overrides[name].GetValue()) + " "
			}
		}
	}
	return fmt.Sprintf("%s%d shapes", id, len(x.Proxy.Shapes)), nil
}

func digest(b []byte) string { return fmt.Sprintf("%.12x", sha256.Sum256(b)) }

// Distinct finds fault with forms that differ in name alone.
func Distinct(all []Artefact) error {
	var faults []error
	for i, a := range all {
		if a.ID == "" || a.ID == digest(nil) {
			faults = append(faults, fmt.Errorf("form %s is an empty %s", a.Form, a.What))
		}
		for _, b := range all[:i] {
			if a.What == b.What && a.ID == b.ID {
				faults = append(faults, fmt.Errorf("forms %s and %s are the same %s %s", b.Form, a.Form, a.What, a.ID))
			}
		}
	}
	return errors.Join(faults...)
}
