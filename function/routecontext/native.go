package routecontext

import (
	"fmt"
	"regexp"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape puts a route for each rule before one for all the rest.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	var routes []*routev3.Route
	for _, rule := range s.Rules {
		m := dataplane.AnyPath()
		for _, c := range rule.When {
			c.addTo(m)
		}
		routes = append(routes, &routev3.Route{Match: m, Action: dataplane.Forward(rule.Service)})
	}
	if err := s.place(r, routes); err != nil || !s.claims() {
		return err
	}
	return r.EachManager(reroute)
}

// reroute has the token check look for the route again: it stands in the chain,
// and the route was chosen before the chain, by what the client says of itself.
func reroute(m *hcmv3.HttpConnectionManager) error {
	for _, f := range m.GetHttpFilters() {
		check := &jwtv3.JwtAuthentication{}
		if !f.GetTypedConfig().MessageIs(check) {
			continue
		}
		if err := f.GetTypedConfig().UnmarshalTo(check); err != nil {
			return fmt.Errorf("route-context: read the token check: %w", err)
		}
		for _, p := range check.GetProviders() {
			p.ClearRouteCache = true
		}
		packed, err := dataplane.Pack(check)
		if err != nil {
			return fmt.Errorf("route-context: %w", err)
		}
		f.ConfigType = &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed}
	}
	return nil
}

// addTo makes the condition one of the match.
func (c Condition) addTo(m *routev3.RouteMatch) {
	switch c.From {
	case Header:
		m.Headers = append(m.Headers, c.header(c.Name))
	case Claim:
		m.Headers = append(m.Headers, c.header(Claims()[c.Name]))
	case Method:
		m.Headers = append(m.Headers, c.header(":method"))
	case Cookie:
		m.Cookies = append(m.Cookies, &routev3.CookieMatcher{Name: c.Name, StringMatch: c.text()})
	case Query:
		m.QueryParameters = append(m.QueryParameters, c.query())
	case Identity:
		m.Headers = append(m.Headers, &routev3.HeaderMatcher{Name: xfccHeader,
			HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: matching(c.xfcc())}})
	}
}

func (c Condition) header(name string) *routev3.HeaderMatcher {
	m := &routev3.HeaderMatcher{Name: name}
	if c.Match == Present {
		m.HeaderMatchSpecifier = &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}
	} else {
		m.HeaderMatchSpecifier = &routev3.HeaderMatcher_StringMatch{StringMatch: c.text()}
	}
	return m
}

func (c Condition) query() *routev3.QueryParameterMatcher {
	m := &routev3.QueryParameterMatcher{Name: c.Name}
	if c.Match == Present {
		m.QueryParameterMatchSpecifier = &routev3.QueryParameterMatcher_PresentMatch{PresentMatch: true}
	} else {
		m.QueryParameterMatchSpecifier = &routev3.QueryParameterMatcher_StringMatch{StringMatch: c.text()}
	}
	return m
}

func (c Condition) text() *matcherv3.StringMatcher {
	switch c.Match {
	case Prefix:
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: c.Value}}
	case Present:
		return matching(".*")
	}
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: c.Value}}
}

func matching(regex string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: regex}}}
}

// xfcc is a regular expression of the whole header: any elements, then one that
// has the URI among its pairs. What stands in quotes is passed over.
func (c Condition) xfcc() string {
	const pair = `[^,;"]*(?:"(?:[^"\\]|\\.)*"[^,;"]*)*`
	uri := regexp.QuoteMeta(c.Value)
	if c.Match != Exact {
		uri += `[^,;"]*`
	}
	return fmt.Sprintf(`(?:%[1]s[,;])*URI=%[2]s(?:;%[1]s)*`, pair, uri)
}
