package placement

import (
	"encoding/json"
	"fmt"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
)

// library runs in the application: in the one that is called, as middleware, or
// in the one that calls, around its client.
var library = Placement{
	Form:  study.FormLibrary,
	Sites: []study.Site{study.SiteService},
	Has:   func(f function.Function) bool { return f.Library != nil },
	Place: func(t *testbed.Topology, f function.Function, s function.Spec) error {
		text, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("write the parameters of %s: %w", f.Name, err)
		}
		placed := workload.Placed{Name: f.Name, Spec: text}
		switch {
		case f.Library.Transport == nil:
			t.Service.Functions = append(t.Service.Functions, placed)
		case t.Relay == nil:
			return fmt.Errorf("place %s in the application that calls the service of %s: there is none; put it on a treatment with control: relay", f.Name, t.Name)
		default:
			t.Relay.Functions = append(t.Relay.Functions, placed)
		}
		return nil
	},
}
