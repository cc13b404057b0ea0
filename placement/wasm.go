package placement

import (
	"fmt"

	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// wasm runs in the proxy as a proxy-wasm module, at the end of the chain.
var wasm = Placement{
	Form:  study.FormWasm,
	Sites: study.ProxySites(),
	Has:   func(f function.Function) bool { return f.Wasm != nil },
	Place: func(t *testbed.Topology, f function.Function, s function.Spec) error {
		if t.Proxy == nil {
			return fmt.Errorf("place %s in the proxy of %s: it has none", f.Name, t.Name)
		}
		config, err := f.Wasm.Config(s)
		if err != nil {
			return fmt.Errorf("configure the wasm filter of %s: %w", f.Name, err)
		}
		filter, err := xds.WasmFilter(f.Name, f.Wasm.Module, config)
		if err != nil {
			return fmt.Errorf("configure the wasm filter of %s: %w", f.Name, err)
		}
		t.Proxy.Filters = append(t.Proxy.Filters, filter)
		prepare(t, f, s)
		return nil
	},
}
