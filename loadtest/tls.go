package loadtest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// TestTLS holds a generator that speaks HTTP/1.1 over TLS to its contract,
// beside TestGenerator.
func TestTLS(t *testing.T, g load.Generator) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, load.Generator)
	}{
		{"Outcomes", testTLSOutcomes},
		{"ClientCertificate", testTLSClient},
		{"Refused", testTLSRefused},
		{"RefusedUnderLoad", testTLSRefusedLater},
		{"Bodies", testTLSBodies},
		{"IdleClosed", testTLSIdleClosed},
		{"Closed", testTLSClosed},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, g) })
	}
}

// identity is a certificate with its key, as PEM text and for a server.
type identity struct {
	cert, key string
	pair      tls.Certificate
	pool      *x509.CertPool
}

// newIdentity makes a certificate that vouches for itself.
func newIdentity(t *testing.T, name string) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	i := identity{
		cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		key:  string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})),
		pool: x509.NewCertPool(),
	}
	i.pool.AppendCertsFromPEM([]byte(i.cert))
	if i.pair, err = tls.X509KeyPair([]byte(i.cert), []byte(i.key)); err != nil {
		t.Fatal(err)
	}
	return i
}

// tlsServer answers HTTP/1.1 over TLS.
type tlsServer struct {
	door
	peers  map[string]bool // common names of the clients' certificates
	bodies atomic.Int64
}

// listenTLS answers each request by answer; false ends the connection.
func listenTLS(t *testing.T, config *tls.Config, answer func(c net.Conn) bool) *tlsServer {
	t.Helper()
	s := &tlsServer{peers: map[string]bool{}}
	s.attend(t, func(c net.Conn) { s.serve(tls.Server(c, config), answer) })
	return s
}

func (s *tlsServer) serve(c *tls.Conn, answer func(net.Conn) bool) {
	if c.Handshake() != nil {
		return
	}
	s.mu.Lock()
	for _, peer := range c.ConnectionState().PeerCertificates {
		s.peers[peer.Subject.CommonName] = true
	}
	s.mu.Unlock()
	in := bufio.NewReader(c)
	for {
		q, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		n, err := io.Copy(io.Discard, q.Body)
		if s.bodies.Add(n); err != nil || !answer(c) {
			return
		}
	}
}

func (s *tlsServer) target(connections, most int, c *load.TLS) load.Target {
	return load.Target{Name: s.addr, Addr: s.addr, TLS: c, Connections: connections, MaxConnections: most}
}

func say(response string) func(net.Conn) bool {
	return func(c net.Conn) bool {
		_, err := io.WriteString(c, response)
		return err == nil
	}
}

func sayAndLeave(response string) func(net.Conn) bool {
	return func(c net.Conn) bool { _, _ = io.WriteString(c, response); return false }
}

type tlsOutcome struct {
	name   string
	answer func(net.Conn) bool
	class  load.Class
	status uint16
}

var tlsOutcomes = []tlsOutcome{
	{"200", say(ok), load.OK, 200},
	{"bytewise", func(c net.Conn) bool {
		for i := range len(ok) {
			if !say(ok[i : i+1])(c) {
				return false
			}
		}
		return true
	}, load.OK, 200},
	{"large", say("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1_000_000)), load.OK, 200},
	{"ends by closing", sayAndLeave("HTTP/1.1 200 OK\r\n\r\nwhole"), load.OK, 200},
	{"429", say("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"), load.Limited, 429},
	{"closes unasked", sayAndLeave(""), load.Reset, 0},
	{failing, lately, load.Reset, 0},
	{"closes in the body", sayAndLeave("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"), load.Reset, 0},
	{"garbage", say("SSH-2.0-OpenSSH_9.2\r\n"), load.Malformed, 0},
	{"silent", func(c net.Conn) bool { _, _ = c.Read(make([]byte, 1)); return false }, load.Timeout, 0},
}

func testTLSOutcomes(t *testing.T, g load.Generator) {
	own := newIdentity(t, "server.test")
	var targets []load.Target
	for _, o := range tlsOutcomes {
		s := listenTLS(t, &tls.Config{Certificates: []tls.Certificate{own.pair}}, o.answer)
		targets = append(targets, s.target(2, 64, &load.TLS{Roots: own.cert, ServerName: "server.test"}))
	}
	l := load.Load{Rate: 1000, Each: 10, Seed: 4, Timeout: 2 * time.Second}
	samples, stats := generate(t, open(t, g, load.Population{}, targets...), l)
	checkSchedule(t, l, len(targets), load.Population{}, samples, stats)
	checkFailures(t, samples, slices.IndexFunc(tlsOutcomes, func(o tlsOutcome) bool { return o.name == failing }), l.Timeout)
	for _, s := range samples {
		if o := tlsOutcomes[s.Target]; s.Class != o.class || o.status != 0 && s.Status != o.status {
			t.Errorf("%s: class %v, status %d, want %v, %d", o.name, s.Class, s.Status, o.class, o.status)
		}
	}
}

// testTLSClient: the server knows the client by its certificate, in both
// versions of TLS that are spoken.
func testTLSClient(t *testing.T, g load.Generator) {
	own, client := newIdentity(t, "server.test"), newIdentity(t, "client.test")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := listenTLS(t, &tls.Config{
			Certificates: []tls.Certificate{own.pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: client.pool,
			MinVersion: version, MaxVersion: version,
		}, say(ok))
		target := s.target(3, 8, &load.TLS{Roots: own.cert, Cert: client.cert, Key: client.key})
		target.Host = "server.test:443"
		samples, _ := generate(t, open(t, g, load.Population{}, target), load.Load{Rate: 1000, Each: 30})
		checkClasses(t, samples, load.OK)
		s.mu.Lock()
		if !s.peers["client.test"] {
			t.Errorf("%s: the server knows %v", tls.VersionName(version), s.peers)
		}
		s.mu.Unlock()
	}
}

// testTLSRefused: Open says why there is no session.
func testTLSRefused(t *testing.T, g load.Generator) {
	own, other := newIdentity(t, "server.test"), newIdentity(t, "other.test")
	plain := &tls.Config{Certificates: []tls.Certificate{own.pair}}
	demanding := &tls.Config{Certificates: []tls.Certificate{own.pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: own.pool, MaxVersion: tls.VersionTLS12}
	clear := load.Target{Name: "clear", Addr: speakFirst(t, "220 mail.test ESMTP\r\n"), Connections: 1, MaxConnections: 1, TLS: &load.TLS{Insecure: true}}
	for name, c := range map[string]struct {
		target load.Target
		want   string
	}{
		"unknown authority": {listenTLS(t, plain, say(ok)).target(1, 1, &load.TLS{Roots: other.cert, ServerName: "server.test"}), "unknown authority"},
		"another name":      {listenTLS(t, plain, say(ok)).target(1, 1, &load.TLS{Roots: own.cert, ServerName: "elsewhere.test"}), "elsewhere.test"},
		"no certificate":    {listenTLS(t, demanding, say(ok)).target(1, 1, &load.TLS{Roots: own.cert, ServerName: "server.test"}), "tls"},
		"no TLS":            {clear, "TLS"},
	} {
		session, err := g.Open(context.Background(), []load.Target{c.target}, load.Population{})
		if err == nil {
			_ = session.Close()
			t.Errorf("%s: opened", name)
		} else if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.target.Addr) {
			t.Errorf("%s: the error says neither where nor why: %v", name, err)
		}
	}
}

// speakFirst greets every connection in a protocol of its own.
func speakFirst(t *testing.T, greeting string) string {
	t.Helper()
	return listenBytes(t, func(c net.Conn) {
		_, _ = io.WriteString(c, greeting)
		_, _ = io.Copy(io.Discard, c)
	}).addr
}

// testTLSRefusedLater: a server that stops to accept the client costs requests
// of the class tls: those that open a connection, in TLS 1.2 by the handshake,
// in 1.3 by what comes after it.
func testTLSRefusedLater(t *testing.T, g load.Generator) {
	own := newIdentity(t, "server.test")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		var strict atomic.Bool
		base := &tls.Config{Certificates: []tls.Certificate{own.pair}, MinVersion: version, MaxVersion: version}
		demanding := base.Clone()
		demanding.ClientAuth, demanding.ClientCAs = tls.RequireAndVerifyClientCert, own.pool
		config := base.Clone()
		config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if strict.Load() {
				return demanding, nil
			}
			return base, nil
		}
		s := listenTLS(t, config, sayAndLeave("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
		session := open(t, g, load.Population{}, s.target(1, 4, &load.TLS{Roots: own.cert, ServerName: "server.test"}))
		samples, _ := generate(t, session, load.Load{Rate: 200, Each: 5})
		checkClasses(t, samples, load.OK)
		strict.Store(true)
		s.hangUp()
		l := load.Load{Rate: 200, Each: 20, Timeout: 30 * time.Second}
		samples, stats := generate(t, session, l)
		checkSchedule(t, l, 1, load.Population{}, samples, stats)
		checkClasses(t, samples, load.Handshake)
	}
}

// testTLSBodies: bodies come whole through what TLS makes of them.
func testTLSBodies(t *testing.T, g load.Generator) {
	own := newIdentity(t, "server.test")
	const size, each = 5 << 20, 4
	s := listenTLS(t, &tls.Config{Certificates: []tls.Certificate{own.pair}}, say(ok))
	target := s.target(2, 8, &load.TLS{Insecure: true})
	target.Body = size
	samples, _ := generate(t, open(t, g, posting(load.Population{}), target), load.Load{Rate: 100, Each: each, Timeout: 30 * time.Second})
	checkClasses(t, samples, load.OK)
	if got := s.bodies.Load(); got != each*size {
		t.Errorf("the server received %d bytes of bodies, want %d", got, each*size)
	}
}

func testTLSIdleClosed(t *testing.T, g load.Generator) {
	own := newIdentity(t, "server.test")
	s := listenTLS(t, &tls.Config{Certificates: []tls.Certificate{own.pair}}, say(ok))
	session := open(t, g, load.Population{}, s.target(4, 16, &load.TLS{Insecure: true}))
	for phase := range uint64(3) {
		samples, _ := generate(t, session, load.Load{Rate: 1000, Each: 40, Seed: phase})
		checkClasses(t, samples, load.OK)
		s.hangUp()
	}
}

func testTLSClosed(t *testing.T, g load.Generator) {
	own := newIdentity(t, "server.test")
	s := listenTLS(t, &tls.Config{Certificates: []tls.Certificate{own.pair}}, say(ok))
	samples, stats := generate(t, open(t, g, load.Population{}, s.target(4, 4, &load.TLS{Insecure: true})), load.Load{Closed: true, Each: 200})
	checkClasses(t, samples, load.OK)
	if len(samples) != 200 || stats.Sent != 200 {
		t.Errorf("%d samples, %+v", len(samples), stats)
	}
}
