package embedded

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/internal/protofield"
)

// honouredOfTLS is what is done of transport sockets and secrets. Certificates
// and what is trusted come over SDS alone.
var honouredOfTLS = protofield.Honoured{
	"envoy.config.core.v3.TransportSocket":                                   {"name", "typed_config"},
	"envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext":           {"common_tls_context", "sni", "max_session_keys"},
	"envoy.type.matcher.v3.StringMatcher":                                    {"exact", "prefix", "suffix", "contains", "safe_regex"},
	"envoy.type.matcher.v3.RegexMatcher":                                     {"regex"},
	"envoy.config.core.v3.DataSource":                                        {"inline_bytes"},
	"envoy.extensions.transport_sockets.tls.v3.TlsParameters":                {"tls_minimum_protocol_version", "tls_maximum_protocol_version"},
	"envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig":              {"name", "sds_config"},
	"envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher":        {"san_type", "matcher"},
	"envoy.extensions.transport_sockets.tls.v3.Secret":                       {"name", "tls_certificate", "validation_context"},
	"envoy.extensions.transport_sockets.tls.v3.TlsCertificate":               {"certificate_chain", "private_key"},
	"envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext": {"trusted_ca", "match_typed_subject_alt_names"},
	// Sessions are resumed by tickets alone, so that the state of none is kept.
	"envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext": {
		"common_tls_context", "require_client_certificate", "disable_stateless_session_resumption", "disable_stateful_session_resumption",
	},
	"envoy.extensions.transport_sockets.tls.v3.CommonTlsContext": {
		"tls_params", "tls_certificate_sds_secret_configs", "validation_context_sds_secret_config",
		"combined_validation_context", "alpn_protocols",
	},
	"envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext": {
		"default_validation_context", "validation_context_sds_secret_config",
	},
}

// tlsSpec is how one side speaks TLS. Certificates and trust are names of secrets.
type tlsSpec struct {
	certificate string // empty: none is shown
	trust       string // empty: the other side is not asked who it is
	names       []nameMatch
	required    bool // the client must show a certificate
	alpn        []string
	min, max    uint16 // versions; 0: the default
	sni         string
	sessions    int    // how many are kept to be resumed; of a server, which keeps none, whether any are
	key         string // the message, by which two are told apart
}

// secrets are the names that it needs.
func (s *tlsSpec) secrets() (names []string) {
	if s == nil {
		return nil
	}
	for _, n := range []string{s.certificate, s.trust} {
		if n != "" {
			names = append(names, n)
		}
	}
	return names
}

// mostSessions bounds the memory of those that a cluster keeps.
const mostSessions = 1 << 16

// cache is a fresh one for a client's sessions; nil: none are kept.
func (s *tlsSpec) cache() tls.ClientSessionCache {
	if s.sessions == 0 {
		return nil
	}
	return tls.NewLRUClientSessionCache(s.sessions)
}

// secret is what came over SDS under one name: a certificate, or whom to trust.
type secret struct {
	certificate *tls.Certificate
	pool        *x509.CertPool
	names       []nameMatch
	digest      [sha256.Size]byte // of the message, by which two are told apart
}

// nameMatch is one condition on a certificate's alternative names.
type nameMatch struct {
	kind  tlsv3.SubjectAltNameMatcher_SanType
	holds func(string) bool
}

func decodeDownstreamTLS(s *corev3.TransportSocket) (*tlsSpec, error) {
	if s == nil {
		return nil, nil
	}
	m, err := check(s.GetTypedConfig(), &tlsv3.DownstreamTlsContext{})
	if err != nil {
		return nil, err
	}
	t, err := decodeTLS(s.GetTypedConfig(), m.GetCommonTlsContext())
	if err != nil {
		return nil, err
	}
	t.required = m.GetRequireClientCertificate().GetValue()
	if !m.GetDisableStatelessSessionResumption() {
		t.sessions = 1
	}
	switch {
	case t.certificate == "":
		return nil, errors.New("field common_tls_context.tls_certificate_sds_secret_configs: one is required")
	case t.required && t.trust == "":
		return nil, errors.New("field require_client_certificate: needs a validation context, or any certificate would do")
	}
	return t, nil
}

func decodeUpstreamTLS(s *corev3.TransportSocket) (*tlsSpec, error) {
	if s == nil {
		return nil, nil
	}
	m, err := check(s.GetTypedConfig(), &tlsv3.UpstreamTlsContext{})
	if err != nil {
		return nil, err
	}
	t, err := decodeTLS(s.GetTypedConfig(), m.GetCommonTlsContext())
	if err != nil {
		return nil, err
	}
	if t.sessions = number(m.GetMaxSessionKeys(), 1); t.sessions > mostSessions {
		return nil, fmt.Errorf("field max_session_keys: %d is more than %d", t.sessions, mostSessions)
	}
	if t.sni = m.GetSni(); t.trust == "" {
		return nil, errors.New("field common_tls_context: a validation context over SDS is required, or the upstream could be anybody")
	}
	return t, nil
}

func decodeTLS(packed *anypb.Any, c *tlsv3.CommonTlsContext) (t *tlsSpec, err error) {
	t = &tlsSpec{alpn: c.GetAlpnProtocols(), key: packed.GetTypeUrl() + string(packed.GetValue())}
	for _, p := range t.alpn {
		if p != protoH1 && p != protoH2 {
			return nil, fmt.Errorf("field common_tls_context.alpn_protocols: %q is not supported, %s and %s are", p, protoH2, protoH1)
		}
	}
	certs := c.GetTlsCertificateSdsSecretConfigs()
	if len(certs) > 1 {
		return nil, errors.New("field common_tls_context.tls_certificate_sds_secret_configs: one is supported")
	}
	if len(certs) == 1 {
		if t.certificate, err = secretName(certs[0]); err != nil {
			return nil, fmt.Errorf("field common_tls_context.tls_certificate_sds_secret_configs: %w", err)
		}
	}
	trust := c.GetValidationContextSdsSecretConfig()
	if both := c.GetCombinedValidationContext(); both != nil {
		trust = both.GetValidationContextSdsSecretConfig()
		if both.GetDefaultValidationContext().GetTrustedCa() != nil {
			return nil, errors.New("field common_tls_context.combined_validation_context.default_validation_context.trusted_ca: not supported, it comes over SDS")
		}
		if t.names, err = decodeNames(both.GetDefaultValidationContext()); err != nil {
			return nil, fmt.Errorf("field common_tls_context.combined_validation_context.default_validation_context: %w", err)
		}
	}
	if trust != nil {
		if t.trust, err = secretName(trust); err != nil {
			return nil, fmt.Errorf("field common_tls_context: validation context: %w", err)
		}
	}
	p := c.GetTlsParams()
	t.min, t.max = tlsVersions[p.GetTlsMinimumProtocolVersion()], tlsVersions[p.GetTlsMaximumProtocolVersion()]
	return t, nil
}

// tlsVersions are Go's; without one the oldest is 1.2, as in Envoy.
var tlsVersions = map[tlsv3.TlsParameters_TlsProtocol]uint16{
	tlsv3.TlsParameters_TLSv1_0: tls.VersionTLS10,
	tlsv3.TlsParameters_TLSv1_1: tls.VersionTLS11,
	tlsv3.TlsParameters_TLSv1_2: tls.VersionTLS12,
	tlsv3.TlsParameters_TLSv1_3: tls.VersionTLS13,
}

func secretName(c *tlsv3.SdsSecretConfig) (string, error) {
	if c.GetName() == "" {
		return "", errors.New("field name: is required")
	}
	return c.GetName(), ads("field sds_config", c.GetSdsConfig())
}

func decodeNames(c *tlsv3.CertificateValidationContext) (all []nameMatch, err error) {
	for i, m := range c.GetMatchTypedSubjectAltNames() {
		switch m.GetSanType() {
		case tlsv3.SubjectAltNameMatcher_DNS, tlsv3.SubjectAltNameMatcher_URI, tlsv3.SubjectAltNameMatcher_IP_ADDRESS, tlsv3.SubjectAltNameMatcher_EMAIL:
		default:
			return nil, fmt.Errorf("field match_typed_subject_alt_names[%d].san_type: %v is not supported", i, m.GetSanType())
		}
		holds, err := nameCondition(m.GetMatcher())
		if err != nil {
			return nil, fmt.Errorf("field match_typed_subject_alt_names[%d].matcher: %w", i, err)
		}
		all = append(all, nameMatch{m.GetSanType(), holds})
	}
	return all, nil
}

// nameCondition is a condition on the text of a name.
func nameCondition(m *matcherv3.StringMatcher) (func(string) bool, error) {
	if m.GetIgnoreCase() {
		return nil, errors.New("field ignore_case: not supported")
	}
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		return func(s string) bool { return s == p.Exact }, nil
	case *matcherv3.StringMatcher_Prefix:
		return func(s string) bool { return strings.HasPrefix(s, p.Prefix) }, nil
	case *matcherv3.StringMatcher_Suffix:
		return func(s string) bool { return strings.HasSuffix(s, p.Suffix) }, nil
	case *matcherv3.StringMatcher_Contains:
		return func(s string) bool { return strings.Contains(s, p.Contains) }, nil
	case *matcherv3.StringMatcher_SafeRegex:
		re, err := regexp.Compile("^(?:" + p.SafeRegex.GetRegex() + ")$")
		if err != nil {
			return nil, fmt.Errorf("field safe_regex: %w", err)
		}
		return re.MatchString, nil
	}
	return nil, errors.New("exact, prefix, suffix, contains or safe_regex is required")
}

func decodeSecret(a *anypb.Any) (name string, s secret, err error) {
	m, err := check(a, &tlsv3.Secret{})
	if err != nil {
		return m.GetName(), s, err
	}
	s.digest = sha256.Sum256(a.GetValue())
	switch v := m.GetType().(type) {
	case *tlsv3.Secret_TlsCertificate:
		s.certificate, err = decodeCertificate(v.TlsCertificate)
	case *tlsv3.Secret_ValidationContext:
		s.pool, s.names, err = decodeTrust(v.ValidationContext)
	default:
		err = errors.New("tls_certificate or validation_context is required")
	}
	return m.GetName(), s, err
}

func decodeCertificate(c *tlsv3.TlsCertificate) (*tls.Certificate, error) {
	chain, err := data(c.GetCertificateChain())
	if err != nil {
		return nil, fmt.Errorf("field tls_certificate.certificate_chain: %w", err)
	}
	key, err := data(c.GetPrivateKey())
	if err != nil {
		return nil, fmt.Errorf("field tls_certificate.private_key: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("field tls_certificate: %w", err)
	}
	return &pair, nil
}

func decodeTrust(c *tlsv3.CertificateValidationContext) (*x509.CertPool, []nameMatch, error) {
	roots, err := data(c.GetTrustedCa())
	if err != nil {
		return nil, nil, fmt.Errorf("field validation_context.trusted_ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(roots) {
		return nil, nil, errors.New("field validation_context.trusted_ca: holds no certificate in PEM")
	}
	names, err := decodeNames(c)
	if err != nil {
		return nil, nil, fmt.Errorf("field validation_context.%w", err)
	}
	return pool, names, nil
}

// data is text that stands in the message itself.
func data(d *corev3.DataSource) ([]byte, error) {
	if s := d.GetInlineString(); s != "" {
		return []byte(s), nil
	}
	if b := d.GetInlineBytes(); len(b) > 0 {
		return b, nil
	}
	return nil, errors.New("inline_string or inline_bytes is required")
}
