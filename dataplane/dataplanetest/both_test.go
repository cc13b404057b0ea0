package dataplanetest_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
	"github.com/taremesh/tare/function/mtls"
)

// carrier is how HTTP is carried on one side.
type carrier struct {
	name  string
	http2 bool
	tls   bool
}

var (
	h1    = carrier{name: "h1"}
	h1tls = carrier{name: "h1 over TLS", tls: true}
	h2    = carrier{name: "h2", http2: true}
	h2tls = carrier{name: "h2 over TLS", http2: true, tls: true}
)

// people are the identities of a test.
type people struct{ proxy, client, service *mtls.Identity }

const (
	proxyID   = "spiffe://both.test/proxy"
	clientID  = "spiffe://both.test/client"
	serviceID = "spiffe://both.test/service"
)

func newPeople(t *testing.T) (p people) {
	t.Helper()
	a, err := mtls.NewAuthority("both.test")
	if err != nil {
		t.Fatal(err)
	}
	for id, into := range map[string]**mtls.Identity{proxyID: &p.proxy, clientID: &p.client, serviceID: &p.service} {
		if *into, err = a.Issue(id, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func always(i *mtls.Identity) mtls.Source { return func() (*mtls.Identity, error) { return i, nil } }

// between is a proxy from one carrier to another.
func between(down, up carrier, who people, listen string, endpoints ...string) dataplane.Proxy {
	p := dataplanetest.ToAll(listen, endpoints...)
	p.Clusters[0].HTTP2 = up.http2
	p.Shapes = append(p.Shapes, func(r *dataplane.Resources) error {
		return r.EachManager(func(m *hcmv3.HttpConnectionManager) error {
			m.CodecType = hcmv3.HttpConnectionManager_AUTO
			return nil
		})
	})
	if down.tls {
		p.Shapes = append(p.Shapes, mtls.Shape(who.proxy, mtls.Called, clientID))
	}
	if up.tls {
		p.Shapes = append(p.Shapes, mtls.Shape(who.proxy, mtls.Calling, serviceID))
	}
	p.Shapes = append(p.Shapes, once)
	return p
}

// once leaves one secret of each name.
func once(r *dataplane.Resources) error {
	seen := map[string]bool{}
	r.Secrets = slices.DeleteFunc(r.Secrets, func(s *tlsv3.Secret) bool {
		twice := seen[s.GetName()]
		seen[s.GetName()] = true
		return twice
	})
	return nil
}

// client speaks as the carrier says.
func (c carrier) client(t *testing.T, who people) *http.Client {
	tr := &http.Transport{DisableCompression: true, Protocols: c.protocols()}
	if c.tls {
		tr.TLSClientConfig = mtls.ClientTLS(always(who.client), proxyID)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (c carrier) protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(!c.http2)
	p.SetHTTP2(c.http2 && c.tls)
	p.SetUnencryptedHTTP2(c.http2 && !c.tls)
	return p
}

func (c carrier) scheme() string {
	if c.tls {
		return "https"
	}
	return "http"
}

// service is an upstream that keeps what it is asked.
type service struct {
	addr string
	mu   sync.Mutex
	seen []string // since the last look, in the order of coming
	got  int

	ended atomic.Int64 // WebSockets that are over
}

// serve starts a service that speaks as the carrier says.
func (c carrier) serve(t *testing.T, who people, h http.HandlerFunc) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{addr: l.Addr().String()}
	srv := &http.Server{Protocols: c.protocols(), ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.note(r)
		h(w, r)
	})}
	if c.tls {
		config := mtls.ServerTLS(always(who.service), proxyID)
		l = tls.NewListener(l, config)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // until Close
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return s
}

func (s *service) note(r *http.Request) {
	lines := []string{"request " + r.Method + " " + r.RequestURI + " to " + r.Host}
	lines = append(lines, headerLines("request header ", r.Header)...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got++
	s.seen = append(s.seen, lines...)
}

// look returns what has been asked since the last look.
func (s *service) look() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

// case of HTTP: a request.
type asked struct {
	name   string
	method string
	path   string
	header http.Header
	body   string
	stream bool // its length is not told
}

func everyRequest() []asked {
	big := strings.Repeat("0123456789", 30_000)
	return []asked{
		{name: "plain", path: "/?a=b%20c&d"},
		{name: "headers twice", path: "/", header: http.Header{"X-Twice": {"1", "2"}, "Cookie": {"a=b; c=d"}, "X-Empty": {""}}},
		{name: "a body", method: "POST", path: "/echo", body: "hello"},
		{name: "a large body", method: "PUT", path: "/echo", body: big},
		{name: "a body of untold length", method: "POST", path: "/echo", body: big, stream: true},
		{name: "a short body of untold length", method: "POST", path: "/echo", body: "hi", stream: true},
		{name: "HEAD", method: "HEAD", path: "/long"},
		{name: "a long response", path: "/long"},
		{name: "a response in pieces", path: "/pieces"},
		{name: "204", path: "/status/204"},
		{name: "304", path: "/status/304"},
		{name: "404", path: "/status/404"},
		{name: "500", path: "/status/500"},
		{name: "trailers", path: "/trailers", header: http.Header{"Te": {"trailers"}}},
		{name: "a lie about the client", path: "/", header: http.Header{"X-Forwarded-Client-Cert": {"URI=spiffe://both.test/king"}}},
		{name: "a path as it is", path: "/a/..//b/%2e/%41;x=y/"},
		{name: "a response that breaks off", path: "/broken"},
		{name: "no response", path: "/none"},
	}
}

// answer is the service of these requests.
func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Served", "yes")
	switch {
	case r.URL.Path == "/echo":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(body)
	case r.URL.Path == "/long":
		w.Header().Set("Content-Length", "200000")
		if r.Method != http.MethodHead {
			_, _ = w.Write(make([]byte, 200_000))
		}
	case r.URL.Path == "/pieces":
		for _, piece := range []string{"one ", "two ", "three"} {
			_, _ = io.WriteString(w, piece)
			w.(http.Flusher).Flush()
		}
	case strings.HasPrefix(r.URL.Path, "/status/"):
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/status/%d", &status)
		w.Header().Set("Etag", `"x"`)
		w.WriteHeader(status)
	case r.URL.Path == "/trailers":
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "content")
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-Late", "1")
	case r.URL.Path == "/broken":
		_, _ = io.WriteString(w, "the beginning")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	case r.URL.Path == "/none":
		panic(http.ErrAbortHandler)
	default:
		w.Header()["X-Twice"] = []string{"a", "b"}
		_, _ = io.WriteString(w, "ok")
	}
}

// ask makes a request and returns what both ends saw of it.
func (q asked) ask(t *testing.T, client *http.Client, base string, s *service) []string {
	t.Helper()
	method := q.method
	if method == "" {
		method = http.MethodGet
	}
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	if q.stream {
		body = struct{ io.Reader }{body}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, base+"/", body)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Opaque = q.path
	r.Host = "both.test"
	for name, values := range q.header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "both")
	lines := inform(client.Do(r))
	return append(lines, s.look()...)
}

// TestBothCarry: the same requests, carried in every way, are the same on both
// planes but for what is listed.
func TestBothCarry(t *testing.T) {
	t.Parallel()
	listed, both := known(t, "h1", "h2"), planes(t)
	for _, way := range []struct{ down, up carrier }{
		{h1, h1}, {h1, h2}, {h2, h1}, {h2, h2}, {h1tls, h1}, {h2tls, h1}, {h1, h1tls}, {h2tls, h2tls},
	} {
		name := way.down.name + " to " + way.up.name
		t.Run(name, func(t *testing.T) {
			who := newPeople(t)
			records := [2]map[string][]string{{}, {}}
			for k, plane := range both {
				s := way.up.serve(t, who, answer)
				addr := free(t)
				begin(t, plane, between(way.down, way.up, who, addr, s.addr))
				client := way.down.client(t, who)
				for _, q := range everyRequest() {
					records[k][q.name] = q.ask(t, client, way.down.scheme()+"://"+addr, s)
				}
			}
			for _, q := range everyRequest() {
				hold(t, listed, name+"/"+q.name, records[0][q.name], records[1][q.name])
			}
		})
	}
}
