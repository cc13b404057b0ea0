package placement

import (
	"fmt"

	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// wasm and wasmGo run in the proxy as a proxy-wasm module, at the end of the
// chain: one from Rust, one from Go.
var (
	wasm   = module(study.FormWasm, func(f function.Function) *function.Wasm { return f.Wasm })
	wasmGo = module(study.FormWasmGo, func(f function.Function) *function.Wasm { return f.WasmGo })
)

func module(form study.Form, of func(function.Function) *function.Wasm) Placement {
	return Placement{
		Form:  form,
		Sites: study.ProxySites(),
		Has:   func(f function.Function) bool { return of(f) != nil },
		Place: func(t *testbed.Topology, f function.Function, s function.Spec) error {
			if t.Proxy == nil {
				return fmt.Errorf("place %s in the proxy of %s: it has none", f.Name, t.Name)
			}
			config, err := of(f).Config(s)
			if err != nil {
				return fmt.Errorf("configure the %s filter of %s: %w", form, f.Name, err)
			}
			filter, err := xds.WasmFilter(f.Name, of(f).Module, config)
			if err != nil {
				return fmt.Errorf("configure the %s filter of %s: %w", form, f.Name, err)
			}
			t.Proxy.Filters = append(t.Proxy.Filters, filter)
			prepare(t, f, s)
			return nil
		},
	}
}
