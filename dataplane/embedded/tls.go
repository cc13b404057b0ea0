package embedded

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
)

// The protocols that are settled in a handshake.
const (
	protoH1 = "http/1.1"
	protoH2 = "h2"
)

// handshakeTime bounds a handshake.
const handshakeTime = 10 * time.Second

// side is an end of a handshake.
type side uint8

const (
	serverSide side = iota
	clientSide
)

// keys is one side's TLS: what new handshakes go by. Secrets that come later
// replace it whole; what stands goes on as it is. Sessions are not resumed, so
// that every handshake is held against the secrets of its own time.
type keys struct {
	spec *tlsSpec
	now  atomic.Pointer[tls.Config]
}

// refresh takes the secrets as they are; all that are needed are there.
func (k *keys) refresh(secrets map[string]secret, at side) {
	c := &tls.Config{
		MinVersion: max(k.spec.min, tls.VersionTLS12), MaxVersion: k.spec.max,
		NextProtos: k.spec.alpn, SessionTicketsDisabled: true,
	}
	if k.spec.min != 0 {
		c.MinVersion = k.spec.min
	}
	if s := secrets[k.spec.certificate]; s.certificate != nil {
		c.Certificates = []tls.Certificate{*s.certificate}
	}
	trust := secrets[k.spec.trust]
	if at == clientSide {
		c.ServerName = k.spec.sni
		// The name is not what the other side is known by, but its chain and
		// the names that were asked for, which verify holds it against.
		c.InsecureSkipVerify = true
		c.VerifyConnection = k.verify(trust, x509.ExtKeyUsageServerAuth)
	} else if trust.pool != nil {
		c.ClientAuth, c.ClientCAs = tls.RequestClientCert, trust.pool
		// Who must have one of some names must have a certificate.
		if k.spec.required || len(k.spec.names)+len(trust.names) > 0 {
			c.ClientAuth = tls.RequireAnyClientCert
		}
		c.VerifyConnection = k.verify(trust, x509.ExtKeyUsageClientAuth)
	}
	if at == serverSide && len(c.NextProtos) > 0 {
		c.GetConfigForClient = unsettled(c)
	}
	k.now.Store(c)
}

// own is the certificate that is shown; nil: none.
func (k *keys) own() *tls.Certificate {
	if c := k.now.Load().Certificates; len(c) > 0 {
		return &c[0]
	}
	return nil
}

// unsettled is for clients that offer none of the protocols: nothing is settled
// with them, as Envoy does, where Go would refuse them.
func unsettled(c *tls.Config) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	without := c.Clone()
	without.NextProtos = nil
	return func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.ContainsFunc(c.NextProtos, func(p string) bool { return slices.Contains(hello.SupportedProtos, p) }) {
			return nil, nil // c itself
		}
		return without, nil
	}
}

// verify holds the other side's certificate against what is trusted.
func (k *keys) verify(trust secret, usage x509.ExtKeyUsage) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return nil // one that must be there is asked for by the handshake
		}
		o := x509.VerifyOptions{Roots: trust.pool, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{usage}}
		for _, c := range s.PeerCertificates[1:] {
			o.Intermediates.AddCert(c)
		}
		leaf := s.PeerCertificates[0]
		if _, err := leaf.Verify(o); err != nil {
			return fmt.Errorf("verify certificate of the other side: %w", err)
		}
		// Both lists are one, as Envoy merges them.
		if names := slices.Concat(k.spec.names, trust.names); len(names) > 0 && !anyName(leaf, names) {
			return errors.New("verify certificate of the other side: none of its names is asked for")
		}
		return nil
	}
}

// anyName reports whether any name of the certificate meets any condition.
func anyName(c *x509.Certificate, wanted []nameMatch) bool {
	return slices.ContainsFunc(wanted, func(m nameMatch) bool { return slices.ContainsFunc(namesOf(c, m.kind), m.holds) })
}

func namesOf(c *x509.Certificate, kind tlsv3.SubjectAltNameMatcher_SanType) (all []string) {
	switch kind {
	case tlsv3.SubjectAltNameMatcher_URI:
		for _, u := range c.URIs {
			all = append(all, u.String())
		}
	case tlsv3.SubjectAltNameMatcher_IP_ADDRESS:
		for _, ip := range c.IPAddresses {
			all = append(all, ip.String())
		}
	case tlsv3.SubjectAltNameMatcher_EMAIL:
		return c.EmailAddresses
	case tlsv3.SubjectAltNameMatcher_DNS:
		return c.DNSNames
	}
	return all
}

// server shakes hands with a client.
func (k *keys) server(ctx context.Context, c net.Conn) (*tls.Conn, error) {
	return shake(ctx, tls.Server(c, k.now.Load()))
}

// client shakes hands with a server, offering a protocol, if there is one, where
// none was configured.
func (k *keys) client(ctx context.Context, c net.Conn, proto string) (*tls.Conn, error) {
	config := k.now.Load()
	if len(config.NextProtos) == 0 && proto != "" {
		config = config.Clone()
		config.NextProtos = []string{proto}
	}
	return shake(ctx, tls.Client(c, config))
}

func shake(ctx context.Context, c *tls.Conn) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("shake hands with %s: %w", c.RemoteAddr(), err)
	}
	return c, nil
}
