package dataplanetest_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function/mtls"
)

// meet shakes hands, asks, and says whether a session was resumed; of a client
// that is not let in, that it is refused.
func meet(t *testing.T, addr string, config *tls.Config) string {
	t.Helper()
	c, err := tls.Dial("tcp", addr, config)
	if err != nil {
		return "refused"
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	s := c.ConnectionState()
	how := map[bool]string{false: "a new session", true: "a session resumed"}[s.DidResume]
	if s.NegotiatedProtocol == "h2" {
		if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
			return "refused"
		}
		if _, err := io.ReadFull(c, make([]byte, 9)); err != nil {
			return "refused"
		}
		return how
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return "refused"
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "refused" // which TLS 1.3 tells after the handshake
	}
	defer r.Body.Close()
	return how + ", " + r.Status
}

// TestBothResume: who comes again resumes the session, whatever the version and
// whoever shows certificates; the service hears of the client what it heard first.
func TestBothResume(t *testing.T) {
	t.Parallel()
	listed, who := known(t), newPeople(t)
	both := planes(t)
	for _, c := range []struct {
		name    string
		version uint16
		change  func(*tlsv3.DownstreamTlsContext)
		resumes bool
	}{
		{"1.3 with certificates", tls.VersionTLS13, nil, true},
		{"1.2 with certificates", tls.VersionTLS12, nil, true},
		{"1.3 without", tls.VersionTLS13, asksNobody, true},
		{"1.2 without", tls.VersionTLS12, asksNobody, true},
		{"1.3, not wanted", tls.VersionTLS13, func(m *tlsv3.DownstreamTlsContext) {
			m.SessionTicketKeysType = &tlsv3.DownstreamTlsContext_DisableStatelessSessionResumption{DisableStatelessSessionResumption: true}
			m.DisableStatefulSessionResumption = true
		}, false},
	} {
		for _, proto := range []string{"http/1.1", "h2"} {
			t.Run(c.name+" "+proto, func(t *testing.T) {
				var records [2][]string
				for k, plane := range both {
					s := h1.serve(t, who, say("ok"))
					addr := free(t)
					p := between(h1tls, h1, who, addr, s.addr)
					if c.change != nil {
						p.Shapes = append(p.Shapes, reshaped(c.change))
					}
					begin(t, plane, p)
					config := &tls.Config{MinVersion: c.version, MaxVersion: c.version, NextProtos: []string{proto}, InsecureSkipVerify: true,
						Certificates: []tls.Certificate{who.client.Certificate}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
					for range 3 {
						records[k] = append(records[k], meet(t, addr, config))
						records[k] = append(records[k], s.look()...)
					}
				}
				hold(t, listed, "sessions/"+c.name+" "+proto, records[0], records[1])
				for _, r := range records {
					if got := strings.Count(strings.Join(r, "\n"), "resumed"); got != map[bool]int{true: 2}[c.resumes] {
						t.Errorf("of 2 that came again %d resumed: %q", got, r)
					}
				}
			})
		}
	}
}

func asksNobody(m *tlsv3.DownstreamTlsContext) {
	m.RequireClientCertificate, m.CommonTlsContext.ValidationContextType = nil, nil
}

// trusting is the identity with other people's roots, as PEM.
func trusting(i *mtls.Identity, roots ...[]byte) *mtls.Identity {
	other := *i
	other.RootsPEM = slices.Concat(roots...)
	return &other
}

// TestBothForgetSessions: sessions last through changes that do not concern
// them, and end with the secrets that they began under: who is trusted no more
// is refused although it has one.
func TestBothForgetSessions(t *testing.T) {
	t.Parallel()
	a, err := mtls.NewAuthority("both.test")
	if err != nil {
		t.Fatal(err)
	}
	issue := func(id string) *mtls.Identity {
		i, err := a.Issue(id, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	caller, stranger := issue(clientID), newPeople(t)
	plain := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, Certificates: []tls.Certificate{caller.Certificate}}
	for _, plane := range planes(t) {
		t.Run(plane.Name(), func(t *testing.T) {
			s := h1.serve(t, people{}, say("ok"))
			own := issue(proxyID)
			p := between(h1tls, h1, people{proxy: own}, free(t), s.addr)
			i := begin(t, plane, p)
			again := plain.Clone()
			again.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			come := func(when, want string) {
				t.Helper()
				if got := meet(t, p.Listen, again); got != want {
					t.Errorf("%s: %s, want %s", when, got, want)
				}
			}
			change := func(to *mtls.Identity) {
				t.Helper()
				next := p
				next.Shapes = append(slices.Clone(p.Shapes), mtls.Shape(to, mtls.Called, clientID))
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				if err := i.Configure(ctx, next); err != nil {
					t.Fatal(err)
				}
			}
			const fresh, resumed, refused = "a new session, 200 OK", "a session resumed, 200 OK", "refused"
			come("first", fresh)
			come("again", resumed)

			p.Shapes = append(p.Shapes, func(r *dataplane.Resources) error {
				return r.EachRoute(func(_ *routev3.Route, a *routev3.RouteAction) error {
					a.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: "b"}
					return nil
				})
			})
			change(own)
			come("after a route has changed", resumed)

			own = issue(proxyID)
			change(own)
			shows(t, p.Listen, plain, own.Certificate.Leaf.SerialNumber)
			come("with another certificate of the proxy's", fresh)
			come("again", resumed)

			change(trusting(own, stranger.proxy.RootsPEM))
			turns(t, func() bool { return meet(t, p.Listen, plain) == refused })
			come("when others are trusted", refused)

			change(trusting(own, stranger.proxy.RootsPEM, own.RootsPEM))
			turns(t, func() bool { return meet(t, p.Listen, plain) == fresh })
			come("when it is trusted again", fresh)
			come("again", resumed)
		})
	}
}

// turns waits until something is so.
func turns(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if so() {
			return
		}
	}
	t.Fatal("it never turns so")
}

// TestBothResumeUpstream: a proxy that comes to a service again resumes the
// session, until it has other secrets.
func TestBothResumeUpstream(t *testing.T) {
	t.Parallel()
	who, stranger := newPeople(t), newPeople(t)
	for _, plane := range planes(t) {
		for _, c := range []struct {
			name     string
			http2    bool
			version  uint16
			sessions *wrapperspb.UInt32Value
			resumes  bool
		}{
			{"h1", false, tls.VersionTLS13, nil, true},
			{"h1, 1.2", false, tls.VersionTLS12, nil, true},
			{"h2", true, tls.VersionTLS13, nil, true},
			{"h1, none kept", false, tls.VersionTLS13, wrapperspb.UInt32(0), false},
		} {
			t.Run(plane.Name()+" "+c.name, func(t *testing.T) {
				door := &doorkeeper{}
				addr := door.open(t, who, carrier{http2: c.http2, tls: true}, c.version)
				p := between(h1, carrier{http2: c.http2, tls: true}, who, free(t), addr)
				p.Shapes = append(p.Shapes, keeping(c.sessions))
				i := begin(t, plane, p)
				client := h1.client(t, who)
				come := func(when string, want bool) {
					t.Helper()
					if got := door.next(t, client, "http://"+p.Listen+"/"); got != want {
						t.Errorf("%s: resumed %v, want %v", when, got, want)
					}
				}
				change := func(to *mtls.Identity) {
					t.Helper()
					next := p
					next.Shapes = append(slices.Clone(p.Shapes), mtls.Shape(to, mtls.Calling, serviceID), once, keeping(c.sessions))
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					if err := i.Configure(ctx, next); err != nil {
						t.Fatal(err)
					}
				}
				come("first", false)
				come("again", c.resumes)
				come("and again", c.resumes)
				if !c.resumes {
					return
				}
				both := trusting(who.proxy, who.proxy.RootsPEM, stranger.proxy.RootsPEM)
				change(both)
				turns(t, func() bool { return !door.next(t, client, "http://"+p.Listen+"/") })
				come("again, when others are trusted too", true)
				change(trusting(who.proxy, stranger.proxy.RootsPEM))
				turns(t, func() bool {
					r, err := client.Get("http://" + p.Listen + "/")
					if err != nil {
						t.Fatal(err)
					}
					r.Body.Close()
					return r.StatusCode == http.StatusServiceUnavailable
				})
			})
		}
	}
}

// keeping makes clusters keep so many sessions.
func keeping(n *wrapperspb.UInt32Value) dataplane.Shape {
	return func(r *dataplane.Resources) error {
		socket := r.Clusters[0].TransportSocket
		var m tlsv3.UpstreamTlsContext
		if err := socket.GetTypedConfig().UnmarshalTo(&m); err != nil {
			return err
		}
		m.MaxSessionKeys = n
		// Envoy's clients go no further than 1.2 by default.
		m.CommonTlsContext.TlsParams = &tlsv3.TlsParameters{TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3}
		packed, err := dataplane.Pack(&m)
		socket.ConfigType = &corev3.TransportSocket_TypedConfig{TypedConfig: packed}
		return err
	}
}

// doorkeeper is a service that ends every connection with its first response,
// and keeps how each began.
type doorkeeper struct {
	mu      sync.Mutex
	last    string // the address of who asked last
	resumed bool
}

func (d *doorkeeper) open(t *testing.T, who people, c carrier, version uint16) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: version, MaxVersion: version,
		Certificates: []tls.Certificate{who.service.Certificate}, ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Protocols: c.protocols(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.last, d.resumed = r.RemoteAddr, r.TLS.DidResume
		d.mu.Unlock()
		w.Header().Set("Connection", "close")
		fmt.Fprint(w, "ok")
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // until Close
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return l.Addr().String()
}

// next asks until somebody comes by another connection than the last, and says
// whether that one resumed a session.
func (d *doorkeeper) next(t *testing.T, client *http.Client, url string) (resumed bool) {
	t.Helper()
	d.mu.Lock()
	before := d.last
	d.mu.Unlock()
	turns(t, func() bool {
		r, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Fatalf("got %s", r.Status)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		resumed = d.resumed
		return d.last != before
	})
	return resumed
}
