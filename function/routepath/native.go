package routepath

import (
	"fmt"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape puts a route for each rule before those that are there, and a cluster
// for each service. A route of one path, such as a filter has for its own
// parameters there, stays before the rules and goes where they would send it.
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
		var exact, rules, rest []*routev3.Route
		for _, old := range h.GetRoutes() {
			if path := old.GetMatch().GetPath(); path != "" {
				old.Action = to(s.service(path))
				exact = append(exact, old)
				continue
			}
			old.Action = to(0)
			rest = append(rest, old)
		}
		for _, rule := range s.Rules {
			rules = append(rules, rule.route())
		}
		h.Routes = slices.Concat(exact, rules, rest)
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
