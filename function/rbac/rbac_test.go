package rbac

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

func TestDecodeRefuses(t *testing.T) {
	policy := func(rest string) string {
		return `{"action": "allow", "policies": [{"name": "p", ` + rest + `}]}`
	}
	for text, want := range map[string]string{
		`{}`:                                   "action",
		`{"action": "log"}`:                    "action",
		`{"action": "deny"}`:                   "policies: none",
		`{"action": "deny", "policies": [{}]}`: "name",
		`{"action": "deny", "policies": [{"name": "a"}, {"name": "a"}]}`:                 "given twice",
		`{"action": "deny", "x": 1}`:                                                     "x",
		policy(`"permissions": [{}]`):                                                    "permissions[0]: says nothing",
		policy(`"permissions": [{"path": "/a", "prefix": "/b"}]`):                        "at most one",
		policy(`"permissions": [{"path": "a"}]`):                                         "does not begin with /",
		policy(`"permissions": [{"prefix": "/a?b"}]`):                                    "query",
		policy(`"permissions": [{"regex": "("}]`):                                        "regex",
		policy(`"permissions": [{"methods": ["get"]}]`):                                  "capitals",
		policy(`"permissions": [{"header": {"name": ":path"}}]`):                         "no name",
		policy(`"principals": [{}]`):                                                     "principals[0]: says nothing",
		policy(`"principals": [{"not": true}]`):                                          "says nothing",
		policy(`"principals": [{"source": "127.0.0.1"}]`):                                "source",
		policy(`"principals": [{"spiffe": "mesh/web"}]`):                                 "spiffe://",
		policy(`"principals": [{"header": {"name": "a", "exact": "b", "prefix": "c"}}]`): "at most one",
	} {
		p, err := study.JSONParams("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

// TestFilterRefusesFieldsByName: what the filter would pass over is an error.
func TestFilterRefusesFieldsByName(t *testing.T) {
	message := func(change func(*filterv3.RBAC, *rbacv3.Policy)) *anypb.Any {
		s := Spec{Action: Allow, Policies: []Policy{{Name: "p", Permissions: []Permission{{Path: "/"}}, Principals: []Principal{{User: "u"}}}}}
		m := &filterv3.RBAC{Rules: s.message()}
		change(m, m.Rules.Policies["p"])
		packed, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		return packed
	}
	permission := func(r *rbacv3.Permission) func(*filterv3.RBAC, *rbacv3.Policy) {
		return func(_ *filterv3.RBAC, p *rbacv3.Policy) { p.Permissions[0] = r }
	}
	for want, change := range map[string]func(*filterv3.RBAC, *rbacv3.Policy){
		"rules: is required":              func(m *filterv3.RBAC, _ *rbacv3.Policy) { m.Rules = nil },
		"shadow_rules":                    func(m *filterv3.RBAC, _ *rbacv3.Policy) { m.ShadowRules = m.Rules },
		"action":                          func(m *filterv3.RBAC, _ *rbacv3.Policy) { m.Rules.Action = rbacv3.RBAC_LOG },
		`policies["p"].permissions: none`: func(_ *filterv3.RBAC, p *rbacv3.Policy) { p.Permissions = nil },
		`policies["p"].principals: none`:  func(_ *filterv3.RBAC, p *rbacv3.Policy) { p.Principals = nil },
		`permissions[0]: says nothing`:    permission(&rbacv3.Permission{}),
		`destination_port`:                permission(&rbacv3.Permission{Rule: &rbacv3.Permission_DestinationPort{DestinationPort: 1}}),
		`permissions[0]: any: must be`:    permission(&rbacv3.Permission{Rule: &rbacv3.Permission_Any{}}),
		"invert_match": permission(&rbacv3.Permission{Rule: &rbacv3.Permission_Header{Header: &routev3.HeaderMatcher{Name: "a",
			HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true}, InvertMatch: true}}}),
		"range_match": permission(&rbacv3.Permission{Rule: &rbacv3.Permission_Header{Header: &routev3.HeaderMatcher{Name: "a",
			HeaderMatchSpecifier: &routev3.HeaderMatcher_RangeMatch{}}}}),
		"ignore_case": permission(&rbacv3.Permission{Rule: &rbacv3.Permission_UrlPath{UrlPath: &matcherv3.PathMatcher{
			Rule: &matcherv3.PathMatcher_Path{Path: &matcherv3.StringMatcher{IgnoreCase: true, MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "/"}}}}}}),
		"principal_name: is required": func(_ *filterv3.RBAC, p *rbacv3.Policy) {
			p.Principals[0] = &rbacv3.Principal{Identifier: &rbacv3.Principal_Authenticated_{Authenticated: &rbacv3.Principal_Authenticated{}}}
		},
		"remote_ip": func(_ *filterv3.RBAC, p *rbacv3.Policy) {
			p.Principals[0] = &rbacv3.Principal{Identifier: &rbacv3.Principal_RemoteIp{}}
		},
	} {
		if _, err := newFilter(message(change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := newFilter(message(func(*filterv3.RBAC, *rbacv3.Policy) {})); err != nil {
		t.Error(err)
	}
}

// A SPIFFE identity counts when the certificate was verified, and then all of
// its names do.
func TestIdentity(t *testing.T) {
	wrap, err := middleware(Spec{Action: Allow, Policies: []Policy{{Name: "web", Principals: []Principal{{SPIFFE: "spiffe://mesh/web"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	handler := wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	certificate := func(names ...string) *x509.Certificate {
		c := &x509.Certificate{}
		for _, n := range names {
			u, err := url.Parse(n)
			if err != nil {
				t.Fatal(err)
			}
			c.URIs = append(c.URIs, u)
		}
		return c
	}
	web := certificate("spiffe://other/x", "spiffe://mesh/web")
	for name, c := range map[string]struct {
		state *tls.ConnectionState
		want  int
	}{
		"verified":     {&tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{web}}}, http.StatusOK},
		"not verified": {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{web}}, http.StatusForbidden},
		"another":      {&tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{certificate("spiffe://mesh/web2")}}}, http.StatusForbidden},
		"the issuer's": {&tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{certificate(), web}}}, http.StatusForbidden},
		"no TLS":       {nil, http.StatusForbidden},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.TLS = c.state
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}

// An identity in a proxy, and an IPv4 address that came as IPv6.
func TestPeer(t *testing.T) {
	f, err := compile(Spec{Action: Allow, Policies: []Policy{{Name: "p", Principals: []Principal{{SPIFFE: "spiffe://mesh/web", Source: "10.0.0.0/8"}}}}}.message())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		addr, uri string
		want      bool
	}{
		{"10.1.2.3", "spiffe://mesh/web", true},
		{"::ffff:10.1.2.3", "spiffe://mesh/web", true},
		{"11.0.0.1", "spiffe://mesh/web", false},
		{"10.1.2.3", "spiffe://mesh/webs", false},
		{"::1", "spiffe://mesh/web", false},
	} {
		if got := f.admits(exchange{peered{p: function.Peer{Addr: netip.MustParseAddr(c.addr), URIs: []string{c.uri}}}}); got != c.want {
			t.Errorf("%s %s: admitted %t", c.addr, c.uri, got)
		}
	}
}

type peered struct {
	function.Exchange
	p function.Peer
}

func (p peered) Peer() function.Peer { return p.p }
