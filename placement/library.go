package placement

import (
	"encoding/json"
	"fmt"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
)

// library runs in the service process, as middleware.
var library = Placement{
	Form:  study.FormLibrary,
	Sites: []study.Site{study.SiteService},
	Has:   func(f function.Function) bool { return f.Library != nil },
	Place: func(t *testbed.Topology, f function.Function, s function.Spec) error {
		text, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("write the parameters of %s: %w", f.Name, err)
		}
		t.Service.Functions = append(t.Service.Functions, workload.Placed{Name: f.Name, Spec: text})
		return nil
	},
}
