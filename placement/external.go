package placement

import (
	"context"
	"encoding/json"
	"fmt"
	"net"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// external runs in a process of its own, which the proxy asks by gRPC: a filter
// at the end of the chain does.
var external = Placement{
	Form:  study.FormExternal,
	Sites: study.ProxySites(),
	Has:   func(f function.Function) bool { return f.External != nil },
	Place: func(t *testbed.Topology, f function.Function, s function.Spec) error {
		if t.Proxy == nil {
			return fmt.Errorf("place %s in the proxy of %s: it has none", f.Name, t.Name)
		}
		if t.Asked != nil {
			return fmt.Errorf("place %s in the proxy of %s: %s is asked there already, and there is one service to ask", f.Name, t.Name, t.Asked.Function)
		}
		c, err := f.External.Config(s)
		if err != nil {
			return fmt.Errorf("configure the external filter of %s: %w", f.Name, err)
		}
		text, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("write the parameters of %s: %w", f.Name, err)
		}
		t.Proxy.Filters = append(t.Proxy.Filters, dataplane.Filter{Name: c.Name, Config: c.Config})
		for i := range t.Proxy.Hosts {
			if err := override(&t.Proxy.Hosts[i], c); err != nil {
				return fmt.Errorf("place %s in the proxy of %s: %w", f.Name, t.Name, err)
			}
		}
		t.Asked = &testbed.Asked{Function: f.Name, Spec: text, Serve: func(ctx context.Context, l net.Listener) error {
			return f.External.Serve(ctx, s, l)
		}}
		prepare(t, f, s)
		return nil
	},
}
