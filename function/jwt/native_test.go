package jwt

import (
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// A point on P-256: its generator.
const keySet = `{"keys":[{"kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}]}`

func TestConfigIsTakenByItsOwnFilter(t *testing.T) {
	c, err := config(Spec{Issuer: "i", Audience: "a", JWKS: keySet})
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "envoy.filters.http.jwt_authn" || c.Config.GetTypeUrl() != Function().Native.Types[0].URL || c.Routes != nil {
		t.Errorf("config %v", c)
	}
	if _, err := Function().Native.Types[0].New(c.Config); err != nil {
		t.Error(err)
	}
}

// TestFilterRefusesFieldsByName: what the filter would pass over is an error.
func TestFilterRefusesFieldsByName(t *testing.T) {
	type message = jwtv3.JwtAuthentication
	provider := func(m *message) *jwtv3.JwtProvider { return m.Providers[providerName] }
	for name, c := range map[string]struct {
		change func(*message)
		want   string
	}{
		"cache":          {func(m *message) { provider(m).JwtCacheConfig = &jwtv3.JwtCacheConfig{} }, `providers["tokens"].jwt_cache_config`},
		"payload header": {func(m *message) { provider(m).ForwardPayloadHeader = "x" }, "forward_payload_header"},
		"from query":     {func(m *message) { provider(m).FromParams = []string{"t"} }, "from_params"},
		"from anywhere":  {func(m *message) { provider(m).FromHeaders = nil }, "from_headers"},
		"lifetime":       {func(m *message) { provider(m).MaxLifetime = durationpb.New(1e9) }, "max_lifetime"},
		"remote keys": {func(m *message) {
			provider(m).JwksSourceSpecifier = &jwtv3.JwtProvider_RemoteJwks{RemoteJwks: &jwtv3.RemoteJwks{}}
		}, "remote_jwks"},
		"keys in a file":   {func(m *message) { provider(m).GetLocalJwks().Specifier = &corev3.DataSource_Filename{Filename: "f"} }, "local_jwks.filename"},
		"no keys":          {func(m *message) { provider(m).JwksSourceSpecifier = nil }, "local_jwks"},
		"claim in a claim": {func(m *message) { provider(m).ClaimToHeaders[0].ClaimName = "a.b" }, "claim_to_headers[0].claim_name"},
		"no such provider": {func(m *message) {
			m.Rules[0].GetRequires().RequiresType = &jwtv3.JwtRequirement_ProviderName{ProviderName: "x"}
		}, "rules[0].requires.provider_name"},
		"may be missing": {func(m *message) {
			m.Rules[0].GetRequires().RequiresType = &jwtv3.JwtRequirement_AllowMissing{}
		}, "rules[0].requires.allow_missing"},
		"regular path": {func(m *message) { m.Rules[0].Match.PathSpecifier = &routev3.RouteMatch_SafeRegex{} }, "rules[0].match.safe_regex"},
		"match headers": {func(m *message) {
			m.Rules[0].Match.Headers = []*routev3.HeaderMatcher{{Name: "x"}}
		}, "rules[0].match.headers"},
		"requirement map": {func(m *message) { m.RequirementMap = map[string]*jwtv3.JwtRequirement{"x": {}} }, "requirement_map"},
		"preflight":       {func(m *message) { m.BypassCorsPreflight = true }, "bypass_cors_preflight"},
		"newer field":     {func(m *message) { m.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 1}) }, "#127"},
		"newer nested":    {func(m *message) { provider(m).ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 1}) }, `providers["tokens"].#127`},
	} {
		t.Run(name, func(t *testing.T) {
			m := Spec{Issuer: "i", Audience: "a", JWKS: keySet}.message()
			c.change(m)
			packed, err := anypb.New(m)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := newFilter(packed); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that names %s", err, c.want)
			}
		})
	}
}

func TestRulesFirstMatchHolds(t *testing.T) {
	m := Spec{Issuer: "i", Audience: "a", JWKS: keySet}.message()
	open := &jwtv3.RequirementRule{Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: "/open"}}}
	health := &jwtv3.RequirementRule{Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/health/"}}}
	m.Rules = append([]*jwtv3.RequirementRule{open, health}, m.Rules...)
	f, err := compile(m)
	if err != nil {
		t.Fatal(err)
	}
	for path, checked := range map[string]bool{"/open": false, "/open/x": true, "/health/x": false, "/health": true, "/": true} {
		if got := f.required([]byte(path)) != nil; got != checked {
			t.Errorf("%s: checked %v", path, got)
		}
	}
}

// What Spec.Open lists needs no token, and nothing else does.
func TestOpenPaths(t *testing.T) {
	f, err := compile(Spec{Issuer: "i", Audience: "a", JWKS: keySet, Open: []string{"/login", "/signup"}}.message())
	if err != nil {
		t.Fatal(err)
	}
	for path, checked := range map[string]bool{"/login": false, "/signup": false, "/login/": true, "/pull": true, "/": true} {
		if got := f.required([]byte(path)) != nil; got != checked {
			t.Errorf("%s: checked %v", path, got)
		}
	}
	for _, bad := range []string{"", "login", "/login?x", "/#"} {
		if _, err := config(Spec{Issuer: "i", Audience: "a", JWKS: keySet, Open: []string{bad}}); err == nil || !strings.Contains(err.Error(), "open") {
			t.Errorf("open path %q: %v", bad, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	keys, err := parseKeys([]byte(keySet))
	if err != nil {
		f.Fatal(err)
	}
	p := &provider{issuer: "i", audiences: []string{"a"}, keys: keys, claims: []claimHeader{{"sub", "x-user"}}}
	f.Add([]byte(`{"alg":"ES256"}`), []byte(`{"iss":"i","aud":["a"],"exp":1e9,"sub":"u","x":{"y":[1,"}"]}}`))
	f.Add([]byte(` {"alg" : "none","kid":"\u0041"}`), []byte(`{"a":"\\\"","b":-0.5E+3,"c":[[],{}],"d":null}`))
	f.Add([]byte(`[]`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		token := base64url.AppendEncode(nil, header)
		token = base64url.AppendEncode(append(token, '.'), payload)
		token = append(token, ".AAAA"...)
		if _, why := p.verify(token, new(scratch), 1); why == nil {
			t.Error("a token without signature is good")
		}
		p.verify(payload, new(scratch), 1)
		sameMembers(t, payload)
	})
}
