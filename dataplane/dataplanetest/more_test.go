package dataplanetest_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/function/mtls"
	"github.com/taremesh/tare/function/noop"
)

// TestBothBalance: endpoints take turns exactly, whatever carries the requests.
func TestBothBalance(t *testing.T) {
	t.Parallel()
	who := newPeople(t)
	const each = 20
	for _, plane := range planes(t) {
		for _, c := range []struct{ down, up carrier }{{h2, h2}, {h1, h2}, {h2tls, h1tls}} {
			var services []*service
			var addrs []string
			for range 3 {
				s := c.up.serve(t, who, say("ok"))
				services, addrs = append(services, s), append(addrs, s.addr)
			}
			addr := free(t)
			begin(t, plane, between(c.down, c.up, who, addr, addrs...))
			client := c.down.client(t, who)
			for range 3 * each {
				if got := inform(client.Get(c.down.scheme() + "://" + addr + "/")); !strings.HasPrefix(got[0], "status 200") {
					t.Fatalf("%s: got %q", plane.Name(), got)
				}
			}
			for k, s := range services {
				s.mu.Lock()
				if s.got != each {
					t.Errorf("%s, %s to %s: endpoint %d got %d of %d", plane.Name(), c.down.name, c.up.name, k, s.got, 3*each)
				}
				s.mu.Unlock()
			}
		}
	}
}

// TestBothVouch: what becomes of x-forwarded-client-cert in each of its modes.
func TestBothVouch(t *testing.T) {
	t.Parallel()
	listed, who := known(t), newPeople(t)
	both := planes(t)
	for number, mode := range hcmv3.HttpConnectionManager_ForwardClientCertDetails_name {
		for _, c := range []carrier{h1, h2tls} {
			var records [2][]string
			for k, plane := range both {
				s := h1.serve(t, who, say("ok"))
				addr := free(t)
				p := between(c, h1, who, addr, s.addr)
				p.Shapes = append(p.Shapes, func(r *dataplane.Resources) error {
					return r.EachManager(func(m *hcmv3.HttpConnectionManager) error {
						m.ForwardClientCertDetails = hcmv3.HttpConnectionManager_ForwardClientCertDetails(number)
						m.SetCurrentClientCertDetails = &hcmv3.HttpConnectionManager_SetCurrentClientCertDetails{Uri: true, Dns: true}
						return nil
					})
				})
				begin(t, plane, p)
				client := c.client(t, who)
				for _, said := range [][]string{nil, {"URI=spiffe://x/y"}, {"URI=a", "URI=b"}} {
					q := asked{path: "/", header: http.Header{"X-Forwarded-Client-Cert": said}}
					if said == nil {
						q.header = nil
					}
					records[k] = append(records[k], fmt.Sprintf("said %q:", said))
					records[k] = append(records[k], q.ask(t, client, c.scheme()+"://"+addr, s)...)
				}
			}
			hold(t, listed, "vouch/"+mode+"/"+c.name, records[0], records[1])
		}
	}
}

// TestBothShakeHands: which handshakes end well, and in which protocol.
func TestBothShakeHands(t *testing.T) {
	t.Parallel()
	listed, who := known(t), newPeople(t)
	stranger := newPeople(t)
	own := []tls.Certificate{who.client.Certificate}
	listeners := map[string]func(*tlsv3.DownstreamTlsContext){
		"demands certificates": func(*tlsv3.DownstreamTlsContext) {},
		"asks for them":        func(m *tlsv3.DownstreamTlsContext) { m.RequireClientCertificate = wrapperspb.Bool(false) },
		"asks nobody": func(m *tlsv3.DownstreamTlsContext) {
			m.RequireClientCertificate, m.CommonTlsContext.ValidationContextType = nil, nil
		},
		"1.3 alone": func(m *tlsv3.DownstreamTlsContext) {
			m.CommonTlsContext.TlsParams = &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_3, TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3}
		},
		"1.2 alone": func(m *tlsv3.DownstreamTlsContext) {
			m.CommonTlsContext.TlsParams = &tlsv3.TlsParameters{TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_2}
		},
		"HTTP/1.1 alone": func(m *tlsv3.DownstreamTlsContext) { m.CommonTlsContext.AlpnProtocols = []string{"http/1.1"} },
	}
	clients := map[string]*tls.Config{
		"with its certificate":   {Certificates: own},
		"without":                {},
		"with a stranger's":      {Certificates: []tls.Certificate{stranger.client.Certificate}},
		"with the service's":     {Certificates: []tls.Certificate{who.service.Certificate}},
		"TLS 1.2":                {Certificates: own, MaxVersion: tls.VersionTLS12},
		"TLS 1.1":                {Certificates: own, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"offering h2":            {Certificates: own, NextProtos: []string{"h2"}},
		"offering both":          {Certificates: own, NextProtos: []string{"http/1.1", "h2"}},
		"offering HTTP/1.1":      {Certificates: own, NextProtos: []string{"http/1.1"}},
		"offering something new": {Certificates: own, NextProtos: []string{"h9"}},
	}
	both := planes(t)
	for name, change := range listeners {
		var records [2][]string
		for k, plane := range both {
			s := h1.serve(t, who, say("ok"))
			addr := free(t)
			p := between(h1tls, h1, who, addr, s.addr)
			p.Shapes = append(p.Shapes, reshaped(change))
			begin(t, plane, p)
			for client, config := range clients {
				config = config.Clone()
				config.InsecureSkipVerify = true
				records[k] = append(records[k], client+": "+shake(t, addr, config))
			}
		}
		hold(t, listed, "handshake/"+name, records[0], records[1])
	}
}

// reshaped changes the TLS of a listener; secrets that are needed no more go.
func reshaped(change func(*tlsv3.DownstreamTlsContext)) dataplane.Shape {
	return func(r *dataplane.Resources) error {
		socket := r.Listener.FilterChains[0].TransportSocket
		var m tlsv3.DownstreamTlsContext
		if err := socket.GetTypedConfig().UnmarshalTo(&m); err != nil {
			return err
		}
		change(&m)
		if m.CommonTlsContext.ValidationContextType == nil {
			r.Secrets = slices.DeleteFunc(r.Secrets, func(s *tlsv3.Secret) bool { return s.GetName() == mtls.TrustSecret })
		}
		packed, err := dataplane.Pack(&m)
		socket.ConfigType = &corev3.TransportSocket_TypedConfig{TypedConfig: packed}
		return err
	}
}

// shake shakes hands and asks in what was agreed upon.
func shake(t *testing.T, addr string, config *tls.Config) string {
	t.Helper()
	c, err := tls.Dial("tcp", addr, config)
	if err != nil {
		return "refused"
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	agreed := c.ConnectionState()
	if agreed.NegotiatedProtocol == "h2" {
		_, err = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	} else {
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	first := make([]byte, 9)
	if err == nil {
		_, err = io.ReadFull(c, first)
	}
	if err != nil {
		return "refused" // which TLS 1.3 tells after the handshake
	}
	return fmt.Sprintf("version %x, %q, %v", agreed.Version, agreed.NegotiatedProtocol, string(first) == "HTTP/1.1 ")
}

// TestBothMistrust: an upstream that is not who it should be is asked nothing.
func TestBothMistrust(t *testing.T) {
	t.Parallel()
	listed, who, stranger := known(t), newPeople(t), newPeople(t)
	both := planes(t)
	for _, c := range []carrier{h1tls, h2tls} {
		for name, p := range map[string]people{"right": who, "a stranger": stranger, "somebody else": {service: who.client}} {
			var records [2][]string
			for k, plane := range both {
				s := c.serve(t, p, say("ok"))
				addr := free(t)
				begin(t, plane, between(h1, c, who, addr, s.addr))
				for _, line := range (asked{path: "/"}).ask(t, h1.client(t, who), "http://"+addr, s) {
					if !strings.HasPrefix(line, "header content-length") {
						records[k] = append(records[k], why.ReplaceAllString(line, "(why)"))
					}
				}
			}
			hold(t, listed, "mistrust/"+c.name+"/"+name, records[0], records[1])
			if asked := strings.Contains(strings.Join(records[1], " "), "request GET"); asked != (name == "right") {
				t.Errorf("%s, %s: asked %v", c.name, name, asked)
			}
		}
	}
}

// why is what TLS libraries say of a failure, each in its own words.
var why = regexp.MustCompile(`(connection failure|connection termination|TLS).*`)

// TestThroughAModuleByHTTP2: a module that does nothing changes nothing of what
// HTTP/2 carries.
func TestThroughAModuleByHTTP2(t *testing.T) {
	t.Parallel()
	filter, err := xds.WasmFilter("noop", noop.Function().Wasm.Module, nil)
	if err != nil {
		t.Fatal(err)
	}
	plane, who := planes(t)[1], newPeople(t)
	var records [2][][]string
	for k := range records {
		s := h2.serve(t, who, answer)
		addr := free(t)
		p := between(h2, h2, who, addr, s.addr)
		if k == 1 {
			p.Filters = append(p.Filters, filter)
		}
		begin(t, plane, p)
		client := h2.client(t, who)
		for _, q := range everyRequest() {
			records[k] = append(records[k], q.ask(t, client, "http://"+addr, s))
		}
	}
	for i, q := range everyRequest() {
		hold(t, nil, q.name, records[0][i], records[1][i])
	}
}

// TestBothLogHTTP2: a line of the access log says what carried the request.
func TestBothLogHTTP2(t *testing.T) {
	t.Parallel()
	for _, plane := range planes(t) {
		who := newPeople(t)
		s := h1.serve(t, who, say("ok"))
		addr := free(t)
		p := between(h2, h1, who, addr, s.addr)
		p.AccessLog = &dataplane.AccessLog{Path: filepath.Join(t.TempDir(), "log"), Format: "%PROTOCOL% %RESPONSE_CODE% %BYTES_SENT%\n"}
		i := begin(t, plane, p)
		if got := inform(h2.client(t, who).Get("http://" + addr + "/")); got[0] != "status 200 by HTTP/2.0" {
			t.Errorf("%s: got %q", plane.Name(), got)
		}
		if err := i.Stop(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(p.AccessLog.Path)
		if err != nil || string(text) != "HTTP/2 200 2\n" {
			t.Errorf("%s: the log is %q, %v", plane.Name(), text, err)
		}
	}
}
