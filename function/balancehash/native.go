package balancehash

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape gives the service's cluster the policy, and its routes the key.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	cluster, endpoints, err := r.Cluster(dataplane.ServiceCluster)
	if err != nil {
		return fmt.Errorf("balance-hash: %w", err)
	}
	cluster.LbPolicy = clusterv3.Cluster_RING_HASH
	if s.Table == Maglev {
		cluster.LbPolicy = clusterv3.Cluster_MAGLEV
	}
	i := 0
	for _, group := range endpoints.GetEndpoints() {
		var stay []*endpointv3.LbEndpoint
		for _, e := range group.GetLbEndpoints() {
			if s.stays(i) {
				stay = append(stay, e)
			}
			i++
		}
		group.LbEndpoints = stay
	}
	return r.EachRoute(func(_ *routev3.Route, a *routev3.RouteAction) error {
		if a.GetCluster() == dataplane.ServiceCluster {
			a.HashPolicy = []*routev3.RouteAction_HashPolicy{s.policy()}
		}
		return nil
	})
}

func (s Spec) policy() *routev3.RouteAction_HashPolicy {
	p := &routev3.RouteAction_HashPolicy{}
	switch {
	case s.Header != "":
		p.PolicySpecifier = &routev3.RouteAction_HashPolicy_Header_{Header: &routev3.RouteAction_HashPolicy_Header{HeaderName: s.Header}}
	case s.Cookie != "":
		p.PolicySpecifier = &routev3.RouteAction_HashPolicy_Cookie_{Cookie: &routev3.RouteAction_HashPolicy_Cookie{Name: s.Cookie}}
	default:
		p.PolicySpecifier = &routev3.RouteAction_HashPolicy_QueryParameter_{QueryParameter: &routev3.RouteAction_HashPolicy_QueryParameter{Name: s.Query}}
	}
	return p
}
