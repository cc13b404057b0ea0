package dataplane

import (
	"fmt"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// ServiceOf is the cluster of the service at a place among the replicas, from
// 0, once SplitServices has made it.
func ServiceOf(place int) string { return fmt.Sprintf("service-%d", place) }

// SplitServices adds a cluster for each of the first n replicas of the service:
// they are services of their own, for functions that choose between some.
func (r *Resources) SplitServices(n int) error {
	for i := range n {
		if _, _, err := r.Subset(ServiceCluster, ServiceOf(i), i); err != nil {
			return err
		}
	}
	return nil
}

// Forward is the action of a route that sends to the service at a place.
func Forward(place int) *routev3.Route_Route {
	return &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: ServiceOf(place)}}}
}

// AnyPath matches every request, and is the beginning of narrower matches.
func AnyPath() *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}
}
