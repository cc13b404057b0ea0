package discovery

import (
	"fmt"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape leaves the replicas that there are in the service's cluster.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	_, endpoints, err := r.Cluster(dataplane.ServiceCluster)
	if err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	i := 0
	for _, group := range endpoints.GetEndpoints() {
		var there []*endpointv3.LbEndpoint
		for _, e := range group.GetLbEndpoints() {
			if s.present(i) {
				there = append(there, e)
			}
			i++
		}
		group.LbEndpoints = there
	}
	return nil
}
