package routecontext

import (
	"fmt"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// RouteHeader is where the forms that choose no cluster say the service, as
// dataplane.ServiceOf names it. They set it on every request, so that a client's
// own is never believed.
const RouteHeader = "x-tare-route"

const xfccHeader = "x-forwarded-client-cert"

// prepare gives the proxy a route for each value of RouteHeader, and the
// clusters.
func prepare(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	var routes []*routev3.Route
	for i := range Services {
		m := dataplane.AnyPath()
		m.Headers = []*routev3.HeaderMatcher{{Name: RouteHeader, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{
			StringMatch: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: dataplane.ServiceOf(i)}}}}}
		routes = append(routes, &routev3.Route{Match: m, Action: dataplane.Forward(i)})
	}
	return s.place(r, routes)
}

// place gives every virtual host these routes and one for the rest, and has
// the proxy write who calls where rules ask for it.
func (s Spec) place(r *dataplane.Resources, routes []*routev3.Route) error {
	if err := r.SplitServices(Services); err != nil {
		return fmt.Errorf("route-context: %w", err)
	}
	routes = append(routes, &routev3.Route{Match: dataplane.AnyPath(), Action: dataplane.Forward(0)})
	for _, h := range r.Routes.GetVirtualHosts() {
		h.Routes = nil
		for _, route := range routes {
			h.Routes = append(h.Routes, proto.CloneOf(route)) // other functions may change them, host by host
		}
	}
	if !s.identities() {
		return nil
	}
	return r.EachManager(func(m *hcmv3.HttpConnectionManager) error {
		if s.Forwarded {
			m.ForwardClientCertDetails = hcmv3.HttpConnectionManager_ALWAYS_FORWARD_ONLY
			return nil
		}
		m.ForwardClientCertDetails = hcmv3.HttpConnectionManager_SANITIZE_SET
		m.SetCurrentClientCertDetails = &hcmv3.HttpConnectionManager_SetCurrentClientCertDetails{Uri: true}
		return nil
	})
}
