package jwt

import (
	"fmt"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
)

const (
	// filterName is Envoy's name of the filter.
	filterName = "envoy.filters.http.jwt_authn"
	typeURL    = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"

	providerName = "tokens"
	// skewSeconds is the tolerance for clocks. Signer and checker share a
	// clock, but 0 would mean Envoy's 60.
	skewSeconds = 1
)

// config translates the parameters into Envoy's token check. It names the
// Authorization header, since Envoy's default would take a token from the
// query as well. Without a cache every request is verified.
func config(spec function.Spec) (function.FilterConfig, error) {
	s, err := specOf(spec)
	if err != nil {
		return function.FilterConfig{}, err
	}
	packed, err := anypb.New(s.message())
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("jwt: pack message: %w", err)
	}
	return function.FilterConfig{Name: filterName, Config: packed}, nil
}

func (s Spec) message() *jwtv3.JwtAuthentication {
	return &jwtv3.JwtAuthentication{
		Providers: map[string]*jwtv3.JwtProvider{providerName: {
			Issuer:            s.Issuer,
			Audiences:         []string{s.Audience},
			RequireExpiration: true,
			JwksSourceSpecifier: &jwtv3.JwtProvider_LocalJwks{LocalJwks: &corev3.DataSource{
				Specifier: &corev3.DataSource_InlineString{InlineString: s.JWKS},
			}},
			Forward:          true,
			FromHeaders:      []*jwtv3.JwtHeader{{Name: "Authorization", ValuePrefix: "Bearer "}},
			ClockSkewSeconds: skewSeconds,
			ClaimToHeaders: []*jwtv3.JwtClaimToHeader{
				{ClaimName: "sub", HeaderName: function.UserHeader},
				{ClaimName: "subscription", HeaderName: function.SubscriptionHeader},
			},
		}},
		Rules: s.rules(),
	}
}

// rules are one for each open path, then one for all the rest: the first that
// matches holds.
func (s Spec) rules() []*jwtv3.RequirementRule {
	var rules []*jwtv3.RequirementRule
	for _, path := range s.Open {
		rules = append(rules, &jwtv3.RequirementRule{
			Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: path}},
		})
	}
	return append(rules, &jwtv3.RequirementRule{
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
		RequirementType: &jwtv3.RequirementRule_Requires{Requires: &jwtv3.JwtRequirement{
			RequiresType: &jwtv3.JwtRequirement_ProviderName{ProviderName: providerName},
		}},
	})
}

// honoured is what the Go filter understands of Envoy's message.
func honoured() protofield.Honoured {
	const of = "envoy.extensions.filters.http.jwt_authn.v3."
	return protofield.Honoured{
		of + "JwtAuthentication": {"providers", "rules", "strip_failure_response"},
		of + "JwtProvider": {"issuer", "audiences", "local_jwks", "forward", "from_headers",
			"claim_to_headers", "clock_skew_seconds", "require_expiration", "clear_route_cache"},
		of + "JwtHeader":                   {"name", "value_prefix"},
		of + "JwtClaimToHeader":            {"header_name", "claim_name"},
		of + "RequirementRule":             {"match", "requires"},
		of + "JwtRequirement":              {"provider_name"},
		"envoy.config.core.v3.DataSource":  {"inline_string", "inline_bytes"},
		"envoy.config.route.v3.RouteMatch": {"prefix", "path"},
	}
}

// newFilter makes the Go filter of a message.
func newFilter(packed *anypb.Any) (function.Filter, error) {
	f, err := newFilterAt(packed, time.Now)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func newFilterAt(packed *anypb.Any, now func() time.Time) (*filter, error) {
	m := new(jwtv3.JwtAuthentication)
	if err := packed.UnmarshalTo(m); err != nil {
		return nil, fmt.Errorf("read token check: %w", err)
	}
	f, err := compile(m)
	if err != nil {
		return nil, fmt.Errorf("token check: %w", err)
	}
	f.now = now
	return f, nil
}

func compile(m *jwtv3.JwtAuthentication) (*filter, error) {
	if err := protofield.Check(m, honoured()); err != nil {
		return nil, err
	}
	f := &filter{quiet: m.GetStripFailureResponse()}
	providers := map[string]*provider{}
	for name, p := range m.GetProviders() {
		read, err := readProvider(p)
		if err != nil {
			return nil, fmt.Errorf("field providers[%q].%w", name, err)
		}
		providers[name] = read
		f.reroute = f.reroute || p.GetClearRouteCache()
		for _, c := range read.claims {
			f.reserved = append(f.reserved, c.header)
		}
	}
	for i, r := range m.GetRules() {
		read, err := readRule(r, providers)
		if err != nil {
			return nil, fmt.Errorf("field rules[%d].%w", i, err)
		}
		f.rules = append(f.rules, read)
	}
	return f, nil
}

func readProvider(m *jwtv3.JwtProvider) (*provider, error) {
	if len(m.GetFromHeaders()) != 1 {
		return nil, fmt.Errorf("from_headers: %d of them: exactly one must be named; "+
			"the default, which takes a token from the query as well, is not supported", len(m.GetFromHeaders()))
	}
	from := m.GetFromHeaders()[0]
	if from.GetName() == "" {
		return nil, fmt.Errorf("from_headers[0].name: empty")
	}
	p := &provider{
		issuer:    m.GetIssuer(),
		audiences: m.GetAudiences(),
		mustEnd:   m.GetRequireExpiration(),
		header:    strings.ToLower(from.GetName()),
		prefix:    from.GetValuePrefix(),
		forward:   m.GetForward(),
		skew:      60,
	}
	if s := m.GetClockSkewSeconds(); s > 0 {
		p.skew = int64(s)
	}
	source := m.GetLocalJwks()
	text := []byte(source.GetInlineString())
	if len(text) == 0 {
		text = source.GetInlineBytes()
	}
	var err error
	if p.keys, err = parseKeys(text); err != nil {
		return nil, fmt.Errorf("local_jwks: %w", err)
	}
	for i, c := range m.GetClaimToHeaders() {
		if c.GetHeaderName() == "" || c.GetClaimName() == "" {
			return nil, fmt.Errorf("claim_to_headers[%d]: header_name and claim_name must be set", i)
		}
		if strings.Contains(c.GetClaimName(), ".") {
			return nil, fmt.Errorf("claim_to_headers[%d].claim_name: %q: a claim within a claim is not supported", i, c.GetClaimName())
		}
		p.claims = append(p.claims, claimHeader{claim: c.GetClaimName(), header: strings.ToLower(c.GetHeaderName())})
	}
	if len(p.claims) > maxClaims {
		return nil, fmt.Errorf("claim_to_headers: %d of them: at most %d", len(p.claims), maxClaims)
	}
	return p, nil
}

func readRule(m *jwtv3.RequirementRule, providers map[string]*provider) (rule, error) {
	var r rule
	switch at := m.GetMatch().GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		r.path = at.Prefix
	case *routev3.RouteMatch_Path:
		r.path, r.exact = at.Path, true
	default:
		return rule{}, fmt.Errorf("match: neither prefix nor path")
	}
	if m.GetRequires() == nil {
		return r, nil
	}
	name := m.GetRequires().GetProviderName()
	p, known := providers[name]
	if !known {
		return rule{}, fmt.Errorf("requires.provider_name: no provider %q", name)
	}
	r.provider = p
	return r, nil
}
