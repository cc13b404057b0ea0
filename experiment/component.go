package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/xds"
)

// Component is a part of an experiment that is no data plane: with Program and
// Planes, the components say what everything was that the figures come from.
type Component struct {
	Role string `json:"role"` // generator, workload, function or module
	Name string `json:"name"`
	// SHA256 is a module's; empty: it is a part of tare, whose digest is in
	// Program.
	SHA256 string `json:"sha256,omitempty"`
}

// The roles of components.
const (
	RoleGenerator = "generator"
	RoleWorkload  = "workload"
	RoleFunction  = "function"
	RoleModule    = "module" // proxy-wasm, in the proxies
)

// Components lists what the apparatus is made of, every module of its proxies
// once.
func (a *Apparatus) Components() ([]Component, error) {
	out := []Component{{Role: RoleGenerator, Name: a.Generator.Name()}, {Role: RoleWorkload, Name: a.workload.Name}}
	add := func(c Component) {
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	if f := a.Plan.Study.Function; f != nil {
		add(Component{Role: RoleFunction, Name: f.Name})
	}
	for _, cs := range a.carried {
		for _, c := range cs {
			add(Component{Role: RoleFunction, Name: c.function.Name})
		}
	}
	for _, t := range a.Topologies {
		for _, p := range t.Proxies() {
			ms, err := modules(p)
			if err != nil {
				return nil, fmt.Errorf("list the components of %s: %w", t.Name, err)
			}
			for _, c := range ms {
				add(c)
			}
		}
	}
	return out, nil
}

// modules lists those of a proxy's filters.
func modules(p *dataplane.Proxy) ([]Component, error) {
	var all []Component
	for _, f := range p.Filters {
		name, module, err := xds.WasmModule(f)
		if err != nil {
			return nil, err
		}
		if module != nil {
			sum := sha256.Sum256(module)
			all = append(all, Component{RoleModule, name, hex.EncodeToString(sum[:])})
		}
	}
	return all, nil
}
