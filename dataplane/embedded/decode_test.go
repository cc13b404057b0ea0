package embedded

import (
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/xds"
)

func packed(t testing.TB, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func bundle(t testing.TB) dataplane.Resources {
	t.Helper()
	b, err := xds.Resources(dataplane.Proxy{
		Listen:   "127.0.0.1:20001",
		Hosts:    []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: "service"}}}},
		Clusters: []dataplane.Cluster{{Name: "service", Endpoints: []string{"127.0.0.1:20002"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decode reads all resources of a bundle.
func decode(t testing.TB, b dataplane.Resources) error {
	t.Helper()
	if _, err := decodeListener(packed(t, b.Listener)); err != nil {
		return err
	}
	if _, err := decodeRoutes(packed(t, b.Routes)); err != nil {
		return err
	}
	if _, err := decodeCluster(packed(t, b.Clusters[0])); err != nil {
		return err
	}
	_, _, err := decodeAssignment(packed(t, b.Assignments[0]))
	return err
}

// manage changes the connection manager inside the listener.
func manage(t testing.TB, l *listenerv3.Listener, change func(*hcmv3.HttpConnectionManager)) {
	t.Helper()
	f := l.FilterChains[0].Filters[0]
	var m hcmv3.HttpConnectionManager
	if err := f.GetTypedConfig().UnmarshalTo(&m); err != nil {
		t.Fatal(err)
	}
	change(&m)
	f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: packed(t, &m)}
}

// What this plane would not do is refused, and named.
func TestUnsupported(t *testing.T) {
	if err := decode(t, bundle(t)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want  string
		spoil func(dataplane.Resources)
	}{
		{"field per_connection_buffer_limit_bytes", func(b dataplane.Resources) { b.Listener.PerConnectionBufferLimitBytes = wrapperspb.UInt32(1) }},
		{"field filter_chains: one chain", func(b dataplane.Resources) {
			b.Listener.FilterChains = append(b.Listener.FilterChains, &listenerv3.FilterChain{})
		}},
		{"field filter_chains[0].filter_chain_match", func(b dataplane.Resources) {
			b.Listener.FilterChains[0].FilterChainMatch = &listenerv3.FilterChainMatch{}
		}},
		{"field address", func(b dataplane.Resources) { b.Listener.Address = nil }},
		{"http_connection_manager: field stream_idle_timeout", func(b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) { m.StreamIdleTimeout = durationpb.New(1) })
		}},
		{"field codec_type", func(b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) { m.CodecType = hcmv3.HttpConnectionManager_HTTP3 })
		}},
		{"field generate_request_id", func(b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) { m.GenerateRequestId = nil })
		}},
		{"field server_header_transformation", func(b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) {
				m.ServerHeaderTransformation = hcmv3.HttpConnectionManager_OVERWRITE
			})
		}},
		{"the last one must be the router", func(b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) { m.HttpFilters = nil })
		}},
		{"field http_filters[0].is_optional", func(b dataplane.Resources) {
			manage(t, b.Listener, func(m *hcmv3.HttpConnectionManager) { m.HttpFilters[0].IsOptional = true })
		}},
		{"field virtual_hosts[0].require_tls", func(b dataplane.Resources) { b.Routes.VirtualHosts[0].RequireTls = routev3.VirtualHost_ALL }},
		{"field virtual_hosts[0].routes[0].route.hedge_policy", func(b dataplane.Resources) {
			b.Routes.VirtualHosts[0].Routes[0].GetRoute().HedgePolicy = &routev3.HedgePolicy{}
		}},
		{"field match", func(b dataplane.Resources) { b.Routes.VirtualHosts[0].Routes[0].Match = nil }},
		{"field routes[0]: field route: is required", func(b dataplane.Resources) { b.Routes.VirtualHosts[0].Routes[0].Action = nil }},
		{"field domains", func(b dataplane.Resources) { b.Routes.VirtualHosts[0].Domains = []string{"a*b"} }},
		{"field type", func(b dataplane.Resources) {
			b.Clusters[0].ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STRICT_DNS}
		}},
		{"field lb_policy", func(b dataplane.Resources) { b.Clusters[0].LbPolicy = clusterv3.Cluster_CLUSTER_PROVIDED }},
		{"field connect_timeout", func(b dataplane.Resources) { b.Clusters[0].ConnectTimeout = durationpb.New(1) }},
		{"field circuit_breakers.thresholds.priority", func(b dataplane.Resources) {
			b.Clusters[0].CircuitBreakers.Thresholds[0].Priority = corev3.RoutingPriority_HIGH
		}},
		{"field circuit_breakers.thresholds[0].max_connection_pools", func(b dataplane.Resources) {
			b.Clusters[0].CircuitBreakers.Thresholds[0].MaxConnectionPools = wrapperspb.UInt32(10)
		}},
		{"field maglev_lb_config.table_size: 4 is no prime", func(b dataplane.Resources) {
			b.Clusters[0].LbPolicy = clusterv3.Cluster_MAGLEV
			b.Clusters[0].LbConfig = &clusterv3.Cluster_MaglevLbConfig_{MaglevLbConfig: &clusterv3.Cluster_MaglevLbConfig{TableSize: wrapperspb.UInt64(4)}}
		}},
		{"field ring_hash_lb_config", func(b dataplane.Resources) {
			b.Clusters[0].LbPolicy = clusterv3.Cluster_RING_HASH
			b.Clusters[0].LbConfig = &clusterv3.Cluster_RingHashLbConfig_{RingHashLbConfig: &clusterv3.Cluster_RingHashLbConfig{MaximumRingSize: wrapperspb.UInt64(4)}}
		}},
		{"field ignore_health_on_host_removal", func(b dataplane.Resources) { b.Clusters[0].HealthChecks = []*corev3.HealthCheck{{}} }},
		{"field health_checks: timeout", func(b dataplane.Resources) {
			b.Clusters[0].HealthChecks, b.Clusters[0].IgnoreHealthOnHostRemoval = []*corev3.HealthCheck{{}}, true
		}},
		{"field common_lb_config.healthy_panic_threshold", func(b dataplane.Resources) {
			b.Clusters[0].CommonLbConfig = &clusterv3.Cluster_CommonLbConfig{HealthyPanicThreshold: &typev3.Percent{Value: 101}}
		}},
		{"field eds_cluster_config.eds_config", func(b dataplane.Resources) { b.Clusters[0].EdsClusterConfig = nil }},
		{"field eds_cluster_config.eds_config.path_config_source", func(b dataplane.Resources) {
			b.Clusters[0].EdsClusterConfig.EdsConfig.ConfigSourceSpecifier = &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{}}
		}},
		{"field outlier_detection.interval", func(b dataplane.Resources) {
			b.Clusters[0].OutlierDetection = &clusterv3.OutlierDetection{Interval: durationpb.New(0)}
		}},
		{"field outlier_detection.failure_percentage_threshold", func(b dataplane.Resources) {
			b.Clusters[0].OutlierDetection = &clusterv3.OutlierDetection{FailurePercentageThreshold: wrapperspb.UInt32(1)}
		}},
		{"field policy.weighted_priority_health", func(b dataplane.Resources) {
			b.Assignments[0].Policy = &endpointv3.ClusterLoadAssignment_Policy{WeightedPriorityHealth: true}
		}},
		{"field endpoints[0].proximity", func(b dataplane.Resources) { b.Assignments[0].Endpoints[0].Proximity = wrapperspb.UInt32(1) }},
		{"field endpoints: field priority: 129", func(b dataplane.Resources) { b.Assignments[0].Endpoints[0].Priority = 129 }},
		{"field endpoints: field health_status: DEGRADED", func(b dataplane.Resources) {
			b.Assignments[0].Endpoints[0].LbEndpoints[0].HealthStatus = corev3.HealthStatus_DEGRADED
		}},
		{`field endpoints: field address: "localhost"`, func(b dataplane.Resources) {
			b.Assignments[0].Endpoints[0].LbEndpoints[0].GetEndpoint().Address.GetSocketAddress().Address = "localhost"
		}},
	} {
		t.Run(c.want, func(t *testing.T) {
			b := bundle(t)
			c.spoil(b)
			if err := decode(t, b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
