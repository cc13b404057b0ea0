package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
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

// MaxStreams is how many requests may be under way on one connection.
const MaxStreams = 10_000

// bodiless are the methods whose requests have no body, or none with a meaning.
var bodiless = map[string]bool{http.MethodGet: true, http.MethodHead: true, http.MethodTrace: true, http.MethodConnect: true}

// scheme is what a URL's scheme says of its target, and of what is asked there.
type scheme struct {
	protocol Protocol
	secured  bool
	port     string // empty: the URL must name one
	method   string
	body     int
}

// echoed is how many bytes an echo is asked for when nobody says otherwise.
const echoed = 64

// schemes are those that ParseTarget knows.
var schemes = map[string]scheme{
	"http":        {"", false, "80", http.MethodGet, 0},
	"https":       {"", true, "443", http.MethodGet, 0},
	"h2c":         {HTTP2, false, "80", http.MethodGet, 0},
	"h2":          {HTTP2, true, "443", http.MethodGet, 0},
	"grpc":        {GRPC, false, "", http.MethodPost, 0},
	"grpcs":       {GRPC, true, "", http.MethodPost, 0},
	"ws":          {WebSocket, false, "80", http.MethodPost, echoed},
	"wss":         {WebSocket, true, "443", http.MethodPost, echoed},
	"tcp":         {TCP, false, "", http.MethodPost, echoed},
	"tcp+tls":     {TCP, true, "", http.MethodPost, echoed},
	"connect":     {Connect, false, "", http.MethodGet, 0},
	"connect+tls": {Connect, true, "", http.MethodGet, 0},
}

// ParseTarget makes of a URL a target, with the default pool and the URL's host
// in the Host header, and a request to its path. The scheme says what is spoken:
//
//	http, https    HTTP/1.1: GET
//	h2c, h2        HTTP/2 in the clear by prior knowledge, and over TLS: GET
//	grpc, grpcs    a call of /package.Service/Method
//	ws, wss        WebSocket: a message of 64 bytes that comes back
//	tcp, tcp+tls   64 bytes that come back
//	connect, connect+tls  a connection that is opened and closed
//
// Only loopback and private addresses are accepted, for load is not for other
// people's servers; allowed are the hosts, exactly as the URL names them, that
// the user vouches for.
func ParseTarget(rawURL string, allowed ...string) (Target, Request, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return Target{}, Request{}, fmt.Errorf("read the target's URL: %w", err)
	}
	t, err := targetOf(u, allowed)
	spoken := schemes[u.Scheme]
	r := Request{Method: spoken.method, Path: u.RequestURI(), Body: spoken.body}
	if err == nil {
		err = Ask(r).Check(t)
	}
	if err != nil {
		return Target{}, Request{}, fmt.Errorf("target %s: %w", u.Redacted(), err)
	}
	return t, r, nil
}

func targetOf(u *url.URL, allowed []string) (Target, error) {
	spoken, known := schemes[u.Scheme]
	switch {
	case !known:
		return Target{}, fmt.Errorf("the scheme is %q, not one of %s", u.Scheme, strings.Join(slices.Sorted(maps.Keys(schemes)), ", "))
	case u.Hostname() == "":
		return Target{}, errors.New("it names no host")
	case u.User != nil:
		return Target{}, errors.New("a user in the URL is not sent; give an Authorization header")
	}
	ip, err := addressOf(u.Hostname(), allowed)
	if err != nil {
		return Target{}, err
	}
	port := u.Port()
	if port == "" {
		if port = spoken.port; port == "" {
			return Target{}, fmt.Errorf("it names no port, and %s has none of its own", u.Scheme)
		}
	}
	t := Target{
		Name:           u.Host,
		Addr:           net.JoinHostPort(ip.String(), port),
		Host:           u.Host,
		Protocol:       spoken.protocol,
		Connections:    DefaultConnections,
		MaxConnections: DefaultMaxConnections,
	}
	if spoken.secured {
		t.TLS = &TLS{}
	}
	return t, t.Check()
}

// addressOf resolves a host. The address, not the name, becomes the target's, so
// that what was checked is what is connected to. One public address among
// others refuses the host, unless it is allowed.
func addressOf(host string, allowed []string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find the address: %w", err)
	}
	vouched := slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, host) })
	var chosen netip.Addr
	for _, ip := range found {
		ip = ip.Unmap()
		if !near(ip) && !vouched {
			return netip.Addr{}, fmt.Errorf("%s is a public address: load is offered to loopback and private addresses only; to load a server that is yours to load, give --allow-target %s", ip, host)
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
	case !isVisible(t.Host):
		return fmt.Errorf("target %s: the host %q holds spaces or control characters", t.Name, t.Host)
	case t.Body < 0 || t.Body > MaxBody:
		return fmt.Errorf("target %s: a body of %d bytes, not 0 to %d", t.Name, t.Body, MaxBody)
	case t.Streams < 0 || t.Streams > MaxStreams:
		return fmt.Errorf("target %s: %d streams, not 0 to %d", t.Name, t.Streams, MaxStreams)
	case t.Streams > 1 && t.Protocol != HTTP2 && t.Protocol != GRPC:
		return fmt.Errorf("target %s: %d streams on a connection, and %s carries one request at a time", t.Name, t.Streams, cmp.Or(t.Protocol, HTTP1))
	case t.Connections < 1:
		return fmt.Errorf("target %s: a pool of %d connections", t.Name, t.Connections)
	case t.MaxConnections < t.Connections:
		return fmt.Errorf("target %s: at most %d connections, fewer than the pool's %d", t.Name, t.MaxConnections, t.Connections)
	}
	return t.checkReuse()
}

// headers that the generator itself writes, or that would change the framing.
var ownHeaders = map[string]bool{"host": true, "content-length": true, "transfer-encoding": true, "connection": true, "upgrade": true, "expect": true, "te": true, "trailer": true}

// Check says what is wrong with the users' headers or the requests that go to
// the targets, if anything.
func (p Population) Check(targets ...Target) error {
	for i, u := range p.Users {
		if err := checkHeader(u.Header); err != nil {
			return fmt.Errorf("user %d: %w", i, err)
		}
	}
	if len(p.Requests) > math.MaxUint16 {
		return fmt.Errorf("%d kinds of request, not up to %d", len(p.Requests), math.MaxUint16)
	}
	for i, r := range p.Requests {
		err := r.check()
		for _, t := range targets {
			if unfit := r.suits(t); err == nil && unfit != nil {
				err = fmt.Errorf("target %s %w", t.Name, unfit)
			}
		}
		switch {
		case err != nil && len(p.Requests) > 1:
			return fmt.Errorf("request %d: %w", i, err)
		case err != nil:
			return err
		}
	}
	return nil
}

// suits says why a request cannot go to a target, if it cannot.
func (r Request) suits(t Target) error {
	echo := t.Protocol == TCP || t.Protocol == WebSocket
	switch {
	case t.Body > 0 && bodiless[r.Method]:
		return fmt.Errorf("takes a body of %d bytes, and the method %s has none", t.Body, r.Method)
	case echo && t.Body == 0 && r.Body == 0 && len(r.Content) == 0 && r.Size == nil:
		return fmt.Errorf("echoes by %s, and there are no bytes to echo: give the request a body", t.Protocol)
	case t.Protocol == GRPC && !isCall(r.Path):
		return fmt.Errorf("is called by gRPC, and %q is no /package.Service/Method", r.Path)
	case r.Messages > 1 && t.Protocol != GRPC:
		return fmt.Errorf("does not speak gRPC, and the request has %d messages", r.Messages)
	}
	return nil
}

// isCall says whether a path is that of a gRPC method.
func isCall(path string) bool {
	service, method, found := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return found && service != "" && method != "" && !strings.Contains(method, "/")
}

// MaxMessages is how many messages one gRPC call may send.
const MaxMessages = 1 << 20

func (r Request) check() error {
	switch {
	case r.Messages < 0 || r.Messages > MaxMessages:
		return fmt.Errorf("%d messages, not 0 to %d", r.Messages, MaxMessages)
	case !isToken(r.Method):
		return fmt.Errorf("the method is %q", r.Method)
	case !strings.HasPrefix(r.Path, "/") || !r.Template && !isVisible(r.Path):
		return fmt.Errorf("the path %q does not begin with / or holds spaces or control characters", r.Path)
	}
	if err := errors.Join(r.checkBody(), r.checkTemplates()); err != nil {
		return err
	}
	return checkHeader(r.Header)
}

func checkHeader(header [][2]string) error {
	for _, h := range header {
		switch {
		case !isToken(h[0]):
			return fmt.Errorf("%q is no header name", h[0])
		case ownHeaders[strings.ToLower(h[0])]:
			return fmt.Errorf("the header %s belongs to the generator", h[0])
		case strings.ContainsFunc(h[1], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return fmt.Errorf("the value of header %s holds control characters", h[0])
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
