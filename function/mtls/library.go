package mtls

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Source gives the identity to be shown and whom to trust, as of now. It is
// asked at every handshake and is safe for concurrent use.
type Source func() (*Identity, error)

// Renewed is a source that asks the authority for another identity when half of
// the time of the last one is over.
func Renewed(a *Authority, id string, ttl time.Duration) Source {
	var mu sync.Mutex
	var now *Identity
	var until time.Time
	return func() (*Identity, error) {
		mu.Lock()
		defer mu.Unlock()
		if now != nil && time.Now().Before(until) {
			return now, nil
		}
		fresh, err := a.Issue(id, ttl)
		if err != nil {
			return nil, err
		}
		now, until = fresh, time.Now().Add(ttl/2)
		return now, nil
	}
}

// ServerTLS is the configuration of a server that lets in the allowed ids and
// nobody else. Sessions are not resumed: every handshake is held against the
// identities of its own time.
func ServerTLS(source Source, allow ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			i, err := source()
			if err != nil {
				return nil, fmt.Errorf("shake hands: %w", err)
			}
			return &tls.Config{
				MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, SessionTicketsDisabled: true,
				Certificates: []tls.Certificate{i.Certificate},
				ClientAuth:   tls.RequireAnyClientCert, ClientCAs: i.Roots,
				VerifyConnection: verify(i, x509.ExtKeyUsageClientAuth, allow),
			}, nil
		},
		// Without one net/http would look for files.
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			i, err := source()
			if err != nil {
				return nil, err
			}
			return &i.Certificate, nil
		},
	}
}

// ClientTLS is the configuration of a client that shows its identity and speaks
// to the allowed ids and to nobody else.
func ClientTLS(source Source, allow ...string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		SessionTicketsDisabled: true,
		// SPIFFE servers are known by their id, not by their host's name: verify
		// holds the chain and the id.
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			i, err := source()
			if err != nil {
				return nil, err
			}
			return &i.Certificate, nil
		},
		VerifyConnection: func(s tls.ConnectionState) error {
			i, err := source()
			if err != nil {
				return err
			}
			return verify(i, x509.ExtKeyUsageServerAuth, allow)(s)
		},
	}
}

func verify(i *Identity, usage x509.ExtKeyUsage, allow []string) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		id, err := idOf(s.PeerCertificates, i.Roots, usage)
		if err != nil {
			return err
		}
		if !slices.Contains(allow, id) {
			return fmt.Errorf("verify identity: %s is not allowed", id)
		}
		return nil
	}
}

// idOf is the SPIFFE id of a chain that the roots vouch for.
func idOf(chain []*x509.Certificate, roots *x509.CertPool, usage x509.ExtKeyUsage) (string, error) {
	if len(chain) == 0 {
		return "", errors.New("verify identity: no certificate was shown")
	}
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{usage}}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(o); err != nil {
		return "", fmt.Errorf("verify identity: %w", err)
	}
	if len(chain[0].URIs) != 1 {
		return "", fmt.Errorf("verify identity: the certificate has %d URI names, a SPIFFE id is exactly one", len(chain[0].URIs))
	}
	return chain[0].URIs[0].String(), nil
}

// Header carries the caller's identity to the service.
const Header = "X-Forwarded-Client-Cert"

// Middleware says in Header who calls, and lets nobody say it of himself.
func Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			http.Error(w, "a client certificate is required", http.StatusForbidden)
			return
		}
		r = r.Clone(r.Context())
		leaf := r.TLS.PeerCertificates[0]
		sum := sha256.Sum256(leaf.Raw)
		said := "Hash=" + hex.EncodeToString(sum[:])
		for _, u := range leaf.URIs {
			said += ";URI=" + u.String()
		}
		r.Header.Set(Header, said)
		next.ServeHTTP(w, r)
	})
}
