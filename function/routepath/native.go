package routepath

import (
	"fmt"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape gives every virtual host a route for each rule, and one for the rest,
// in place of what is there; and the proxy a cluster for each service.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	if err := r.SplitServices(Services); err != nil {
		return fmt.Errorf("route-path: %w", err)
	}
	for _, h := range r.Routes.GetVirtualHosts() {
		h.Routes = nil
		for _, rule := range s.Rules {
			h.Routes = append(h.Routes, rule.route())
		}
		h.Routes = append(h.Routes, &routev3.Route{Match: dataplane.AnyPath(), Action: dataplane.Forward(0)})
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
	return &routev3.Route{Match: m, Action: dataplane.Forward(r.Service)}
}
