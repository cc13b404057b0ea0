package dataplanetest_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
	"github.com/taremesh/tare/function/mtls"
	"github.com/taremesh/tare/internal/process"
)

const patience = 20 * time.Second

// The test binary is a proxy of tare's when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "proxy" {
		os.Exit(proxyMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func proxyMain(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o := catalog.ProxyOptions{Ready: func(string) { fmt.Println(catalog.ReadyLine) }}
	flags := flag.NewFlagSet("proxy", flag.ExitOnError)
	plane := flags.String("dataplane", "", "")
	flags.StringVar(&o.XDS, "xds", "", "")
	flags.StringVar(&o.Node, "node", "", "")
	flags.IntVar(&o.Workers, "workers", 0, "")
	flags.StringVar(&o.Admin, "admin", "", "")
	err := flags.Parse(args)
	if err == nil {
		err = serveProxy(ctx, *plane, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	return 0
}

func serveProxy(ctx context.Context, plane string, o catalog.ProxyOptions) error {
	proxies, err := catalog.Proxies()
	if err != nil {
		return err
	}
	p, err := proxies.Get(plane)
	if err != nil {
		return err
	}
	return p.Serve(ctx, o)
}

// planes are the data planes that are held against each other, Envoy first.
func planes(t *testing.T) []dataplane.DataPlane {
	t.Helper()
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	var all []dataplane.DataPlane
	for _, name := range []string{"envoy", "embedded"} {
		p, err := b.DataPlanes.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

var names atomic.Int64

// begin starts a proxy that obeys the configuration, and returns it when it
// takes connections.
func begin(t *testing.T, plane dataplane.DataPlane, p dataplane.Proxy) dataplane.Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	i, err := plane.Start(ctx, dataplane.Options{Name: fmt.Sprint("both-", names.Add(1))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := i.Configure(ctx, p); err != nil {
		t.Fatal(err)
	}
	listens(t, p.Listen)
	return i
}

// listens waits until somebody takes connections: Envoy acknowledges a listener
// a little before it does.
func listens(t *testing.T, addr string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("nothing listens on %s", addr)
}

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
}

// serve starts a service that speaks as the carrier says.
func (c carrier) serve(t *testing.T, who people, h http.HandlerFunc) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{addr: l.Addr().String()}
	srv := &http.Server{Protocols: c.protocols(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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

// headerLines are the fields in the order of their names; dates differ.
func headerLines(prefix string, h http.Header) (lines []string) {
	for name, values := range h {
		for _, v := range values {
			if name == "Date" {
				v = "(a date)"
			}
			lines = append(lines, prefix+strings.ToLower(name)+": "+v)
		}
	}
	slices.Sort(lines)
	return lines
}

// difference is one that is known: Envoy has the first line where the embedded
// plane has the second; an empty one is no line.
type difference struct {
	Case     string `json:"case"` // a prefix of the case's name; empty: all
	Envoy    string `json:"envoy,omitempty"`
	Embedded string `json:"embedded,omitempty"`
	Reason   string `json:"reason"`
	met      bool
}

// known are the differences that are listed, with their reasons. Those of the
// prefixes must be met by the end of the test, or they are none any more.
func known(t *testing.T, prefixes ...string) []*difference {
	t.Helper()
	text, err := os.ReadFile("differences.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []*difference
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if d.Reason == "" {
			t.Errorf("a difference without a reason: %+v", d)
		}
	}
	t.Cleanup(func() {
		for _, d := range all {
			for _, p := range prefixes {
				if strings.HasPrefix(d.Case, p) && !d.met {
					t.Errorf("a listed difference was not met: %+v", *d)
				}
			}
		}
	})
	return all
}

// hold finds fault with differences between two records of a case that are not
// listed. Lines that both have are no difference, whatever their order.
func hold(t *testing.T, listed []*difference, name string, envoy, embedded []string) {
	t.Helper()
	a, b := slices.Clone(envoy), slices.Clone(embedded)
	for _, line := range envoy {
		if i := slices.Index(b, line); i >= 0 {
			b = slices.Delete(b, i, i+1)
			a = slices.Delete(a, slices.Index(a, line), slices.Index(a, line)+1)
		}
	}
	for _, d := range listed {
		for applies(d, name) && (d.Envoy != "" || d.Embedded != "") {
			i, j := slices.Index(a, d.Envoy), slices.Index(b, d.Embedded)
			if d.Envoy != "" && i < 0 || d.Embedded != "" && j < 0 {
				break
			}
			d.met = true
			if d.Envoy != "" {
				a = slices.Delete(a, i, i+1)
			}
			if d.Embedded != "" {
				b = slices.Delete(b, j, j+1)
			}
		}
	}
	for _, line := range a {
		t.Errorf("%s: on Envoy alone: %s", name, line)
	}
	for _, line := range b {
		t.Errorf("%s: on the embedded plane alone: %s", name, line)
	}
}

// inform reads a whole response into lines.
func inform(r *http.Response, err error) []string {
	if err != nil {
		return []string{"no response"}
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	lines := []string{fmt.Sprintf("status %d by %s", r.StatusCode, r.Proto)}
	lines = append(lines, headerLines("header ", r.Header)...)
	text := string(body)
	if len(text) > 100 {
		text = fmt.Sprintf("%s… (%d bytes)", text[:20], len(text))
	}
	lines = append(lines, fmt.Sprintf("body %q", text))
	lines = append(lines, headerLines("trailer ", r.Trailer)...)
	if err != nil {
		lines = append(lines, "the body breaks off")
	}
	return lines
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

func free(t *testing.T) string {
	t.Helper()
	addr, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// applies reports whether a difference is one of the case: of raw ones by the
// whole name.
func applies(d *difference, name string) bool {
	if strings.HasPrefix(d.Case, "raw") {
		return name == d.Case
	}
	return strings.HasPrefix(name, d.Case)
}
