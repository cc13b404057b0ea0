package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		called: "",
		`{"domain": "a.test", "id": "spiffe://a.test/x", "allow": ["spiffe://a.test/y"], "side": "calling", "ttl": "10s"}`: "",
		`{"id": "spiffe://a.test/x", "allow": ["spiffe://a.test/y"]}`:                                                      "domain",
		`{"domain": "A.test", "id": "spiffe://A.test/x", "allow": ["spiffe://A.test/y"]}`:                                  "domain",
		`{"domain": "a.test", "id": "spiffe://b.test/x", "allow": ["spiffe://a.test/y"]}`:                                  "id",
		`{"domain": "a.test", "id": "spiffe://a.test/", "allow": ["spiffe://a.test/y"]}`:                                   "id",
		`{"domain": "a.test", "id": "spiffe://a.test/x/../y", "allow": ["spiffe://a.test/y"]}`:                             "id",
		`{"domain": "a.test", "id": "spiffe://a.test/x y", "allow": ["spiffe://a.test/y"]}`:                                "id",
		`{"domain": "a.test", "id": "spiffe://a.test/x", "allow": []}`:                                                     "allow",
		`{"domain": "a.test", "id": "spiffe://a.test/x", "allow": ["spiffe://a.test/y?q"]}`:                                "allow[0]",
		`{"domain": "a.test", "id": "spiffe://a.test/x", "allow": ["spiffe://a.test/y"], "side": "both"}`:                  "side",
		`{"domain": "a.test", "id": "spiffe://a.test/x", "allow": ["spiffe://a.test/y"], "ttl": "-1s"}`:                    "ttl",
		`{"domain": "a.test", "id": "spiffe://a.test/x", "allow": ["spiffe://a.test/y"], "more": 1}`:                       "more",
	} {
		_, err := Decode(params(t, text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want an error with %q", text, err, want)
		}
	}
}

func params(t testing.TB, text string) study.Params {
	t.Helper()
	p, err := study.JSONParams("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// An identity is what SPIFFE calls an X.509-SVID: one URI, no CA, short-lived.
func TestIdentity(t *testing.T) {
	a, err := NewAuthority("a.test")
	if err != nil {
		t.Fatal(err)
	}
	i, err := a.Issue("spiffe://a.test/x", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	leaf := i.Certificate.Leaf
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != i.ID || leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("got %v, CA %v, usage %v", leaf.URIs, leaf.IsCA, leaf.KeyUsage)
	}
	if left := time.Until(leaf.NotAfter); left > time.Minute || left < 50*time.Second {
		t.Errorf("it is valid for %v", left)
	}
	if _, err := idOf([]*x509.Certificate{leaf}, i.Roots, x509.ExtKeyUsageClientAuth); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"spiffe://b.test/x", "spiffe://a.test", "https://a.test/x", ""} {
		if _, err := a.Issue(bad, time.Minute); err == nil {
			t.Errorf("%q is issued", bad)
		}
	}
	if _, err := NewAuthority("not a domain"); err == nil {
		t.Error("an authority of no domain")
	}
}

// A certificate with two ids is nobody's.
func TestTwoNamesAreNone(t *testing.T) {
	a, err := NewAuthority("a.test")
	if err != nil {
		t.Fatal(err)
	}
	i, err := a.Issue("spiffe://a.test/x", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	leaf := *i.Certificate.Leaf
	leaf.URIs = append(leaf.URIs, leaf.URIs[0])
	if _, err := idOf([]*x509.Certificate{&leaf}, i.Roots, x509.ExtKeyUsageClientAuth); err == nil {
		t.Error("taken")
	}
	if _, err := idOf(nil, i.Roots, x509.ExtKeyUsageClientAuth); err == nil {
		t.Error("no certificate is taken")
	}
}

// A source is asked at every handshake; a renewed one changes at half time.
func TestRotates(t *testing.T) {
	a, err := NewAuthority("a.test")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	fresh := func(id string) Source {
		return func() (*Identity, error) {
			asked.Add(1)
			return a.Issue(id, time.Minute)
		}
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].SerialNumber.String())
	}))
	server.TLS = ServerTLS(fresh("spiffe://a.test/s"), "spiffe://a.test/c")
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: ClientTLS(fresh("spiffe://a.test/c"), "spiffe://a.test/s")}}
	seen := map[string]bool{}
	for range 3 {
		r, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		seen[string(body)+r.TLS.PeerCertificates[0].SerialNumber.String()] = true
	}
	if len(seen) != 3 {
		t.Errorf("3 handshakes showed %d pairs of certificates", len(seen))
	}
	renewed := Renewed(a, "spiffe://a.test/c", time.Hour)
	one, err := renewed()
	if err != nil {
		t.Fatal(err)
	}
	if two, err := renewed(); err != nil || two != one {
		t.Errorf("renewed before its time: %v", err)
	}
	short := Renewed(a, "spiffe://a.test/c", 0)
	one, _ = short()
	if two, err := short(); err != nil || two == one {
		t.Errorf("not renewed when its time was over: %v", err)
	}
	if _, err := Renewed(a, "spiffe://b.test/c", time.Hour)(); err == nil {
		t.Error("an id of another domain is issued")
	}
}

// A source that fails ends handshakes, with its words on this side.
func TestFailingSource(t *testing.T) {
	fails := func() (*Identity, error) { return nil, errors.New("no identity today") }
	if _, err := ServerTLS(fails).GetConfigForClient(nil); err == nil || !strings.Contains(err.Error(), "no identity today") {
		t.Errorf("got %v", err)
	}
	c := ClientTLS(fails)
	if _, err := c.GetClientCertificate(nil); err == nil {
		t.Error("got a certificate")
	}
	if err := c.VerifyConnection(tls.ConnectionState{}); err == nil {
		t.Error("verified")
	}
}

// Both sides' shapes are messages that Envoy's own validation takes.
func TestShape(t *testing.T) {
	a, err := NewAuthority("a.test")
	if err != nil {
		t.Fatal(err)
	}
	i, err := a.Issue("spiffe://a.test/x", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range []Side{Called, Calling} {
		r, err := xds.Resources(dataplane.Proxy{
			Listen:   "127.0.0.1:20001",
			Clusters: []dataplane.Cluster{{Name: dataplane.ServiceCluster, Endpoints: []string{"127.0.0.1:20002"}}},
			Shapes:   []dataplane.Shape{Shape(i, side, "spiffe://a.test/y")},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Listener.ValidateAll(); err != nil {
			t.Error(err)
		}
		if err := r.Clusters[0].ValidateAll(); err != nil {
			t.Error(err)
		}
		names := map[string]bool{}
		for _, s := range r.Secrets {
			names[s.GetName()] = true
		}
		if len(r.Secrets) != 2 || !names[IdentitySecret] || !names[TrustSecret] {
			t.Errorf("%s: secrets %v", side, names)
		}
		socket := r.Listener.FilterChains[0].GetTransportSocket()
		if side == Calling {
			socket = r.Clusters[0].GetTransportSocket()
		} else {
			var m tlsv3.DownstreamTlsContext
			if err := socket.GetTypedConfig().UnmarshalTo(&m); err != nil || !m.GetRequireClientCertificate().GetValue() {
				t.Errorf("no certificate is demanded: %v", err)
			}
		}
		if socket == nil {
			t.Errorf("%s: no TLS", side)
		}
	}
}

// A proxy that is called and calls has one identity, and what filters ask is
// spoken to in clear text.
func TestBothSides(t *testing.T) {
	a, err := NewAuthority("a.test")
	if err != nil {
		t.Fatal(err)
	}
	i, err := a.Issue("spiffe://a.test/x", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r, err := xds.Resources(dataplane.Proxy{
		Listen: "127.0.0.1:20001",
		Clusters: []dataplane.Cluster{
			{Name: dataplane.ServiceCluster, Endpoints: []string{"127.0.0.1:20002"}},
			{Name: function.ExternalCluster, Endpoints: []string{"127.0.0.1:20003"}},
		},
		Shapes: []dataplane.Shape{Shape(i, Calling, "spiffe://a.test/y"), Shape(i, Called, "spiffe://a.test/z")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Secrets) != 2 || r.Listener.FilterChains[0].GetTransportSocket() == nil || r.Clusters[0].GetTransportSocket() == nil {
		t.Errorf("secrets %v, listener %v, cluster %v", r.Secrets, r.Listener, r.Clusters[0])
	}
	if s := r.Clusters[1].GetTransportSocket(); s != nil {
		t.Errorf("the service that filters ask is called with %v", s)
	}
}

// FuzzID: what is taken for an id is one, and a URL of the domain.
func FuzzID(f *testing.F) {
	f.Add("spiffe://a.test/x/y", "a.test")
	f.Add("spiffe://a.test/../y", "a.test")
	f.Add("spiffe://a.test/%2e", "a.test")
	f.Fuzz(func(t *testing.T, id, domain string) {
		if validID(id, domain) != nil || validDomain(domain) != nil {
			return
		}
		a, b, ok := strings.Cut(strings.TrimPrefix(id, scheme), "/")
		if !ok || a != domain || b == "" || strings.ContainsAny(id, "?#%@ \r\n\\") {
			t.Errorf("%q of %q is taken", id, domain)
		}
	})
}
