package embedded

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/internal/protofield"
)

// honouredOfRoutes is what is done of route configurations.
var honouredOfRoutes = protofield.Honoured{
	"envoy.config.route.v3.RouteConfiguration": {"name", "virtual_hosts"},
	"envoy.config.route.v3.VirtualHost":        {"name", "domains", "routes"},
	"envoy.config.route.v3.Route":              {"match", "route", "typed_per_filter_config"},
	"envoy.config.route.v3.RouteMatch":         {"path", "prefix"},
	"envoy.config.route.v3.RouteAction":        {"cluster"},
}

type routeSpec struct {
	path, cluster string
	exact         bool
	overrides     []filterSpec
}

type hostSpec struct {
	name    string
	domains []string
	routes  []routeSpec
}

func decodeRoutes(a *anypb.Any) (name string, hosts []hostSpec, err error) {
	rc, err := check(a, &routev3.RouteConfiguration{})
	if err != nil {
		return rc.GetName(), nil, err
	}
	seen := map[string]bool{}
	for _, vh := range rc.GetVirtualHosts() {
		h := hostSpec{name: vh.GetName()}
		for _, d := range vh.GetDomains() {
			d = strings.ToLower(d)
			if d == "" || (d != "*" && strings.Contains(d, "*")) || seen[d] {
				return rc.GetName(), nil, fmt.Errorf("virtual host %s: field domains: %q is given twice or is neither exact nor *", h.name, d)
			}
			seen[d] = true
			h.domains = append(h.domains, d)
		}
		for i, r := range vh.GetRoutes() {
			spec, err := decodeRoute(r)
			if err != nil {
				return rc.GetName(), nil, fmt.Errorf("virtual host %s: field routes[%d]: %w", h.name, i, err)
			}
			h.routes = append(h.routes, spec)
		}
		hosts = append(hosts, h)
	}
	return rc.GetName(), hosts, nil
}

func decodeRoute(r *routev3.Route) (s routeSpec, err error) {
	switch p := r.GetMatch().GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Path:
		s.path, s.exact = p.Path, true
	case *routev3.RouteMatch_Prefix:
		s.path = p.Prefix
	default:
		return s, errors.New("field match: a path or a prefix is required")
	}
	s.cluster = r.GetRoute().GetCluster()
	if s.cluster == "" {
		return s, errors.New("field route.cluster: is required")
	}
	for name, config := range r.GetTypedPerFilterConfig() {
		s.overrides = append(s.overrides, filterSpec{name, config})
	}
	slices.SortFunc(s.overrides, func(a, b filterSpec) int { return strings.Compare(a.name, b.name) })
	return s, nil
}
