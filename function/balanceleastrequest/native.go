package balanceleastrequest

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape gives the service's cluster the policy.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	cluster, _, err := r.Cluster(dataplane.ServiceCluster)
	if err != nil {
		return fmt.Errorf("balance-least-request: %w", err)
	}
	cluster.LbPolicy = clusterv3.Cluster_LEAST_REQUEST
	cluster.LbConfig = &clusterv3.Cluster_LeastRequestLbConfig_{LeastRequestLbConfig: &clusterv3.Cluster_LeastRequestLbConfig{
		ChoiceCount: wrapperspb.UInt32(uint32(s.choices())),
	}}
	return nil
}
