package mtls

import (
	"fmt"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// Names of the secrets that come over SDS.
const (
	IdentitySecret = "identity"
	TrustSecret    = "trust"
)

// shape makes a proxy's listener demand certificates, or its clusters show one.
func (a *authorities) shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	authority, err := a.of(s.Domain)
	if err != nil {
		return fmt.Errorf("mtls: %w", err)
	}
	i, err := authority.Issue(s.ID, s.TTL.Std())
	if err != nil {
		return fmt.Errorf("mtls: %w", err)
	}
	return Shape(i, s.Side, s.Allow...)(r)
}

// Shape makes a proxy speak mutual TLS under the identity, with the allowed ids
// on the other side: with who calls it, or with the endpoints of every cluster
// but that of a service which filters ask. Applied again with another identity
// it rotates; a proxy that does both has one identity, the last one given.
func Shape(i *Identity, side Side, allow ...string) dataplane.Shape {
	return func(r *dataplane.Resources) error {
		for _, secret := range i.secrets() {
			r.Secrets = slices.DeleteFunc(r.Secrets, func(old *tlsv3.Secret) bool { return old.GetName() == secret.GetName() })
			r.Secrets = append(r.Secrets, secret)
		}
		if side == Calling {
			return shapeCalling(r, allow)
		}
		return shapeCalled(r, allow)
	}
}

func (i *Identity) secrets() []*tlsv3.Secret {
	return []*tlsv3.Secret{
		{Name: IdentitySecret, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: inline(i.CertificatePEM), PrivateKey: inline(i.KeyPEM),
		}}},
		{Name: TrustSecret, Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: inline(i.RootsPEM),
		}}},
	}
}

func inline(b []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
}

func shapeCalled(r *dataplane.Resources, allow []string) error {
	socket, err := transport(&tlsv3.DownstreamTlsContext{
		CommonTlsContext:         common(allow, "h2", "http/1.1"),
		RequireClientCertificate: wrapperspb.Bool(true),
	})
	if err != nil {
		return err
	}
	for _, c := range r.Listener.GetFilterChains() {
		c.TransportSocket = socket
	}
	return r.EachManager(func(m *hcmv3.HttpConnectionManager) error {
		m.CodecType = hcmv3.HttpConnectionManager_AUTO
		m.ForwardClientCertDetails = hcmv3.HttpConnectionManager_SANITIZE_SET
		m.SetCurrentClientCertDetails = &hcmv3.HttpConnectionManager_SetCurrentClientCertDetails{Uri: true}
		return nil
	})
}

func shapeCalling(r *dataplane.Resources, allow []string) error {
	socket, err := transport(&tlsv3.UpstreamTlsContext{CommonTlsContext: common(allow)})
	if err != nil {
		return err
	}
	for _, c := range r.Clusters {
		if c.GetName() != function.ExternalCluster { // what a filter asks has no identity
			c.TransportSocket = socket
		}
	}
	return nil
}

// common is what both sides have: an identity, whom to trust, and which ids.
func common(allow []string, protocols ...string) *tlsv3.CommonTlsContext {
	names := &tlsv3.CertificateValidationContext{}
	for _, id := range allow {
		names.MatchTypedSubjectAltNames = append(names.MatchTypedSubjectAltNames, &tlsv3.SubjectAltNameMatcher{
			SanType: tlsv3.SubjectAltNameMatcher_URI,
			Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: id}},
		})
	}
	return &tlsv3.CommonTlsContext{
		AlpnProtocols:                  protocols,
		TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{sds(IdentitySecret)},
		ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{
			CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
				DefaultValidationContext:         names,
				ValidationContextSdsSecretConfig: sds(TrustSecret),
			},
		},
	}
}

func sds(name string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
	}}
}

func transport(m proto.Message) (*corev3.TransportSocket, error) {
	packed, err := dataplane.Pack(m)
	if err != nil {
		return nil, fmt.Errorf("mtls: %w", err)
	}
	return &corev3.TransportSocket{Name: "envoy.transport_sockets.tls", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed}}, nil
}
