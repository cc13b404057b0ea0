package cors

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
)

const (
	// filterName is Envoy's name of the filter.
	filterName = "envoy.filters.http.cors"
	filterURL  = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"
	policyURL  = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy"
)

// config is the filter, which says nothing: what is allowed stands in routes.
func config(function.Spec) (function.FilterConfig, error) {
	packed, err := dataplane.Pack(&corsv3.Cors{})
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("cors: %w", err)
	}
	return function.FilterConfig{Name: filterName, Config: packed}, nil
}

// shape gives every route the policy.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	packed, err := dataplane.Pack(s.policy())
	if err != nil {
		return fmt.Errorf("cors: %w", err)
	}
	for _, h := range r.Routes.GetVirtualHosts() {
		for _, route := range h.GetRoutes() {
			if route.TypedPerFilterConfig == nil {
				route.TypedPerFilterConfig = map[string]*anypb.Any{}
			}
			route.TypedPerFilterConfig[filterName] = packed
		}
	}
	return withOptions(r)
}

// withOptions checks that preflights have a route: one by another method alone
// would leave them without a policy.
func withOptions(r *dataplane.Resources) error {
	for _, h := range r.Routes.GetVirtualHosts() {
		if routes := h.GetRoutes(); len(routes) == 0 || !matchesAll(routes[len(routes)-1].GetMatch()) {
			return fmt.Errorf("cors: host %s has no last route that matches everything: its preflights would get no answer", h.GetName())
		}
	}
	return nil
}

func matchesAll(m *routev3.RouteMatch) bool {
	return m.GetPrefix() == "/" && len(m.GetHeaders()) == 0 && len(m.GetQueryParameters()) == 0
}

func (s Spec) policy() *corsv3.CorsPolicy {
	p := &corsv3.CorsPolicy{
		AllowMethods:                 strings.Join(s.Methods, ","),
		AllowHeaders:                 strings.Join(s.Headers, ","),
		ExposeHeaders:                strings.Join(s.Expose, ","),
		AllowCredentials:             wrapperspb.Bool(s.Credentials),
		ForwardNotMatchingPreflights: wrapperspb.Bool(false),
	}
	if s.MaxAge > 0 {
		p.MaxAge = strconv.Itoa(int(s.MaxAge.Std() / time.Second))
	}
	for _, o := range s.Origins {
		p.AllowOriginStringMatch = append(p.AllowOriginStringMatch, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: o}})
	}
	for _, e := range s.OriginRegex {
		p.AllowOriginStringMatch = append(p.AllowOriginStringMatch, &matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: e}}})
	}
	return p
}

// honoured is what the Go filter understands of Envoy's messages.
func honoured() protofield.Honoured {
	return protofield.Honoured{
		"envoy.extensions.filters.http.cors.v3.Cors": nil,
		"envoy.extensions.filters.http.cors.v3.CorsPolicy": {"allow_origin_string_match", "allow_methods", "allow_headers", "expose_headers",
			"max_age", "allow_credentials", "forward_not_matching_preflights"},
		"envoy.type.matcher.v3.StringMatcher": {"exact", "safe_regex"},
		"envoy.type.matcher.v3.RegexMatcher":  {"regex"},
	}
}

// newFilter makes the Go filter for routes without a policy: it does nothing.
func newFilter(packed *anypb.Any) (function.Filter, error) {
	var m corsv3.Cors
	if err := packed.UnmarshalTo(&m); err != nil {
		return nil, fmt.Errorf("read cors: %w", err)
	}
	if err := protofield.Check(&m, honoured()); err != nil {
		return nil, fmt.Errorf("cors: %w", err)
	}
	return nothing{}, nil
}

// newPolicy makes the Go filter of a route's policy.
func newPolicy(packed *anypb.Any) (function.Filter, error) {
	var m corsv3.CorsPolicy
	if err := packed.UnmarshalTo(&m); err != nil {
		return nil, fmt.Errorf("read cors policy: %w", err)
	}
	if err := protofield.Check(&m, honoured()); err != nil {
		return nil, fmt.Errorf("cors policy: %w", err)
	}
	if m.GetForwardNotMatchingPreflights() == nil || m.GetForwardNotMatchingPreflights().GetValue() {
		return nil, fmt.Errorf("cors policy: field forward_not_matching_preflights: only false is supported")
	}
	f := &filter{credentials: m.GetAllowCredentials().GetValue()}
	for header, value := range map[string]string{"access-control-allow-methods": m.GetAllowMethods(),
		"access-control-allow-headers": m.GetAllowHeaders(), "access-control-max-age": m.GetMaxAge()} {
		if value != "" {
			f.preflight = append(f.preflight, field{header, []byte(value)})
		}
	}
	f.expose = []byte(m.GetExposeHeaders())
	for i, o := range m.GetAllowOriginStringMatch() {
		var e string
		switch p := o.GetMatchPattern().(type) {
		case *matcherv3.StringMatcher_Exact:
			f.exact = append(f.exact, p.Exact)
			continue
		case *matcherv3.StringMatcher_SafeRegex:
			e = p.SafeRegex.GetRegex()
		}
		if err := f.expression(e); err != nil {
			return nil, fmt.Errorf("cors policy: field allow_origin_string_match[%d]: %w", i, err)
		}
	}
	return f, nil
}
