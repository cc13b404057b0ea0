package functiontest_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// TestExamplesWork: what a function costs is weighed with its example, on a plain
// load that carries its headers. A limit that passes such a request by, or a
// service that is not asked about it, would be weighed idle.
func TestExamplesWork(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	for _, plane := range b.DataPlanes.All() {
		for _, fn := range b.Functions.All() {
			for _, p := range placement.All() {
				if p.Form == study.FormLibrary || !p.Has(fn) || p.On != nil && p.On(plane.Name()) != "" {
					continue
				}
				if fn.Name != "ratelimit" && p.Form != study.FormExternal {
					continue // what shows that these work is of their trials
				}
				t.Run(fmt.Sprintf("%s/%s/%s", plane.Name(), fn.Name, p.Form), func(t *testing.T) {
					t.Parallel()
					exampleWorks(t, plane, fn, p)
				})
			}
		}
	}
}

func exampleWorks(t *testing.T, plane dataplane.DataPlane, fn function.Function, p placement.Placement) {
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(service.Close)
	addr, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	params, err := study.JSONParams("example", []byte(fn.Example))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := fn.Decode(params)
	if err != nil {
		t.Fatal(err)
	}
	x := &testbed.Topology{Name: fn.Name, Proxy: &dataplane.Proxy{
		Listen:   addr,
		Hosts:    []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}}}},
		Clusters: []dataplane.Cluster{{Name: testbed.ServiceCluster}},
	}}
	for range max(1, fn.Replicas) {
		x.Proxy.Clusters[0].Endpoints = append(x.Proxy.Clusters[0].Endpoints, service.Listener.Addr().String())
	}
	if err := p.Place(x, fn, spec); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	if x.Asked != nil {
		at, stop := serveAsked(t, func(ctx context.Context, l net.Listener) error { return x.Asked.Serve(ctx, &counting{l, &asked}) })
		t.Cleanup(stop)
		x.Proxy.Clusters = append(x.Proxy.Clusters, dataplane.Cluster{Name: function.ExternalCluster, Endpoints: []string{at}, HTTP2: true})
	}
	ctx, cancel := context.WithTimeout(t.Context(), starting)
	defer cancel()
	proxy, err := plane.Start(ctx, dataplane.Options{Name: fmt.Sprintf("example-%s-%s-%s", plane.Name(), fn.Name, p.Form), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Stop() })
	if err := proxy.Configure(ctx, *x.Proxy); err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	for name, value := range fn.Headers {
		header.Set(name, value)
	}
	resp := served(ctx, t, addr, header)
	if x.Asked != nil && asked.Load() == 0 {
		t.Error("the service was not asked")
	}
	if x.Asked == nil && resp.Header.Get("X-RateLimit-Limit") == "" {
		t.Errorf("nothing was counted: %v", resp.Header)
	}
}

// served sends the request until it is answered as the service answers: a
// proxy that is configured may not be ready at once.
func served(ctx context.Context, t *testing.T, addr string, header http.Header) *http.Response {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header = header
	for {
		resp, err := client.Do(q)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return resp
			}
			err = fmt.Errorf("answered with %d", resp.StatusCode)
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// counting counts the connections that a listener takes: a proxy opens them to
// ask.
type counting struct {
	net.Listener
	n *atomic.Int64
}

func (c *counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.n.Add(1)
	}
	return conn, err
}
