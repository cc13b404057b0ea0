package failover

import (
	"fmt"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape puts the replicas into a locality for each priority.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	cluster, endpoints, err := r.Cluster(dataplane.ServiceCluster)
	if err != nil {
		return fmt.Errorf("failover: %w", err)
	}
	var all []*endpointv3.LbEndpoint
	for _, group := range endpoints.GetEndpoints() {
		all = append(all, group.GetLbEndpoints()...)
	}
	if len(all) != Replicas {
		return fmt.Errorf("failover: %d replicas, want %d", len(all), Replicas)
	}
	groups := make([]*endpointv3.LocalityLbEndpoints, slices.Max(s.Priorities)+1)
	for p := range groups {
		groups[p] = &endpointv3.LocalityLbEndpoints{Priority: uint32(p), Locality: &corev3.Locality{Zone: fmt.Sprintf("zone-%d", p)}}
	}
	for i, e := range all {
		if !s.healthy(i) {
			e.HealthStatus = corev3.HealthStatus_UNHEALTHY
		}
		g := groups[s.Priorities[i]]
		g.LbEndpoints = append(g.LbEndpoints, e)
	}
	endpoints.Endpoints = groups
	endpoints.Policy = &endpointv3.ClusterLoadAssignment_Policy{OverprovisioningFactor: wrapperspb.UInt32(uint32(s.Overprovisioning))}
	dataplane.Panic(cluster, float64(s.Panic))
	return nil
}
