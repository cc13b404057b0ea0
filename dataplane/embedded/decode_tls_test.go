package embedded

import (
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
)

func sds(name string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}}, ResourceApiVersion: corev3.ApiVersion_V3}}
}

func inlineText(s string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: s}}
}

func tlsSocket(t testing.TB, m proto.Message) *corev3.TransportSocket {
	return &corev3.TransportSocket{Name: "tls", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed(t, m)}}
}

// TLS that this plane would not speak so is refused, and named.
func TestUnsupportedTLS(t *testing.T) {
	common := func(change func(*tlsv3.CommonTlsContext)) *tlsv3.CommonTlsContext {
		c := &tlsv3.CommonTlsContext{
			TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{sds("own")},
			ValidationContextType:          &tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig{ValidationContextSdsSecretConfig: sds("trust")},
		}
		change(c)
		return c
	}
	down := func(change func(*tlsv3.DownstreamTlsContext)) func(testing.TB, dataplane.Resources) {
		return func(t testing.TB, b dataplane.Resources) {
			m := &tlsv3.DownstreamTlsContext{CommonTlsContext: common(func(*tlsv3.CommonTlsContext) {})}
			change(m)
			b.Listener.FilterChains[0].TransportSocket = tlsSocket(t, m)
		}
	}
	up := func(change func(*tlsv3.UpstreamTlsContext)) func(testing.TB, dataplane.Resources) {
		return func(t testing.TB, b dataplane.Resources) {
			m := &tlsv3.UpstreamTlsContext{CommonTlsContext: common(func(*tlsv3.CommonTlsContext) {})}
			change(m)
			b.Clusters[0].TransportSocket = tlsSocket(t, m)
		}
	}
	for _, c := range []struct {
		want  string // empty: it is taken
		spoil func(testing.TB, dataplane.Resources)
	}{
		{"", down(func(*tlsv3.DownstreamTlsContext) {})},
		{"", up(func(*tlsv3.UpstreamTlsContext) {})},
		{"field require_sni", down(func(m *tlsv3.DownstreamTlsContext) { m.RequireSni = wrapperspb.Bool(true) })},
		{"tls_certificate_sds_secret_configs: one is required", down(func(m *tlsv3.DownstreamTlsContext) { m.CommonTlsContext.TlsCertificateSdsSecretConfigs = nil })},
		{"tls_certificate_sds_secret_configs: one is supported", down(func(m *tlsv3.DownstreamTlsContext) {
			m.CommonTlsContext.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{sds("a"), sds("b")}
		})},
		{"field require_client_certificate: needs a validation context", down(func(m *tlsv3.DownstreamTlsContext) {
			m.RequireClientCertificate, m.CommonTlsContext.ValidationContextType = wrapperspb.Bool(true), nil
		})},
		{`alpn_protocols: "h3"`, down(func(m *tlsv3.DownstreamTlsContext) { m.CommonTlsContext.AlpnProtocols = []string{"h3"} })},
		{"field common_tls_context.tls_certificates", down(func(m *tlsv3.DownstreamTlsContext) {
			m.CommonTlsContext.TlsCertificates = []*tlsv3.TlsCertificate{{}}
		})},
		{"tls_params.cipher_suites", down(func(m *tlsv3.DownstreamTlsContext) {
			m.CommonTlsContext.TlsParams = &tlsv3.TlsParameters{CipherSuites: []string{"x"}}
		})},
		{"field name: is required", down(func(m *tlsv3.DownstreamTlsContext) {
			m.CommonTlsContext.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{sds("")}
		})},
		{"field common_tls_context: a validation context over SDS is required", up(func(m *tlsv3.UpstreamTlsContext) { m.CommonTlsContext.ValidationContextType = nil })},
		{"", up(func(m *tlsv3.UpstreamTlsContext) { m.MaxSessionKeys = wrapperspb.UInt32(10) })},
		{"field max_session_keys: 100000 is more than", up(func(m *tlsv3.UpstreamTlsContext) { m.MaxSessionKeys = wrapperspb.UInt32(100_000) })},
		{"field session_ticket_keys: not supported", down(func(m *tlsv3.DownstreamTlsContext) {
			m.SessionTicketKeysType = &tlsv3.DownstreamTlsContext_SessionTicketKeys{SessionTicketKeys: &tlsv3.TlsSessionTicketKeys{}}
		})},
		{"field auto_host_sni", up(func(m *tlsv3.UpstreamTlsContext) { m.AutoHostSni = true })},
		{"transport_socket: read", func(t testing.TB, b dataplane.Resources) {
			b.Listener.FilterChains[0].TransportSocket = tlsSocket(t, &tlsv3.UpstreamTlsContext{})
		}},
		{"field codec_type: HTTP3", func(t testing.TB, b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) { m.CodecType = hcmv3.HttpConnectionManager_HTTP3 })
		}},
		{`field upgrade_configs[0].upgrade_type: "CONNECT"`, func(t testing.TB, b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) {
				m.UpgradeConfigs = []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "CONNECT"}}
			})
		}},
		{"field http2_protocol_options.allow_connect: the proxy's process must be started with GODEBUG=http2xconnect=1", func(t testing.TB, b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) {
				m.Http2ProtocolOptions = &corev3.Http2ProtocolOptions{AllowConnect: true}
			})
		}},
		{"", func(t testing.TB, b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) {
				m.HttpProtocolOptions = &corev3.Http1ProtocolOptions{EnableTrailers: true}
			})
		}},
		{"field http_protocol_options.accept_http_10", func(t testing.TB, b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) {
				m.HttpProtocolOptions = &corev3.Http1ProtocolOptions{AcceptHttp_10: true}
			})
		}},
		{"field http2_protocol_options.allow_metadata", func(t testing.TB, b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) {
				m.Http2ProtocolOptions = &corev3.Http2ProtocolOptions{AllowMetadata: true}
			})
		}},
		{"field set_current_client_cert_details", func(t testing.TB, b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) {
				m.SetCurrentClientCertDetails = &hcmv3.HttpConnectionManager_SetCurrentClientCertDetails{Subject: wrapperspb.Bool(true)}
			})
		}},
		{`field typed_extension_protocol_options["x"]`, func(t testing.TB, b dataplane.Resources) {
			b.Clusters[0].TypedExtensionProtocolOptions = map[string]*anypb.Any{"x": packed(t, &clusterv3.Cluster{})}
		}},
		{"tcp_proxy: field cluster", func(t testing.TB, b dataplane.Resources) {
			b.Listener.FilterChains[0].Filters = []*listenerv3.Filter{{Name: "tcp", ConfigType: &listenerv3.Filter_TypedConfig{
				TypedConfig: &anypb.Any{TypeUrl: "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"}}}}
		}},
	} {
		t.Run(c.want, func(t *testing.T) {
			b := bundle(t)
			c.spoil(t, b)
			err := decode(t, b)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Secrets that could not be used are refused.
func TestSecretsRefused(t *testing.T) {
	trust := func(names ...*tlsv3.SubjectAltNameMatcher) *tlsv3.Secret {
		return &tlsv3.Secret{Name: "s", Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: inlineText("x"), MatchTypedSubjectAltNames: names}}}
	}
	for want, s := range map[string]*tlsv3.Secret{
		"tls_certificate or validation_context":                     {Name: "s"},
		"field tls_certificate.certificate_chain":                   {Name: "s", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{}}},
		"field tls_certificate.private_key":                         {Name: "s", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: inlineText("x")}}},
		"field tls_certificate: tls":                                {Name: "s", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: inlineText("x"), PrivateKey: inlineText("y")}}},
		"field validation_context.trusted_ca: holds no certificate": trust(),
		"field validation_context.trusted_ca: inline_string":        {Name: "s", Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{}}},
		"field generic_secret":                                      {Name: "s", Type: &tlsv3.Secret_GenericSecret{GenericSecret: &tlsv3.GenericSecret{}}},
	} {
		if _, _, err := decodeSecret(packed(t, s)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// Names are matched as text, each kind by itself.
func TestNameConditions(t *testing.T) {
	for _, c := range []struct {
		m        *matcherv3.StringMatcher
		yes, no  string
		badWords string
	}{
		{&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "spiffe://a/b"}}, "spiffe://a/b", "spiffe://a/bc", ""},
		{&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: "spiffe://a/"}}, "spiffe://a/b", "spiffe://ab/", ""},
		{&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: "/b"}}, "spiffe://a/b", "spiffe://a/b/", ""},
		{&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Contains{Contains: "/ns/"}}, "spiffe://a/ns/b", "spiffe://a/b", ""},
		{&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: "a|b"}}}, "b", "ab", ""},
		{&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: "("}}}, "", "", "field safe_regex"},
		{&matcherv3.StringMatcher{IgnoreCase: true, MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "a"}}, "", "", "ignore_case"},
		{&matcherv3.StringMatcher{}, "", "", "is required"},
	} {
		holds, err := nameCondition(c.m)
		switch {
		case c.badWords != "":
			if err == nil || !strings.Contains(err.Error(), c.badWords) {
				t.Errorf("%v: got %v", c.m, err)
			}
		case err != nil || !holds(c.yes) || holds(c.no):
			t.Errorf("%v: got %v, or it does not tell %q from %q", c.m, err, c.yes, c.no)
		}
	}
}

// How a client begins is told from its first bytes, however they come.
func TestSpeaksH2(t *testing.T) {
	for n := range len(preface) {
		if yes, more := speaksH2([]byte(preface[:n])); yes || !more {
			t.Errorf("%q: %v, %v", preface[:n], yes, more)
		}
	}
	for in, want := range map[string]bool{preface: true, preface + "\x00": true, "GET / HTTP/1.1": false, "PRI / HTTP/1.1": false, "PRI * HTTP/2.0\r\n\r\nSX": false} {
		if yes, more := speaksH2([]byte(in)); yes != want || more {
			t.Errorf("%q: %v, %v", in, yes, more)
		}
	}
}
