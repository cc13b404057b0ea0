package placement

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// lua runs in the proxy as a script of the lua filter, at the end of the chain.
// The script stands in the message, with the parameters in it.
var lua = Placement{
	Form:  study.FormLua,
	Sites: study.ProxySites(),
	Has:   func(f function.Function) bool { return f.Lua != nil },
	Place: func(t *testbed.Topology, f function.Function, s function.Spec) error {
		if t.Proxy == nil {
			return fmt.Errorf("place %s in the proxy of %s: it has none", f.Name, t.Name)
		}
		script, err := f.Lua.Script(s)
		if err != nil {
			return fmt.Errorf("write the script of %s: %w", f.Name, err)
		}
		config, err := dataplane.Pack(&luav3.Lua{DefaultSourceCode: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineString{InlineString: script},
		}})
		if err != nil {
			return fmt.Errorf("configure the lua filter of %s: %w", f.Name, err)
		}
		t.Proxy.Filters = append(t.Proxy.Filters, dataplane.Filter{Name: "envoy.filters.http.lua." + f.Name, Config: config})
		prepare(t, f, s)
		return nil
	},
}
