package embedded

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	upstreamsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"

	"github.com/taremesh/tare/internal/protofield"
)

// honouredOfCarriage is what is done of a cluster's protocol. That services may be
// asked for WebSocket by extended CONNECT need not be allowed, as in Envoy.
var honouredOfCarriage = protofield.Honoured{
	"envoy.extensions.upstreams.http.v3.HttpProtocolOptions":                    {"explicit_http_config"},
	"envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig": {"http_protocol_options", "http2_protocol_options"},
	"envoy.config.core.v3.Http1ProtocolOptions":                                 {"enable_trailers"},
	"envoy.config.core.v3.Http2ProtocolOptions":                                 {"allow_connect"},
}

// carriageSpec is how requests are carried to a cluster's endpoints.
type carriageSpec struct {
	http2    bool
	trailers bool     // HTTP/1.1 has them
	tls      *tlsSpec // nil: clear text
}

// key tells carriages apart; it is empty for HTTP/1.1 in clear text.
func (s carriageSpec) key() string {
	key := ""
	if s.http2 {
		key = protoH2
	}
	if s.trailers {
		key = "trailers"
	}
	if s.tls != nil {
		key += " " + s.tls.key
	}
	return key
}

const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

func decodeCarriage(c *clusterv3.Cluster) (s carriageSpec, err error) {
	if s.tls, err = decodeUpstreamTLS(c.GetTransportSocket()); err != nil {
		return s, fmt.Errorf("field transport_socket: %w", err)
	}
	for name, a := range c.GetTypedExtensionProtocolOptions() {
		field := fmt.Sprintf("field typed_extension_protocol_options[%q]", name)
		if name != httpOptions {
			return s, fmt.Errorf("%s: not supported", field)
		}
		o, err := check(a, &upstreamsv3.HttpProtocolOptions{})
		if err != nil {
			return s, fmt.Errorf("%s: %w", field, err)
		}
		s.http2 = o.GetExplicitHttpConfig().GetHttp2ProtocolOptions() != nil
		s.trailers = o.GetExplicitHttpConfig().GetHttpProtocolOptions().GetEnableTrailers()
	}
	return s, nil
}

// carriage is one way of carrying requests to endpoints; nil is HTTP/1.1 in
// clear text. It outlives changes of the configuration that do not concern it.
type carriage struct {
	carriageSpec
	keys      *keys
	transport *http.Transport // of HTTP/2

	mu      sync.Mutex
	conns   map[string][]*http.ClientConn // of HTTP/2, by address
	opening map[string]*opening
}

func newCarriage(s carriageSpec) *carriage {
	c := &carriage{carriageSpec: s, conns: map[string][]*http.ClientConn{}, opening: map[string]*opening{}}
	if s.tls != nil {
		c.keys = &keys{spec: s.tls}
	}
	if !s.http2 {
		return c
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(s.tls != nil)
	protocols.SetUnencryptedHTTP2(s.tls == nil)
	dial := func(ctx context.Context, _, addr string) (net.Conn, error) { return c.join(ctx, addr) }
	c.transport = &http.Transport{Protocols: protocols, DialContext: dial, DialTLSContext: dial, DisableCompression: true}
	return c
}

// join opens a connection to speak HTTP/2 on.
func (c *carriage) join(ctx context.Context, addr string) (net.Conn, error) {
	tcp, err := dialTCP(ctx, addr)
	if err != nil || c.keys == nil {
		return tcp, err
	}
	return c.shake(ctx, tcp)
}

func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: connectTimeout, KeepAlive: -1}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return c, nil
}

// shake puts TLS over a connection.
func (c *carriage) shake(ctx context.Context, tcp net.Conn) (*tls.Conn, error) {
	proto := protoH1
	if c.http2 {
		proto = protoH2
	}
	t, err := c.keys.client(ctx, tcp, proto)
	if err != nil {
		tcp.Close()
		return nil, err
	}
	if c.http2 && t.ConnectionState().NegotiatedProtocol != protoH2 {
		tcp.Close()
		return nil, fmt.Errorf("connect to %s: it does not speak HTTP/2", tcp.RemoteAddr())
	}
	return t, nil
}

// opening is a connection that is being opened, for all who wait for it.
type opening struct {
	done chan struct{}
	err  error
}

// place reserves a place on a connection of HTTP/2 to the address. Used: it has
// carried others before. Opened is called when a connection is opened for it.
func (c *carriage) place(addr string, opened func()) (cc *http.ClientConn, used bool, err error) {
	for {
		c.mu.Lock()
		if cc := c.reserve(addr); cc != nil {
			c.mu.Unlock()
			return cc, true, nil
		}
		o, waits := c.opening[addr]
		if !waits {
			o = &opening{done: make(chan struct{})}
			c.opening[addr] = o
		}
		c.mu.Unlock()
		if !waits {
			opened()
			cc, err := c.open(addr)
			o.err = err
			c.mu.Lock()
			delete(c.opening, addr)
			if err == nil {
				c.conns[addr] = append(c.conns[addr], cc)
			}
			c.mu.Unlock()
			close(o.done)
			return cc, false, err
		}
		if <-o.done; o.err != nil {
			return nil, false, o.err
		}
	}
}

// reserve takes a place on a connection that is open, if there is one.
func (c *carriage) reserve(addr string) *http.ClientConn {
	c.conns[addr] = slices.DeleteFunc(c.conns[addr], func(cc *http.ClientConn) bool { return cc.Err() != nil })
	for _, cc := range c.conns[addr] {
		if cc.Reserve() == nil {
			return cc
		}
	}
	return nil
}

// open opens a connection and reserves a place on it.
func (c *carriage) open(addr string) (*http.ClientConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout+handshakeTime)
	defer cancel()
	cc, err := c.transport.NewClientConn(ctx, c.scheme(), addr)
	if err != nil {
		return nil, err
	}
	if err := cc.Reserve(); err != nil {
		_ = cc.Close()
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return cc, nil
}

func (c *carriage) scheme() string {
	if c.tls != nil {
		return "https"
	}
	return "http"
}

// shut closes the connections to an address, each when it carries nothing.
func (c *carriage) shut(addr string) {
	c.mu.Lock()
	conns := c.conns[addr]
	delete(c.conns, addr)
	c.mu.Unlock()
	for _, cc := range conns {
		closeIdle(cc)
	}
}

// closeIdle closes a connection as soon as nothing is under way on it.
func closeIdle(cc *http.ClientConn) {
	cc.SetStateHook(func(cc *http.ClientConn) {
		if cc.InFlight() == 0 {
			_ = cc.Close()
		}
	})
	if cc.InFlight() == 0 {
		_ = cc.Close()
	}
}
