package placement

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// native runs in the proxy, as the data plane's own filter, at the end of the chain.
var native = Placement{
	Form:  study.FormNative,
	Sites: study.ProxySites(),
	Has:   func(f function.Function) bool { return f.Native != nil },
	Place: func(t *testbed.Topology, f function.Function, s function.Spec) error {
		if t.Proxy == nil {
			return fmt.Errorf("place %s in the proxy of %s: it has none", f.Name, t.Name)
		}
		if shape := f.Native.Shape; shape != nil {
			t.Proxy.Shapes = append(t.Proxy.Shapes, func(r *dataplane.Resources) error { return shape(s, r) })
		}
		if f.Native.Config == nil {
			return nil
		}
		c, err := f.Native.Config(s)
		if err != nil {
			return fmt.Errorf("configure the native filter of %s: %w", f.Name, err)
		}
		t.Proxy.Filters = append(t.Proxy.Filters, dataplane.Filter{Name: c.Name, Config: c.Config})
		for i := range t.Proxy.Hosts {
			if err := override(&t.Proxy.Hosts[i], c); err != nil {
				return fmt.Errorf("place %s in the proxy of %s: %w", f.Name, t.Name, err)
			}
		}
		return nil
	},
}

// override gives the filter's routes their own configuration. A path without a
// route gets one, before all others, to the cluster of the last route (which
// matches everything).
func override(h *dataplane.VirtualHost, c function.FilterConfig) error {
	for _, path := range slices.Sorted(maps.Keys(c.Routes)) {
		i := slices.IndexFunc(h.Routes, func(r dataplane.Route) bool { return r.Exact && r.Path == path })
		if i < 0 && len(h.Routes) == 0 {
			return fmt.Errorf("host %s has no route to put %s beside", h.Name, path)
		}
		if i < 0 {
			i = 0
			rest := h.Routes[len(h.Routes)-1]
			h.Routes = slices.Insert(h.Routes, 0, dataplane.Route{Path: path, Exact: true, Cluster: rest.Cluster})
		}
		if h.Routes[i].Overrides == nil {
			h.Routes[i].Overrides = map[string]*anypb.Any{}
		}
		h.Routes[i].Overrides[c.Name] = c.Routes[path]
	}
	return nil
}
