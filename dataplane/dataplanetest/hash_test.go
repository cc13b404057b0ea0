package dataplanetest_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
	"github.com/taremesh/tare/function/balancehash"
)

// TestBothHash: a key has the same endpoint on both planes, and in the library.
func TestBothHash(t *testing.T) {
	var addrs []string
	for k := range 5 {
		s := h1.serve(t, people{}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, k) })
		addrs = append(addrs, s.addr)
	}
	for _, c := range []struct {
		name    string
		cluster func(*clusterv3.Cluster)
		weights []uint32
		library string // the table of the library that is the same
	}{
		{"ring", func(c *clusterv3.Cluster) { c.LbPolicy = clusterv3.Cluster_RING_HASH }, nil, balancehash.Ring},
		{"ring of murmur", func(c *clusterv3.Cluster) {
			c.LbPolicy = clusterv3.Cluster_RING_HASH
			c.LbConfig = &clusterv3.Cluster_RingHashLbConfig_{RingHashLbConfig: &clusterv3.Cluster_RingHashLbConfig{HashFunction: clusterv3.Cluster_RingHashLbConfig_MURMUR_HASH_2}}
		}, nil, ""},
		{"small ring", func(c *clusterv3.Cluster) {
			c.LbPolicy = clusterv3.Cluster_RING_HASH
			c.LbConfig = &clusterv3.Cluster_RingHashLbConfig_{RingHashLbConfig: &clusterv3.Cluster_RingHashLbConfig{
				MinimumRingSize: wrapperspb.UInt64(7), MaximumRingSize: wrapperspb.UInt64(11)}}
		}, nil, ""},
		{"ring with weights", func(c *clusterv3.Cluster) { c.LbPolicy = clusterv3.Cluster_RING_HASH }, []uint32{1, 2, 3, 4, 5}, ""},
		{"maglev", func(c *clusterv3.Cluster) { c.LbPolicy = clusterv3.Cluster_MAGLEV }, nil, balancehash.Maglev},
		{"small maglev", func(c *clusterv3.Cluster) {
			c.LbPolicy = clusterv3.Cluster_MAGLEV
			c.LbConfig = &clusterv3.Cluster_MaglevLbConfig_{MaglevLbConfig: &clusterv3.Cluster_MaglevLbConfig{TableSize: wrapperspb.UInt64(101)}}
		}, nil, ""},
		{"maglev with weights", func(c *clusterv3.Cluster) { c.LbPolicy = clusterv3.Cluster_MAGLEV }, []uint32{1, 2, 3, 4, 5}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var first map[string]string
			for _, plane := range planes(t) {
				addr := free(t)
				p := dataplanetest.ToAll(addr, addrs...)
				p.Shapes = []dataplane.Shape{func(r *dataplane.Resources) error {
					c.cluster(r.Clusters[0])
					for i, w := range c.weights {
						r.Assignments[0].Endpoints[0].LbEndpoints[i].LoadBalancingWeight = wrapperspb.UInt32(w)
					}
					return r.EachRoute(func(_ *routev3.Route, a *routev3.RouteAction) error {
						a.HashPolicy = []*routev3.RouteAction_HashPolicy{{PolicySpecifier: &routev3.RouteAction_HashPolicy_Header_{
							Header: &routev3.RouteAction_HashPolicy_Header{HeaderName: "x-key"}}}}
						return nil
					})
				}}
				begin(t, plane, p)
				got := keyed(t, &http.Client{Transport: &http.Transport{}, Timeout: patience}, "http://"+addr+"/")
				if first == nil {
					first = got
				} else if !maps.Equal(first, got) {
					t.Errorf("%s has other endpoints than envoy for %d of %d keys", plane.Name(), unequal(first, got), len(got))
				}
			}
			if n := len(slices.Compact(slices.Sorted(maps.Values(first)))); n < 3 {
				t.Errorf("all keys have %d endpoints", n)
			}
			if c.library == "" {
				return
			}
			next := &http.Transport{}
			defer next.CloseIdleConnections()
			lib := balancehash.NewTransport(balancehash.Spec{Table: c.library, Header: "x-key"}, addrs, next)
			defer lib.Close()
			if got := keyed(t, &http.Client{Transport: lib, Timeout: patience}, "http://service.test/"); !maps.Equal(first, got) {
				t.Errorf("the library has other endpoints than envoy for %d of %d keys", unequal(first, got), len(got))
			}
		})
	}
}

// keyed is who answers which key.
func keyed(t *testing.T, client *http.Client, url string) map[string]string {
	t.Helper()
	defer client.CloseIdleConnections()
	who := map[string]string{}
	for k := range 200 {
		key := fmt.Sprint("user-", k)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-key", key)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("key %s: %d %q %v", key, res.StatusCode, body, err)
		}
		who[key] = string(body)
	}
	return who
}

func unequal(a, b map[string]string) (n int) {
	for k := range a {
		if a[k] != b[k] {
			n++
		}
	}
	return n
}
