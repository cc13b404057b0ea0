package functiontest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/testbed"
)

// patience bounds every wait for a plane.
const patience = 20 * time.Second

// At is where a form of a function runs: a placement in a proxy of a data
// plane with so many worker threads.
type At struct {
	Plane     dataplane.DataPlane
	Placement placement.Placement
	Workers   int

	collecting *collecting // of a trial; nil: none
}

// Form makes instances there, each a proxy process of its own before a
// service that counts; they stand until the test ends.
func (a At) Form(t *testing.T) Form {
	name := fmt.Sprintf("%s on %s with %d workers", a.Placement.Form, a.Plane.Name(), a.Workers)
	return Form{Name: name, Make: func(fn function.Function, spec function.Spec) (*Instance, error) { return a.make(t, fn, spec) }}
}

// names makes the proxies of one run of the tests differ.
var names atomic.Int64

func (a At) make(t *testing.T, fn function.Function, spec function.Spec) (*Instance, error) {
	var served atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) }))
	t.Cleanup(service.Close)
	addr, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	topology := testbed.Topology{Name: fn.Name, Proxy: &dataplane.Proxy{
		Listen:   addr,
		Hosts:    []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}}}},
		Clusters: []dataplane.Cluster{{Name: testbed.ServiceCluster, Endpoints: []string{service.Listener.Addr().String()}}},
	}}
	if err := a.Placement.Place(&topology, fn, spec); err != nil {
		return nil, err
	}
	if topology.Asked != nil {
		asked, err := standExternal(t, topology.Asked.Serve)
		if err != nil {
			return nil, err
		}
		topology.Proxy.Clusters = append(topology.Proxy.Clusters, dataplane.Cluster{Name: function.ExternalCluster, Endpoints: []string{asked}, HTTP2: true})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	proxy, err := a.Plane.Start(ctx, dataplane.Options{Name: fmt.Sprintf("function-%d", names.Add(1)), Workers: a.Workers})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { proxy.Stop() })
	if err := proxy.Configure(ctx, *topology.Proxy); err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * workers}}
	t.Cleanup(client.CloseIdleConnections)
	return &Instance{
		Do:     func(path string, c function.Caller) function.Outcome { return get(client, "http://"+addr+path, c) },
		Served: func() int { return int(served.Load()) },
	}, nil
}

// get sends one request as the token check hands it on.
func get(client *http.Client, url string, c function.Caller) function.Outcome {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return function.Unknown
	}
	for name, value := range map[string]string{function.UserHeader: c.User, function.SubscriptionHeader: c.Subscription} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	resp, err := client.Do(r)
	if err != nil {
		return function.Unknown
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return function.Unknown
	}
	return outcome(resp.StatusCode)
}
