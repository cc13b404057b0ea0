package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The pool that a target gets when nobody says otherwise.
const (
	DefaultConnections    = 16
	DefaultMaxConnections = 256
)

// MaxBody is the largest body of a request, in bytes.
const MaxBody = 16 << 20

// bodiless are the methods whose requests have no body, or none with a meaning.
var bodiless = map[string]bool{http.MethodGet: true, http.MethodHead: true, http.MethodTrace: true, http.MethodConnect: true}

// ParseTarget makes a target of a URL: GET requests to its path, its host in
// the Host header, the default pool. Only http is spoken, and only loopback
// and private addresses are accepted: load is not for other people's servers.
func ParseTarget(rawURL string) (Target, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return Target{}, fmt.Errorf("read the target's URL: %w", err)
	}
	t, err := targetOf(u)
	if err != nil {
		return Target{}, fmt.Errorf("target %s: %w", u.Redacted(), err)
	}
	return t, nil
}

func targetOf(u *url.URL) (Target, error) {
	switch {
	case u.Scheme == "https":
		return Target{}, errors.New("https is not offered yet, only http is")
	case u.Scheme != "http":
		return Target{}, fmt.Errorf("the scheme is %q, only http is offered", u.Scheme)
	case u.Hostname() == "":
		return Target{}, errors.New("it names no host")
	case u.User != nil:
		return Target{}, errors.New("a user in the URL is not sent; give an Authorization header")
	}
	ip, err := privateAddr(u.Hostname())
	if err != nil {
		return Target{}, err
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	t := Target{
		Name:           u.Host,
		Addr:           net.JoinHostPort(ip.String(), port),
		Method:         http.MethodGet,
		Path:           u.RequestURI(),
		Host:           u.Host,
		Connections:    DefaultConnections,
		MaxConnections: DefaultMaxConnections,
	}
	return t, t.Check()
}

// privateAddr resolves a host. The address, not the name, becomes the
// target's, so that what was checked is what is connected to.
func privateAddr(host string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find the address: %w", err)
	}
	var chosen netip.Addr
	for _, ip := range found {
		ip = ip.Unmap()
		if !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast() {
			return netip.Addr{}, fmt.Errorf("%s is a public address: load is offered to loopback and private addresses only", ip)
		}
		if !chosen.IsValid() || ip.Is4() && !chosen.Is4() {
			chosen = ip
		}
	}
	if !chosen.IsValid() {
		return netip.Addr{}, errors.New("the host has no address")
	}
	return chosen, nil
}

// Check says what is wrong with a target, if anything.
func (t Target) Check() error {
	_, port, err := net.SplitHostPort(t.Addr)
	if err != nil {
		return fmt.Errorf("target %s: the address %q is not host:port", t.Name, t.Addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("target %s: the port %q is not 1 to 65535", t.Name, port)
	}
	switch {
	case !isToken(t.Method):
		return fmt.Errorf("target %s: the method is %q", t.Name, t.Method)
	case !strings.HasPrefix(t.Path, "/") || !isVisible(t.Path):
		return fmt.Errorf("target %s: the path %q does not begin with / or holds spaces or control characters", t.Name, t.Path)
	case !isVisible(t.Host):
		return fmt.Errorf("target %s: the host %q holds spaces or control characters", t.Name, t.Host)
	case t.Body < 0 || t.Body > MaxBody:
		return fmt.Errorf("target %s: a body of %d bytes, not 0 to %d", t.Name, t.Body, MaxBody)
	case t.Body > 0 && bodiless[t.Method]:
		return fmt.Errorf("target %s: a body of %d bytes with the method %s, which has none", t.Name, t.Body, t.Method)
	case t.Connections < 1:
		return fmt.Errorf("target %s: a pool of %d connections", t.Name, t.Connections)
	case t.MaxConnections < t.Connections:
		return fmt.Errorf("target %s: at most %d connections, fewer than the pool's %d", t.Name, t.MaxConnections, t.Connections)
	}
	return nil
}

// headers that the generator itself writes, or that would change the framing.
var ownHeaders = map[string]bool{"host": true, "content-length": true, "transfer-encoding": true, "connection": true, "upgrade": true, "expect": true, "te": true, "trailer": true}

// Check says what is wrong with the users' headers, if anything.
func (p Population) Check() error {
	for i, u := range p.Users {
		for _, h := range u.Header {
			switch {
			case !isToken(h[0]):
				return fmt.Errorf("user %d: %q is no header name", i, h[0])
			case ownHeaders[strings.ToLower(h[0])]:
				return fmt.Errorf("user %d: the header %s belongs to the generator", i, h[0])
			case strings.ContainsFunc(h[1], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
				return fmt.Errorf("user %d: the value of header %s holds control characters", i, h[0])
			}
		}
	}
	return nil
}

// isToken follows RFC 9110 §5.6.2.
func isToken(s string) bool {
	const special = "!#$%&'*+-.^_`|~"
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		alphanumeric := r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		return !alphanumeric && !strings.ContainsRune(special, r)
	})
}

func isVisible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
