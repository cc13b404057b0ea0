package embedded

import (
	"context"
	"crypto/sha256"
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
// replace it whole; what stands goes on as it is. Sessions are resumed under the
// secrets that they began with and under no others: with the secrets go the keys
// of tickets, and the tickets that were kept. A session that is resumed is held
// against what is trusted all the same, since certificates expire.
type keys struct {
	spec *tlsSpec
	now  atomic.Pointer[tls.Config]
	of   [2][sha256.Size]byte // the secrets that now was made of; the subscription's
}

// refresh takes the secrets as they are; all that are needed are there.
func (k *keys) refresh(secrets map[string]secret, at side) {
	own, trust := secrets[k.spec.certificate], secrets[k.spec.trust]
	of := [...][sha256.Size]byte{own.digest, trust.digest}
	if k.now.Load() != nil && k.of == of {
		return // told again
	}
	k.of = of
	c := &tls.Config{
		MinVersion: max(k.spec.min, tls.VersionTLS12), MaxVersion: k.spec.max,
		NextProtos: k.spec.alpn, SessionTicketsDisabled: k.spec.sessions == 0,
	}
	if k.spec.min != 0 {
		c.MinVersion = k.spec.min
	}
	if own.certificate != nil {
		c.Certificates = []tls.Certificate{*own.certificate}
	}
	if at == clientSide {
		c.ServerName = k.spec.sni
		c.ClientSessionCache = k.spec.cache()
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
	t := tls.Server(c, k.now.Load())
	return t, shake(ctx, t)
}

// client shakes hands with a server, offering a protocol, if there is one, where
// none was configured.
func (k *keys) client(ctx context.Context, c net.Conn, proto string) (*tls.Conn, error) {
	now := k.now.Load()
	config := now
	if len(config.NextProtos) == 0 && proto != "" {
		config = config.Clone()
		config.NextProtos = []string{proto}
	}
	t := tls.Client(c, config)
	if err := shake(ctx, t); err != nil {
		if t.ConnectionState().DidResume {
			k.forget(now)
		}
		return nil, err
	}
	return t, nil
}

// forget lets go of sessions: one was resumed that is not trusted any more, and
// would be each time.
func (k *keys) forget(c *tls.Config) {
	without := c.Clone()
	without.ClientSessionCache = k.spec.cache()
	k.now.CompareAndSwap(c, without) // else there are other secrets by now
}

func shake(ctx context.Context, c *tls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("shake hands with %s: %w", c.RemoteAddr(), err)
	}
	return nil
}
