package xds_test

import (
	"fmt"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/xds"
)

// The resources of a proxy that sends everything to one cluster.
func ExampleResources() {
	b, err := xds.Resources(dataplane.Proxy{
		Listen: "127.0.0.1:20001",
		Hosts: []dataplane.VirtualHost{{
			Name:    "all",
			Domains: []string{"*"},
			Routes:  []dataplane.Route{{Path: "/", Cluster: "service"}},
		}},
		Clusters: []dataplane.Cluster{{Name: "service", Endpoints: []string{"127.0.0.1:20002"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(b.Listener.GetName(), b.Routes.GetName(), b.Clusters[0].GetName(), b.Assignments[0].GetClusterName())
	// Output: listener routes service service
}
