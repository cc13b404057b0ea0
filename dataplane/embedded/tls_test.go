package embedded

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"
)

// selfSigned is a certificate that its own pool vouches for.
func selfSigned(t *testing.T) secret {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s := secret{certificate: &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool: x509.NewCertPool()}
	s.pool.AddCert(leaf)
	return s
}

// A session whose other side is trusted no more fails once and is then forgotten,
// so that the next handshake is a whole one.
func TestSessionThatFailsIsForgotten(t *testing.T) {
	trust := selfSigned(t)
	server := &keys{spec: &tlsSpec{certificate: "own", sessions: 1}}
	server.refresh(map[string]secret{"own": trust}, serverSide)
	client := &keys{spec: &tlsSpec{trust: "trust", sessions: 1, sni: "a.test"}}
	client.refresh(map[string]secret{"trust": trust}, clientSide)
	shakeHands := func() (bool, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		done := make(chan struct{})
		go func() {
			defer close(done)
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if s, err := server.server(context.Background(), c); err == nil {
				_, _ = s.Write([]byte("x")) // behind the ticket
			}
		}()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := client.client(context.Background(), c, "")
		if err == nil {
			_, err = s.Read(make([]byte, 1))
		}
		c.Close()
		<-done
		if err != nil {
			return false, err
		}
		return s.ConnectionState().DidResume, nil
	}
	for i, want := range []bool{false, true, true} {
		if got, err := shakeHands(); got != want || err != nil {
			t.Fatalf("handshake %d: resumed %v, %v; want %v", i, got, err, want)
		}
	}
	distrustful := client.now.Load().Clone()
	distrustful.VerifyConnection = func(s tls.ConnectionState) error {
		if s.DidResume {
			return errors.New("not trusted any more")
		}
		return nil
	}
	client.now.Store(distrustful)
	if _, err := shakeHands(); err == nil {
		t.Error("a session was resumed although its other side is trusted no more")
	}
	if got, err := shakeHands(); got || err != nil {
		t.Errorf("after that: resumed %v, %v", got, err)
	}
}
