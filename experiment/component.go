package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

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
	if a.function != nil {
		out = append(out, Component{Role: RoleFunction, Name: a.function.Name})
	}
	for _, t := range a.Topologies {
		if t.Proxy == nil {
			continue
		}
		for _, f := range t.Proxy.Filters {
			name, module, err := xds.WasmModule(f)
			if err != nil {
				return nil, fmt.Errorf("list the components of %s: %w", t.Name, err)
			}
			if module == nil {
				continue
			}
			sum := sha256.Sum256(module)
			c := Component{RoleModule, name, hex.EncodeToString(sum[:])}
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out, nil
}
