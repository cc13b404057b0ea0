package placement

import (
	"fmt"
	"strings"

	dynmodv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/dynamic_modules/v3"
	dynmodfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/dynamic_modules/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// dynmod and dynmodGo run in the proxy as a dynamic module of Envoy's, at the
// end of the chain: one from Rust, one from Go.
var (
	dynmod   = shared(study.FormDynmod, func(f function.Function) *function.Dynmod { return f.Dynmod })
	dynmodGo = shared(study.FormDynmodGo, func(f function.Function) *function.Dynmod { return f.DynmodGo })
)

func shared(form study.Form, of func(function.Function) *function.Dynmod) Placement {
	return Placement{
		Form:  form,
		Sites: study.ProxySites(),
		On:    envoyAlone,
		Has:   func(f function.Function) bool { return of(f) != nil },
		Place: func(t *testbed.Topology, f function.Function, s function.Spec) error {
			if t.Proxy == nil {
				return fmt.Errorf("place %s in the proxy of %s: it has none", f.Name, t.Name)
			}
			filter, err := dynamic(f.Name, of(f), s)
			if err != nil {
				return fmt.Errorf("configure the %s filter of %s: %w", form, f.Name, err)
			}
			t.Proxy.Filters = append(t.Proxy.Filters, filter)
			prepare(t, f, s)
			return nil
		},
	}
}

// envoyAlone: a shared object runs with all that its process may do.
func envoyAlone(plane string) string {
	if name, _, _ := strings.Cut(plane, "@"); name == "envoy" {
		return ""
	}
	return "cannot: the embedded data plane loads no foreign code into its own process"
}

// dynamic is the filter of a module. It stays loaded until the process ends:
// Go's runtime cannot be unloaded.
func dynamic(name string, d *function.Dynmod, s function.Spec) (dataplane.Filter, error) {
	text, err := d.Config(s)
	if err != nil {
		return dataplane.Filter{}, err
	}
	given, err := dataplane.Pack(wrapperspb.Bytes(text))
	if err != nil {
		return dataplane.Filter{}, err
	}
	config, err := dataplane.Pack(&dynmodfilterv3.DynamicModuleFilter{
		DynamicModuleConfig: &dynmodv3.DynamicModuleConfig{Name: d.Module, DoNotClose: true},
		FilterName:          name,
		FilterConfig:        given,
	})
	return dataplane.Filter{Name: "envoy.filters.http.dynamic_modules." + name, Config: config}, err
}
