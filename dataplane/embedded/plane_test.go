package embedded_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
	"github.com/taremesh/tare/dataplane/embedded"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/internal/process"
)

const patience = 20 * time.Second

func scripted(t testing.TB, lines ...string) *anypb.Any {
	t.Helper()
	a, err := anypb.New(wrapperspb.String(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// standing is an instance with an address of its own and an upstream that
// answers with the headers that it got.
func standing(t *testing.T, o dataplane.Options) (i dataplane.Instance, p dataplane.Proxy) {
	t.Helper()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "user=%s", r.Header.Get("X-User"))
	}))
	t.Cleanup(echo.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	i, err := newPlane(t).Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Stop() })
	addr, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return i, dataplanetest.ToAll(addr, echo.Listener.Addr().String())
}

func configure(t *testing.T, i dataplane.Instance, p dataplane.Proxy) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return i.Configure(ctx, p)
}

// fetch returns status, body and the header x-count.
func fetch(t *testing.T, p dataplane.Proxy, path string) (status int, body, count string) {
	t.Helper()
	r, err := http.Get("http://" + p.Listen + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b), r.Header.Get("X-Count")
}

func TestFilterConfiguration(t *testing.T) {
	i, p := standing(t, dataplane.Options{Name: "filters"})
	p.Filters = []dataplane.Filter{
		{Name: "count", Config: scripted(t, "count")},
		{Name: "user", Config: scripted(t, "set x-user chain")},
	}
	p.Hosts[0].Routes = []dataplane.Route{
		{Path: "/route", Exact: true, Cluster: "service", Overrides: map[string]*anypb.Any{"user": scripted(t, "set x-user route")}},
		{Path: "/", Cluster: "service"},
	}
	wants := func(path, body, count string) {
		t.Helper()
		if _, b, n := fetch(t, p, path); b != body || n != count {
			t.Errorf("%s: got %q, count %s, want %q, %s", path, b, n, body, count)
		}
	}
	if err := configure(t, i, p); err != nil {
		t.Fatal(err)
	}
	wants("/", "user=chain", "1")
	wants("/route", "user=route", "2")
	// A change elsewhere must not make a filter forget.
	p.Hosts[0].Routes[0].Overrides["user"] = scripted(t, "set x-user changed")
	if err := configure(t, i, p); err != nil {
		t.Fatal(err)
	}
	wants("/route", "user=changed", "3")
	p.Filters = p.Filters[:1]
	p.Hosts[0].Routes[0].Overrides = nil
	if err := configure(t, i, p); err != nil {
		t.Fatal(err)
	}
	wants("/route", "user=", "4")
	// Another configuration is another filter.
	p.Filters[0].Config = scripted(t, "count", "set x-user new")
	if err := configure(t, i, p); err != nil {
		t.Fatal(err)
	}
	wants("/", "user=new", "1")
}

func TestRefusedConfiguration(t *testing.T) {
	i, good := standing(t, dataplane.Options{Name: "refuses"})
	good.Filters = []dataplane.Filter{{Name: "count", Config: scripted(t, "count")}}
	if err := configure(t, i, good); err != nil {
		t.Fatal(err)
	}
	foreign, err := anypb.New(durationpb.New(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range []struct {
		name  string
		wants []string
		spoil func(*dataplane.Proxy)
	}{
		{"a filter of an unknown type", []string{"refused the Listener", "filter other", "google.protobuf.Duration"}, func(p *dataplane.Proxy) {
			p.Filters = append(p.Filters, dataplane.Filter{Name: "other", Config: foreign})
		}},
		{"a filter that does not understand its configuration", []string{"refused the Listener", "filter other", "field value", "bad idea"}, func(p *dataplane.Proxy) {
			p.Filters = append(p.Filters, dataplane.Filter{Name: "other", Config: scripted(t, "bad idea")})
		}},
		{"an override of an unknown type", []string{"refused the RouteConfiguration", "routes[0]", "filter count", "google.protobuf.Duration"}, func(p *dataplane.Proxy) {
			p.Hosts = []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: "service", Overrides: map[string]*anypb.Any{"count": foreign}}}}}
		}},
	} {
		p := good
		c.spoil(&p)
		err := configure(t, i, p)
		for _, w := range c.wants {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: got %v, want an error with %q", c.name, err, w)
			}
		}
		n++
		if status, _, count := fetch(t, good, "/"); status != 200 || count != fmt.Sprint(n) {
			t.Errorf("%s: then got %d, count %s, want the old configuration's 200, %d", c.name, status, count, n)
		}
	}
	if err := configure(t, i, good); err != nil {
		t.Errorf("after all refusals: %v", err)
	}
}

// While configurations change, every request is answered by one of them.
func TestChangeUnderLoad(t *testing.T) {
	i, p := standing(t, dataplane.Options{Name: "changes", Workers: 2})
	p.Filters = []dataplane.Filter{{Name: "user", Config: scripted(t, "set x-user even")}}
	if err := configure(t, i, p); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var done atomic.Bool
	var served atomic.Int64
	for range 4 {
		wg.Go(func() {
			c := &http.Client{Transport: &http.Transport{}, Timeout: patience}
			defer c.CloseIdleConnections()
			for !done.Load() {
				r, err := c.Get("http://" + p.Listen + "/")
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(r.Body)
				r.Body.Close()
				if s := string(b); err != nil || r.StatusCode != 200 || s != "user=even" && s != "user=odd" {
					t.Errorf("got %d %q, error %v", r.StatusCode, s, err)
					return
				}
				served.Add(1)
			}
		})
	}
	for n := range 20 {
		name := []string{"odd", "even"}[n%2]
		p.Filters = []dataplane.Filter{{Name: "user", Config: scripted(t, "set x-user "+name)}}
		p.Clusters = []dataplane.Cluster{{Name: name, Endpoints: p.Clusters[0].Endpoints}}
		p.Hosts = []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: name}}}}
		if err := configure(t, i, p); err != nil {
			t.Error(err)
			break
		}
		if _, body, _ := fetch(t, p, "/"); body != "user="+name {
			t.Errorf("configured for %s, got %q", name, body)
		}
	}
	done.Store(true)
	wg.Wait()
	if served.Load() == 0 {
		t.Error("nothing was served meanwhile")
	}
}

func TestAdmin(t *testing.T) {
	server, err := xds.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l, err := process.NewLauncher("")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	admin, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	args := append(embedded.Args(server.Addr(), "admin", 1), "--admin", admin)
	child, err := l.Start(process.Command{Name: "proxy", Args: args, Input: []byte{}})
	if err != nil {
		t.Fatal(err)
	}
	defer child.Stop(0)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if line, err := child.Ready(ctx); err != nil || line != embedded.ReadyLine {
		t.Fatalf("got %q, %v", line, err)
	}
	at := dataplane.Proxy{Listen: admin}
	if status, _, _ := fetch(t, at, "/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("before its configuration it is %d", status)
	}
	nobody, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	p := dataplanetest.ToAll(nobody, admin)
	if err := server.Set(ctx, "admin", p); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := fetch(t, at, "/ready"); status != http.StatusOK {
		t.Errorf("with its configuration it is %d", status)
	}
	// Its own admin page is its upstream.
	if status, _, _ := fetch(t, p, "/none"); status != http.StatusNotFound {
		t.Errorf("got %d", status)
	}
	_, text, _ := fetch(t, at, "/metrics")
	for _, want := range []string{
		"# TYPE tare_requests_total counter\ntare_requests_total 1\n",
		"\ntare_responses_total{class=\"4xx\"} 1\n",
		"\ntare_responses_total{class=\"2xx\"} 0\n",
		"\ntare_upstream_connects_total 1\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// A proxy that cannot be started says why.
func TestStartFails(t *testing.T) {
	server, err := xds.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l, err := process.NewLauncher("/bin/false")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = embedded.New(server, l).Start(t.Context(), dataplane.Options{Name: "none"})
	if err == nil || !strings.Contains(err.Error(), "proxy none ended") {
		t.Errorf("got %v", err)
	}
}
