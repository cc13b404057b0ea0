package balanceroundrobin

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape gives the service's cluster the policy, and its endpoints their weights.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	cluster, endpoints, err := r.Cluster(dataplane.ServiceCluster)
	if err != nil {
		return fmt.Errorf("balance-round-robin: %w", err)
	}
	cluster.LbPolicy = clusterv3.Cluster_ROUND_ROBIN
	i := 0
	for _, group := range endpoints.GetEndpoints() {
		for _, e := range group.GetLbEndpoints() {
			if len(s.Weights) > 0 && i < Replicas {
				e.LoadBalancingWeight = wrapperspb.UInt32(uint32(s.Weights[i]))
			}
			i++
		}
	}
	if len(s.Weights) > 0 && i != len(s.Weights) {
		return fmt.Errorf("balance-round-robin: %d weights for %d replicas", len(s.Weights), i)
	}
	return nil
}
