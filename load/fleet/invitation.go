package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"
)

// InvitationFormat is the version of the file: docs/formats/fleet.md.
const InvitationFormat = "tare-invitation/1"

// coordinatorName is the name in the coordinator's certificate: whatever address
// it is reached by, it proves itself by the fleet's own authority.
const coordinatorName = "coordinator.fleet.tare"

// lifetime is how long the certificates of a fleet are good for.
const lifetime = 7 * 24 * time.Hour

// Invitation is what a worker needs to join: a secret. Whoever has it can be a
// worker of this fleet, and nothing else.
type Invitation struct {
	Format    string `json:"format"`
	Addr      string `json:"addr"`      // host:port of the coordinator
	Authority string `json:"authority"` // PEM: whose certificates count
	Cert      string `json:"cert"`      // PEM: the worker's
	Key       string `json:"key"`       // PEM
}

// authority makes certificates; its key is never written anywhere.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	a := &authority{key: key, cert: &x509.Certificate{
		Subject: pkix.Name{CommonName: "tare fleet"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}}
	der, err := a.sign(a.cert, key)
	if err != nil {
		return nil, err
	}
	a.pem = encodePEM("CERTIFICATE", der)
	a.cert, err = x509.ParseCertificate(der)
	return a, err
}

// sign completes a certificate and signs it.
func (a *authority) sign(c *x509.Certificate, key *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}
	now := time.Now()
	c.SerialNumber, c.NotBefore, c.NotAfter = serial, now.Add(-time.Hour), now.Add(lifetime) // an hour for clocks that differ
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	return der, nil
}

// issue makes a certificate and its key, as PEM.
func (a *authority) issue(name string, usage x509.ExtKeyUsage) (cert, key string, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	der, err := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}, k)
	if err != nil {
		return "", "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return "", "", fmt.Errorf("encode a key: %w", err)
	}
	return encodePEM("CERTIFICATE", der), encodePEM("PRIVATE KEY", private), nil
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// serverTLS demands a certificate of the authority of everyone who connects.
func (a *authority) serverTLS() (*tls.Config, error) {
	cert, key, err := a.issue(coordinatorName, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		return nil, fmt.Errorf("use the coordinator's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}, nil
}

// invite makes what one or several workers join with.
func (a *authority) invite(addr string) (Invitation, error) {
	cert, key, err := a.issue("worker.fleet.tare", x509.ExtKeyUsageClientAuth)
	return Invitation{Format: InvitationFormat, Addr: addr, Authority: a.pem, Cert: cert, Key: key}, err
}

// Write puts an invitation into a new file that only its owner can read.
func (i Invitation) Write(path string) error {
	text, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return fmt.Errorf("write the invitation: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the invitation: %w", err)
	}
	err = f.Chmod(0o600) // of a file that was there
	if err == nil {
		_, err = f.Write(append(text, '\n'))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the invitation: %w", err)
	}
	return nil
}

// ReadInvitation reads the file that a coordinator wrote.
func ReadInvitation(path string) (Invitation, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Invitation{}, fmt.Errorf("read the invitation: %w", err)
	}
	i, err := ParseInvitation(text)
	if err != nil {
		return Invitation{}, fmt.Errorf("read the invitation %s: %w", path, err)
	}
	return i, nil
}

// ParseInvitation reads an invitation. Errors show nothing of it but its format.
func ParseInvitation(text []byte) (Invitation, error) {
	var i Invitation
	if err := json.Unmarshal(text, &i); err != nil {
		return Invitation{}, errors.New("it is no JSON object of text fields: take the file as tare load wrote it")
	}
	if i.Format != InvitationFormat {
		return Invitation{}, fmt.Errorf("the format is %q, this program reads %q", i.Format, InvitationFormat)
	}
	if i.Addr == "" {
		return Invitation{}, errors.New("it names no address")
	}
	_, err := i.clientTLS()
	return i, err
}

// clientTLS proves to be a worker and believes only the fleet's coordinator.
func (i Invitation) clientTLS() (*tls.Config, error) {
	pair, err := tls.X509KeyPair([]byte(i.Cert), []byte(i.Key))
	if err != nil {
		return nil, fmt.Errorf("use the worker's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(i.Authority)) {
		return nil, errors.New("the authority is no certificate")
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: pool, ServerName: coordinatorName}, nil
}
