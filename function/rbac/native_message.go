package rbac

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/fullmatch"
	"github.com/taremesh/tare/internal/protofield"
)

// honoured is what the Go filter understands of Envoy's message.
func honoured() protofield.Honoured {
	const rbac, matcher = "envoy.config.rbac.v3.", "envoy.type.matcher.v3."
	return protofield.Honoured{
		"envoy.extensions.filters.http.rbac.v3.RBAC": {"rules"},
		rbac + "RBAC":                         {"action", "policies"},
		rbac + "Policy":                       {"permissions", "principals"},
		rbac + "Permission":                   {"and_rules", "or_rules", "not_rule", "any", "header", "url_path"},
		rbac + "Permission.Set":               {"rules"},
		rbac + "Principal":                    {"and_ids", "or_ids", "not_id", "any", "header", "url_path", "direct_remote_ip", "authenticated"},
		rbac + "Principal.Set":                {"ids"},
		rbac + "Principal.Authenticated":      {"principal_name"},
		matcher + "PathMatcher":               {"path"},
		matcher + "StringMatcher":             {"exact", "prefix", "suffix", "contains", "safe_regex"},
		matcher + "RegexMatcher":              {"regex"},
		"envoy.config.core.v3.CidrRange":      {"address_prefix", "prefix_len"},
		"envoy.config.route.v3.HeaderMatcher": {"name", "string_match", "present_match"},
	}
}

// newFilter makes the Go filter of a message.
func newFilter(packed *anypb.Any) (function.Filter, error) {
	m := new(filterv3.RBAC)
	if err := packed.UnmarshalTo(m); err != nil {
		return nil, fmt.Errorf("read access control: %w", err)
	}
	if err := protofield.Check(m, honoured()); err != nil {
		return nil, fmt.Errorf("access control: %w", err)
	}
	if m.GetRules() == nil {
		return nil, fmt.Errorf("access control: field rules: is required: without it Envoy lets everything pass")
	}
	f, err := compile(m.GetRules())
	if err != nil {
		return nil, fmt.Errorf("access control: field rules.%w", err)
	}
	return f, nil
}

func compile(m *rbacv3.RBAC) (*filter, error) {
	f := &filter{deny: m.GetAction() == rbacv3.RBAC_DENY}
	if !f.deny && m.GetAction() != rbacv3.RBAC_ALLOW {
		return nil, fmt.Errorf("action: %v is not supported, ALLOW and DENY are", m.GetAction())
	}
	for _, name := range slices.Sorted(maps.Keys(m.GetPolicies())) {
		var p policy
		var err error
		if p.permissions, err = each(m.GetPolicies()[name].GetPermissions(), permission); err != nil {
			return nil, fmt.Errorf("policies[%q].permissions%w", name, err)
		}
		if p.principals, err = each(m.GetPolicies()[name].GetPrincipals(), principal); err != nil {
			return nil, fmt.Errorf("policies[%q].principals%w", name, err)
		}
		f.policies = append(f.policies, p)
	}
	return f, nil
}

// each compiles a list.
func each[M any](ms []M, read func(M) (condition, error)) (all []condition, err error) {
	if len(ms) == 0 {
		return nil, fmt.Errorf(": none: at least one is needed")
	}
	for i, m := range ms {
		c, err := read(m)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		all = append(all, c)
	}
	return all, nil
}

func permission(m *rbacv3.Permission) (condition, error) {
	switch r := m.GetRule().(type) {
	case *rbacv3.Permission_AndRules:
		all, err := each(r.AndRules.GetRules(), permission)
		return func(q request) bool { return every(all, q) }, err
	case *rbacv3.Permission_OrRules:
		all, err := each(r.OrRules.GetRules(), permission)
		return func(q request) bool { return some(all, q) }, err
	case *rbacv3.Permission_NotRule:
		return inverse(permission(r.NotRule))
	case *rbacv3.Permission_Any:
		return anything(r.Any)
	case *rbacv3.Permission_Header:
		return onHeader(r.Header)
	case *rbacv3.Permission_UrlPath:
		return onPath(r.UrlPath)
	}
	return nil, fmt.Errorf("says nothing")
}

func principal(m *rbacv3.Principal) (condition, error) {
	switch r := m.GetIdentifier().(type) {
	case *rbacv3.Principal_AndIds:
		all, err := each(r.AndIds.GetIds(), principal)
		return func(q request) bool { return every(all, q) }, err
	case *rbacv3.Principal_OrIds:
		all, err := each(r.OrIds.GetIds(), principal)
		return func(q request) bool { return some(all, q) }, err
	case *rbacv3.Principal_NotId:
		return inverse(principal(r.NotId))
	case *rbacv3.Principal_Any:
		return anything(r.Any)
	case *rbacv3.Principal_Header:
		return onHeader(r.Header)
	case *rbacv3.Principal_UrlPath:
		return onPath(r.UrlPath)
	case *rbacv3.Principal_DirectRemoteIp:
		return onSource(r.DirectRemoteIp)
	case *rbacv3.Principal_Authenticated_:
		return onIdentity(r.Authenticated)
	}
	return nil, fmt.Errorf("says nothing")
}

func inverse(c condition, err error) (condition, error) {
	return func(q request) bool { return !c(q) }, err
}

func anything(is bool) (condition, error) {
	if !is {
		return nil, fmt.Errorf("any: must be true")
	}
	return func(request) bool { return true }, nil
}

func onHeader(m *routev3.HeaderMatcher) (condition, error) {
	name := strings.ToLower(m.GetName())
	is := func([]byte) bool { return true }
	switch at := m.GetHeaderMatchSpecifier().(type) {
	case *routev3.HeaderMatcher_PresentMatch:
		if !at.PresentMatch {
			return inverse(func(q request) bool { return q.some(name, is) }, nil)
		}
	case *routev3.HeaderMatcher_StringMatch:
		var err error
		if is, err = text(at.StringMatch); err != nil {
			return nil, fmt.Errorf("header.string_match: %w", err)
		}
	default:
		return nil, fmt.Errorf("header: neither string_match nor present_match")
	}
	return func(q request) bool { return q.some(name, is) }, nil
}

func onPath(m *matcherv3.PathMatcher) (condition, error) {
	is, err := text(m.GetPath())
	if err != nil {
		return nil, fmt.Errorf("url_path.path: %w", err)
	}
	return func(q request) bool { return is(q.path()) }, nil
}

func onSource(m *corev3.CidrRange) (condition, error) {
	addr, err := netip.ParseAddr(m.GetAddressPrefix())
	if err != nil {
		return nil, fmt.Errorf("direct_remote_ip.address_prefix: %w", err)
	}
	p := netip.PrefixFrom(addr, int(m.GetPrefixLen().GetValue()))
	if !p.IsValid() {
		return nil, fmt.Errorf("direct_remote_ip.prefix_len: %d is too long for %s", m.GetPrefixLen().GetValue(), addr)
	}
	return within(p.Masked()), nil
}

func onIdentity(m *rbacv3.Principal_Authenticated) (condition, error) {
	if m.GetPrincipalName() == nil {
		return nil, fmt.Errorf("authenticated.principal_name: is required")
	}
	is, err := text(m.GetPrincipalName())
	if err != nil {
		return nil, fmt.Errorf("authenticated.principal_name: %w", err)
	}
	return func(q request) bool {
		return slices.ContainsFunc(q.peer().URIs, func(uri string) bool { return is([]byte(uri)) })
	}, nil
}

// text compiles a comparison of texts.
func text(m *matcherv3.StringMatcher) (func([]byte) bool, error) {
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		return func(b []byte) bool { return string(b) == p.Exact }, nil
	case *matcherv3.StringMatcher_Prefix:
		return func(b []byte) bool { return len(b) >= len(p.Prefix) && string(b[:len(p.Prefix)]) == p.Prefix }, nil
	case *matcherv3.StringMatcher_Suffix:
		return func(b []byte) bool { return strings.HasSuffix(string(b), p.Suffix) }, nil
	case *matcherv3.StringMatcher_Contains:
		return func(b []byte) bool { return strings.Contains(string(b), p.Contains) }, nil
	case *matcherv3.StringMatcher_SafeRegex:
		r, err := fullmatch.Compile(p.SafeRegex.GetRegex())
		if err != nil {
			return nil, fmt.Errorf("safe_regex: %w", err)
		}
		return r.Match, nil
	}
	return nil, fmt.Errorf("no pattern that is supported")
}
