package routepath

import (
	"fmt"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape puts a route for each rule before the ones that are there, and a
// cluster for each service.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := specOf(spec)
	if err != nil {
		return err
	}
	for i := range Services {
		if _, _, err := r.Subset(dataplane.ServiceCluster, clusterOf(i), i); err != nil {
			return fmt.Errorf("route-path: %w", err)
		}
	}
	for _, h := range r.Routes.GetVirtualHosts() {
		var routes []*routev3.Route
		for _, rule := range s.Rules {
			routes = append(routes, rule.route())
		}
		rest := &routev3.Route{Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}, Action: to(0)}
		h.Routes = append(routes, rest)
	}
	return nil
}

func (r Rule) route() *routev3.Route {
	m := &routev3.RouteMatch{}
	switch {
	case r.Path != "":
		m.PathSpecifier = &routev3.RouteMatch_Path{Path: r.Path}
	case r.Prefix != "":
		m.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: r.Prefix}
	default:
		m.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: r.Regex}}
	}
	return &routev3.Route{Match: m, Action: to(r.Service)}
}

func clusterOf(service int) string { return fmt.Sprintf("service-%d", service) }

func to(service int) *routev3.Route_Route {
	return &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: clusterOf(service)}}}
}
