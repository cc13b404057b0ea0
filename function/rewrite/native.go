package rewrite

import (
	"fmt"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/fullmatch"
)

// shape puts a route for each rule before those that are there. It forwards as
// the last one of them does, which matches everything.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for _, h := range r.Routes.GetVirtualHosts() {
		if len(h.GetRoutes()) == 0 {
			return fmt.Errorf("rewrite: host %s has no route to forward by", h.GetName())
		}
		rest := h.GetRoutes()[len(h.GetRoutes())-1]
		var routes []*routev3.Route
		for _, rule := range s.Rules {
			route := proto.CloneOf(rest)
			route.Match = rule.match()
			if a := route.GetRoute(); a != nil {
				rule.change(a)
			}
			routes = append(routes, route)
		}
		h.Routes = append(routes, h.GetRoutes()...)
	}
	return nil
}

func (r Rule) match() *routev3.RouteMatch {
	if r.Prefix != "" {
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: r.Prefix}}
	}
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: r.Regex}}}
}

func (r Rule) change(a *routev3.RouteAction) {
	if r.Host != "" {
		a.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: r.Host}
	}
	switch {
	case r.To == "":
	case r.Prefix != "":
		a.PrefixRewrite = r.To
	default:
		// Envoy replaces every place that matches: all of the path is one.
		a.RegexRewrite = &matcherv3.RegexMatchAndSubstitute{
			Pattern: &matcherv3.RegexMatcher{Regex: fullmatch.MustCompile(r.Regex).String()}, Substitution: r.To,
		}
	}
}
