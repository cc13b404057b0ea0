package rbac

import (
	"fmt"
	"net/netip"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

const (
	// filterName is Envoy's name of the filter.
	filterName = "envoy.filters.http.rbac"
	typeURL    = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
)

// config translates the parameters into Envoy's access control.
func config(spec function.Spec) (function.FilterConfig, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return function.FilterConfig{}, err
	}
	packed, err := dataplane.Pack(&filterv3.RBAC{Rules: s.message()})
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("rbac: %w", err)
	}
	return function.FilterConfig{Name: filterName, Config: packed}, nil
}

func (s Spec) message() *rbacv3.RBAC {
	m := &rbacv3.RBAC{Action: rbacv3.RBAC_ALLOW, Policies: map[string]*rbacv3.Policy{}}
	if s.Action == Deny {
		m.Action = rbacv3.RBAC_DENY
	}
	for _, p := range s.Policies {
		m.Policies[p.Name] = p.message()
	}
	return m
}

func (p Policy) message() *rbacv3.Policy {
	m := &rbacv3.Policy{}
	for _, x := range p.Permissions {
		m.Permissions = append(m.Permissions, x.message())
	}
	for _, x := range p.Principals {
		m.Principals = append(m.Principals, x.message())
	}
	if len(m.Permissions) == 0 {
		m.Permissions = []*rbacv3.Permission{{Rule: &rbacv3.Permission_Any{Any: true}}}
	}
	if len(m.Principals) == 0 {
		m.Principals = []*rbacv3.Principal{{Identifier: &rbacv3.Principal_Any{Any: true}}}
	}
	return m
}

func (p Permission) message() *rbacv3.Permission {
	var all []*rbacv3.Permission
	if m := p.pathMatcher(); m != nil {
		all = append(all, &rbacv3.Permission{Rule: &rbacv3.Permission_UrlPath{UrlPath: &matcherv3.PathMatcher{
			Rule: &matcherv3.PathMatcher_Path{Path: m}}}})
	}
	if len(p.Methods) > 0 {
		var any []*rbacv3.Permission
		for _, method := range p.Methods {
			any = append(any, &rbacv3.Permission{Rule: &rbacv3.Permission_Header{Header: (&Header{Name: ":method", Exact: method}).message()}})
		}
		all = append(all, &rbacv3.Permission{Rule: &rbacv3.Permission_OrRules{OrRules: &rbacv3.Permission_Set{Rules: any}}})
	}
	if p.Header != nil {
		all = append(all, &rbacv3.Permission{Rule: &rbacv3.Permission_Header{Header: p.Header.message()}})
	}
	return &rbacv3.Permission{Rule: &rbacv3.Permission_AndRules{AndRules: &rbacv3.Permission_Set{Rules: all}}}
}

func (p Permission) pathMatcher() *matcherv3.StringMatcher {
	switch {
	case p.Path != "":
		return exactly(p.Path)
	case p.Prefix != "":
		return beginning(p.Prefix)
	case p.Regex != "":
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: p.Regex}}}
	}
	return nil
}

func (p Principal) message() *rbacv3.Principal {
	var all []*rbacv3.Principal
	for _, h := range p.headers() {
		all = append(all, &rbacv3.Principal{Identifier: &rbacv3.Principal_Header{Header: h.message()}})
	}
	if p.SPIFFE != "" {
		all = append(all, &rbacv3.Principal{Identifier: &rbacv3.Principal_Authenticated_{
			Authenticated: &rbacv3.Principal_Authenticated{PrincipalName: exactly(p.SPIFFE)}}})
	}
	if p.Source != "" {
		prefix := netip.MustParsePrefix(p.Source) // Decode has
		all = append(all, &rbacv3.Principal{Identifier: &rbacv3.Principal_DirectRemoteIp{DirectRemoteIp: &corev3.CidrRange{
			AddressPrefix: prefix.Addr().String(), PrefixLen: wrapperspb.UInt32(uint32(prefix.Bits()))}}})
	}
	is := &rbacv3.Principal{Identifier: &rbacv3.Principal_AndIds{AndIds: &rbacv3.Principal_Set{Ids: all}}}
	if p.Not {
		return &rbacv3.Principal{Identifier: &rbacv3.Principal_NotId{NotId: is}}
	}
	return is
}

// headers are the conditions on headers, those that the token check sets among them.
func (p Principal) headers() (all []*Header) {
	if p.User != "" {
		all = append(all, &Header{Name: function.UserHeader, Exact: p.User})
	}
	if p.Subscription != "" {
		all = append(all, &Header{Name: function.SubscriptionHeader, Exact: p.Subscription})
	}
	if p.Header != nil {
		all = append(all, p.Header)
	}
	return all
}

func (h *Header) message() *routev3.HeaderMatcher {
	m := &routev3.HeaderMatcher{Name: h.Name}
	switch {
	case h.Exact != "":
		m.HeaderMatchSpecifier = &routev3.HeaderMatcher_StringMatch{StringMatch: exactly(h.Exact)}
	case h.Prefix != "":
		m.HeaderMatchSpecifier = &routev3.HeaderMatcher_StringMatch{StringMatch: beginning(h.Prefix)}
	default:
		m.HeaderMatchSpecifier = &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}
	}
	return m
}

func exactly(text string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: text}}
}

func beginning(text string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: text}}
}
