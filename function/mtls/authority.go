package mtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"sync"
	"time"
)

// Authority issues the identities of one trust domain. Its key is made with it
// and kept in memory alone.
type Authority struct {
	domain string
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
}

// rootTTL is how long an authority is trusted.
const rootTTL = 24 * time.Hour

// skew is how far clocks may be apart: an identity is valid a little before now.
const skew = time.Minute

// NewAuthority makes an authority with a key of its own.
func NewAuthority(domain string) (*Authority, error) {
	if err := validDomain(domain); err != nil {
		return nil, fmt.Errorf("make authority: domain: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority of %s: %w", domain, err)
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{Organization: []string{"tare"}, CommonName: domain},
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: domain}},
		NotBefore:             now.Add(-rootTTL),
		NotAfter:              now.Add(rootTTL),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make authority of %s: %w", domain, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make authority of %s: %w", domain, err)
	}
	return &Authority{domain: domain, key: key, cert: cert}, nil
}

// serial is a number that no other certificate has.
func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return new(big.Int).SetBytes(b[:])
}

// Identity is who somebody is, and whom it trusts.
type Identity struct {
	ID          string
	Certificate tls.Certificate
	// Roots is the trust domain's, also as PEM.
	Roots    *x509.CertPool
	RootsPEM []byte
	// CertificatePEM and KeyPEM are Certificate as PEM.
	CertificatePEM, KeyPEM []byte
}

// Issue makes an identity that is valid from now for the time given.
func (a *Authority) Issue(id string, ttl time.Duration) (*Identity, error) {
	now := time.Now()
	return a.issue(id, now.Add(-skew), now.Add(ttl))
}

func (a *Authority) issue(id string, from, until time.Time) (*Identity, error) {
	if err := validID(id, a.domain); err != nil {
		return nil, fmt.Errorf("issue identity: %w", err)
	}
	u, err := url.Parse(id)
	if err != nil {
		return nil, fmt.Errorf("issue identity: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("issue identity %s: %w", id, err)
	}
	t := &x509.Certificate{
		SerialNumber: serial(), URIs: []*url.URL{u}, NotBefore: from, NotAfter: until,
		Subject:               pkix.Name{Organization: []string{"tare"}},
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("issue identity %s: %w", id, err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("issue identity %s: %w", id, err)
	}
	i := &Identity{
		ID:             id,
		CertificatePEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		KeyPEM:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
		RootsPEM:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}),
		Roots:          x509.NewCertPool(),
	}
	i.Roots.AddCert(a.cert)
	if i.Certificate, err = tls.X509KeyPair(i.CertificatePEM, i.KeyPEM); err != nil {
		return nil, fmt.Errorf("issue identity %s: %w", id, err)
	}
	return i, nil
}

// authorities are those of a process, made when they are first asked for: a
// proxy that is called and one that calls it are to trust the same one.
type authorities struct {
	mu   sync.Mutex
	made map[string]*Authority // by domain
}

func (a *authorities) of(domain string) (*Authority, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.made[domain]; known != nil {
		return known, nil
	}
	fresh, err := NewAuthority(domain)
	if err != nil {
		return nil, err
	}
	if a.made == nil {
		a.made = map[string]*Authority{}
	}
	a.made[domain] = fresh
	return fresh, nil
}
