package load

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
)

// Security is how a target's connections are secured, and what is to be spoken
// over them; nil: they are in the clear.
func (t Target) Security() (*tls.Config, error) {
	if t.TLS == nil {
		return nil, nil
	}
	c := &tls.Config{ServerName: t.TLS.ServerName, InsecureSkipVerify: t.TLS.Insecure}
	if c.ServerName == "" {
		c.ServerName = t.hostname()
	}
	if t.TLS.Roots != "" {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM([]byte(t.TLS.Roots)) {
			return nil, errors.New("the roots hold no certificate in PEM")
		}
	}
	if t.TLS.Cert != "" || t.TLS.Key != "" {
		own, err := tls.X509KeyPair([]byte(t.TLS.Cert), []byte(t.TLS.Key))
		if err != nil {
			return nil, fmt.Errorf("read the client's certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	switch t.Protocol {
	case "", HTTP1, WebSocket:
		c.NextProtos = []string{"http/1.1"}
	case HTTP2, GRPC:
		c.NextProtos = []string{"h2"}
	}
	return c, nil
}

// hostname is the host that a target's requests name, without a port.
func (t Target) hostname() string {
	host := t.Host
	if host == "" {
		host = t.Addr
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}
