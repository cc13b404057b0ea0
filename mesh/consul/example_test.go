package consul_test

import (
	"fmt"
	"os"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/mesh/consul"
	"github.com/taremesh/tare/testbed"
)

func Example() {
	l, err := process.NewLauncher("")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	b := consul.New(l, func() (string, error) { return consul.Find(os.Getenv) }, catalog.FindEnvoy)
	for _, t := range []testbed.Topology{
		{Name: "direct"}, // off the mesh
		{Name: "router", DataPlane: "envoy", Proxy: &dataplane.Proxy{}},
		{Name: "ours", DataPlane: "embedded", Proxy: &dataplane.Proxy{}},
	} {
		fmt.Println(t.Name, b.Check(t))
	}
	// Output:
	// direct <nil>
	// router <nil>
	// ours its proxies are on the data plane "embedded", and Consul's sidecars are Envoys: write dataplane: envoy
}
