package embedded_test

import (
	"net/http"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
)

// wrapped is what a filter does on a route, in Envoy's wrapping.
func wrapped(t *testing.T, config *anypb.Any, change func(*routev3.FilterConfig)) *anypb.Any {
	t.Helper()
	m := &routev3.FilterConfig{Config: config}
	change(m)
	packed, err := dataplane.Pack(m)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// What stands nearest to a request says what a filter does: a cluster that was
// drawn, its route, its virtual host, all routes, the listener.
func TestOverrides(t *testing.T) {
	i, p := standing(t, dataplane.Options{Name: "overrides"})
	off := wrapped(t, nil, func(m *routev3.FilterConfig) { m.Disabled = true })
	on := wrapped(t, nil, func(*routev3.FilterConfig) {})
	at := func(name string) map[string]*anypb.Any {
		return map[string]*anypb.Any{"user": scripted(t, "set x-user "+name, "count")}
	}
	p.Filters = []dataplane.Filter{{Name: "user", Config: scripted(t, "set x-user chain")}, {Name: "asleep", Config: scripted(t, "respond x-awake yes")}}
	to := func() *routev3.RouteAction {
		return &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: "service"}}
	}
	weighted := to()
	weighted.ClusterSpecifier = &routev3.RouteAction_WeightedClusters{WeightedClusters: &routev3.WeightedCluster{Clusters: []*routev3.WeightedCluster_ClusterWeight{
		{Name: "service", Weight: wrapperspb.UInt32(1), TypedPerFilterConfig: at("cluster")}}}}
	path := func(text string) *routev3.RouteMatch {
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: text}}
	}
	first := &routev3.Route{Match: path("/first"), Action: &routev3.Route_Route{Route: to()}}
	shift := false
	p.Shapes = append(p.Shapes, func(r *dataplane.Resources) error {
		h := r.Routes.VirtualHosts[0]
		h.TypedPerFilterConfig = at("host")
		h.Routes = []*routev3.Route{
			{Match: path("/route"), Action: &routev3.Route_Route{Route: to()}, TypedPerFilterConfig: at("route")},
			{Match: path("/cluster"), Action: &routev3.Route_Route{Route: weighted}, TypedPerFilterConfig: at("hidden")},
			{Match: path("/off"), Action: &routev3.Route_Route{Route: to()}, TypedPerFilterConfig: map[string]*anypb.Any{"user": off, "asleep": on}},
			{Match: path("/wrapped"), Action: &routev3.Route_Route{Route: to()},
				TypedPerFilterConfig: map[string]*anypb.Any{"user": wrapped(t, scripted(t, "set x-user wrapped"), func(*routev3.FilterConfig) {})}},
			{Match: path("/a"), Action: &routev3.Route_Route{Route: to()}},
			{Match: path("/b"), Action: &routev3.Route_Route{Route: to()}},
		}
		if shift {
			h.Routes = append([]*routev3.Route{first}, h.Routes...)
		}
		return r.EachManager(func(m *hcmv3.HttpConnectionManager) error {
			m.HttpFilters[1].Disabled = true
			return nil
		})
	})
	wants := func(path, body, count string) {
		t.Helper()
		if _, b, n := fetch(t, p, path); b != body || n != count {
			t.Errorf("%s: got %q, count %s, want %q, %s", path, b, n, body, count)
		}
	}
	if err := configure(t, i, p); err != nil {
		t.Fatal(err)
	}
	wants("/route", "user=route", "1")
	wants("/cluster", "user=cluster", "1")
	wants("/off", "user=", "")
	wants("/wrapped", "user=wrapped", "")
	// What several routes inherit is one filter.
	wants("/a", "user=host", "1")
	wants("/b", "user=host", "2")
	// A route before them changes nothing.
	shift = true
	if err := configure(t, i, p); err != nil {
		t.Fatal(err)
	}
	wants("/route", "user=route", "2")
	wants("/cluster", "user=cluster", "2")
	wants("/a", "user=host", "3")
	if head := headOf(t, p, "/off"); head.Get("X-Awake") != "yes" {
		t.Errorf("a filter that a route switches on: got %v", head)
	}
	if head := headOf(t, p, "/a"); head.Get("X-Awake") != "" {
		t.Errorf("a filter that is disabled: got %v", head)
	}
}

func headOf(t *testing.T, p dataplane.Proxy, path string) http.Header {
	t.Helper()
	r, err := http.Get("http://" + p.Listen + path)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.Header
}
