package dataplanetest_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
)

// zone is a locality of a test: its weight, and which of its endpoints are healthy.
type zone struct {
	weight  uint32
	healthy []bool
}

// fit is how many of its endpoints are.
func (z zone) fit() (n int) {
	for _, up := range z.healthy {
		if up {
			n++
		}
	}
	return n
}

// effective is Envoy's weight of a locality: less than its own where its healthy
// endpoints, times the factor, do not make up for all of it.
func (z zone) effective(factor float64) float64 {
	return float64(z.weight) * min(1, factor*float64(z.fit())/float64(len(z.healthy)))
}

// TestBothWeighLocalities: the shares of weighted localities, and of the endpoints
// in them, are what Envoy's rules say, on both planes; also where a part of a
// locality is unhealthy.
func TestBothWeighLocalities(t *testing.T) {
	t.Parallel()
	const up, down = true, false
	all, both := []bool{up, up}, planes(t)
	for _, c := range []struct {
		name   string
		policy clusterv3.Cluster_LbPolicy
		factor uint32 // percent; 0: not said, which is 140
		zones  []zone
	}{
		{"as they are", clusterv3.Cluster_ROUND_ROBIN, 0, []zone{{3, all}, {1, all}}},
		{"at random", clusterv3.Cluster_RANDOM, 0, []zone{{3, all}, {1, all}}},
		{"by least request", clusterv3.Cluster_LEAST_REQUEST, 0, []zone{{3, all}, {1, all}}},
		{"of three sizes", clusterv3.Cluster_ROUND_ROBIN, 0, []zone{{5, []bool{up}}, {3, []bool{up, up, up}}, {2, all}}},
		{"half of one is down", clusterv3.Cluster_ROUND_ROBIN, 0, []zone{{3, []bool{up, down}}, {1, all}}},
		{"half of one is down, at random", clusterv3.Cluster_RANDOM, 0, []zone{{3, []bool{up, down}}, {1, all}}},
		{"what is down is borne", clusterv3.Cluster_ROUND_ROBIN, 0, []zone{{3, []bool{up, up, up, down}}, {1, all}}},
		{"without a factor", clusterv3.Cluster_ROUND_ROBIN, 100, []zone{{3, []bool{up, up, up, down}}, {1, all}}},
		{"one is down", clusterv3.Cluster_ROUND_ROBIN, 0, []zone{{1, []bool{down}}, {1, all}, {2, all}}},
	} {
		for _, plane := range both {
			t.Run(plane.Name()+" "+c.name, func(t *testing.T) {
				t.Parallel()
				weigh(t, plane, c.policy, c.factor, c.zones)
			})
		}
	}
}

// weigh sends requests through localities and holds what each endpoint got
// against its share.
func weigh(t *testing.T, plane dataplane.DataPlane, policy clusterv3.Cluster_LbPolicy, factor uint32, zones []zone) {
	t.Helper()
	const n = 1000
	var addrs []string
	for z := range zones {
		for e := range zones[z].healthy {
			name := fmt.Sprintf("%d/%d", z, e)
			s := h1.serve(t, people{}, say(name))
			addrs = append(addrs, s.addr)
		}
	}
	p := dataplanetest.ToAll(free(t), addrs...)
	p.Shapes = append(p.Shapes, localities(policy, factor, zones))
	begin(t, plane, p)
	got := map[string]int{}
	client := h1.client(t, people{})
	for range n {
		r, err := client.Get("http://" + p.Listen + "/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("got %s, %v", r.Status, err)
		}
		got[string(body)]++
	}
	over, sum := 1.4, 0.0
	if factor > 0 {
		over = float64(factor) / 100
	}
	for _, z := range zones {
		sum += z.effective(over)
	}
	for z := range zones {
		zone, whole := zones[z], 0
		for e, fit := range zone.healthy {
			name := fmt.Sprintf("%d/%d", z, e)
			whole += got[name]
			if !fit {
				if got[name] > 0 {
					t.Errorf("endpoint %s, which is down, got %d", name, got[name])
				}
				continue
			}
			within(t, "endpoint "+name, got[name], n, zone.effective(over)/sum/float64(zone.fit()))
		}
		within(t, fmt.Sprint("locality ", z), whole, n, zone.effective(over)/sum)
	}
}

// within finds fault with a count that is more than five standard deviations from
// its share: of chance it happens once in two millions. (Those who take turns are
// much nearer.)
func within(t *testing.T, what string, got, n int, share float64) {
	t.Helper()
	mean, sd := float64(n)*share, math.Sqrt(float64(n)*share*(1-share))
	if math.Abs(float64(got)-mean) > 5*sd {
		t.Errorf("%s got %d of %d, want %.0f within %.0f", what, got, n, mean, 5*sd)
	}
}

// localities puts the endpoints into localities, in their order.
func localities(policy clusterv3.Cluster_LbPolicy, factor uint32, zones []zone) dataplane.Shape {
	return func(r *dataplane.Resources) error {
		c, a, err := r.Cluster(dataplane.ServiceCluster)
		if err != nil {
			return err
		}
		c.LbPolicy = policy
		dataplane.Panic(c, 0)
		c.CommonLbConfig.LocalityConfigSpecifier = &clusterv3.Cluster_CommonLbConfig_LocalityWeightedLbConfig_{
			LocalityWeightedLbConfig: &clusterv3.Cluster_CommonLbConfig_LocalityWeightedLbConfig{}}
		if factor > 0 {
			a.Policy = &endpointv3.ClusterLoadAssignment_Policy{OverprovisioningFactor: wrapperspb.UInt32(factor)}
		}
		rest := a.Endpoints[0].LbEndpoints
		a.Endpoints = nil
		for i, z := range zones {
			group := &endpointv3.LocalityLbEndpoints{Locality: &corev3.Locality{Zone: fmt.Sprint("zone-", i)}, LoadBalancingWeight: wrapperspb.UInt32(z.weight)}
			for k, fit := range z.healthy {
				e := rest[k]
				if !fit {
					e.HealthStatus = corev3.HealthStatus_UNHEALTHY
				}
				group.LbEndpoints = append(group.LbEndpoints, e)
			}
			rest = rest[len(z.healthy):]
			a.Endpoints = append(a.Endpoints, group)
		}
		return nil
	}
}
