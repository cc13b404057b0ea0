package xds

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	upstreamsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
)

// Names of the resources of which a proxy has one.
const (
	ListenerName = "listener"
	RoutesName   = "routes"
)

// Envoy's names of the two filters that every chain has.
const (
	connectionManager = "envoy.filters.network.http_connection_manager"
	router            = "envoy.filters.http.router"
)

// unlimited is the circuit breaker limit: high enough never to fire, since a
// limit that fires would be measured as if it were the function under test.
const unlimited = 1 << 20

const connectTimeout = 5 * time.Second

// Resources translates a proxy into the v3 resources that Envoy takes. It
// refuses what no data plane could serve: routes to clusters that do not
// exist, two virtual hosts for one domain, overrides of filters that are not in
// the chain.
func Resources(p dataplane.Proxy) (dataplane.Resources, error) {
	if err := check(p); err != nil {
		return dataplane.Resources{}, fmt.Errorf("translate proxy on %s: %w", p.Listen, err)
	}
	l, err := listener(p)
	if err != nil {
		return dataplane.Resources{}, fmt.Errorf("translate proxy on %s: %w", p.Listen, err)
	}
	b := dataplane.Resources{Listener: l, Routes: routes(p.Hosts)}
	for _, c := range p.Clusters {
		assignment, err := assignment(c)
		if err != nil {
			return dataplane.Resources{}, fmt.Errorf("translate proxy on %s: %w", p.Listen, err)
		}
		wanted, err := cluster(c)
		if err != nil {
			return dataplane.Resources{}, fmt.Errorf("translate proxy on %s: %w", p.Listen, err)
		}
		b.Clusters = append(b.Clusters, wanted)
		b.Assignments = append(b.Assignments, assignment)
	}
	for _, shape := range p.Shapes {
		if err := shape(&b); err != nil {
			return dataplane.Resources{}, fmt.Errorf("shape proxy on %s: %w", p.Listen, err)
		}
	}
	return b, nil
}

func check(p dataplane.Proxy) error {
	clusters, filters, domains := map[string]bool{}, map[string]bool{}, map[string]string{}
	for _, c := range p.Clusters {
		if c.Name == "" || clusters[c.Name] {
			return fmt.Errorf("cluster name %q is empty or given twice", c.Name)
		}
		clusters[c.Name] = true
	}
	for _, f := range p.Filters {
		if f.Name == "" || filters[f.Name] || f.Name == router {
			return fmt.Errorf("filter name %q is empty, given twice or the router's", f.Name)
		}
		if f.Config == nil {
			return fmt.Errorf("filter %s has no configuration", f.Name)
		}
		filters[f.Name] = true
	}
	for _, h := range p.Hosts {
		if err := checkHost(h, clusters, filters); err != nil {
			return fmt.Errorf("virtual host %s: %w", h.Name, err)
		}
		for _, d := range h.Domains {
			d = strings.ToLower(d)
			if other, ok := domains[d]; ok {
				return fmt.Errorf("domain %s is in the virtual hosts %s and %s", d, other, h.Name)
			}
			domains[d] = h.Name
		}
	}
	return nil
}

func checkHost(h dataplane.VirtualHost, clusters, filters map[string]bool) error {
	if h.Name == "" || len(h.Domains) == 0 {
		return errors.New("it needs a name and a domain")
	}
	for _, d := range h.Domains {
		if d == "" || (d != "*" && strings.Contains(d, "*")) {
			return fmt.Errorf("domain %q is neither exact nor *", d)
		}
	}
	for _, r := range h.Routes {
		if !strings.HasPrefix(r.Path, "/") || strings.ContainsAny(r.Path, "?#") {
			return fmt.Errorf("path %q does not start with / or holds a query", r.Path)
		}
		if !clusters[r.Cluster] {
			return fmt.Errorf("path %s goes to cluster %q, which does not exist", r.Path, r.Cluster)
		}
		for name := range r.Overrides {
			if !filters[name] {
				return fmt.Errorf("path %s overrides filter %q, which is not in the chain", r.Path, name)
			}
		}
	}
	return nil
}

func listener(p dataplane.Proxy) (*listenerv3.Listener, error) {
	addr, err := address(p.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen address: %w", err)
	}
	var filters []*hcmv3.HttpFilter
	for _, f := range p.Filters {
		filters = append(filters, httpFilter(f.Name, f.Config))
	}
	end, err := dataplane.Pack(&routerv3.Router{SuppressEnvoyHeaders: true})
	if err != nil {
		return nil, err
	}
	logs, err := accessLogs(p.AccessLog)
	if err != nil {
		return nil, err
	}
	manager, err := dataplane.Pack(&hcmv3.HttpConnectionManager{
		CodecType:  codec(p),
		StatPrefix: "ingress",
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{
			ConfigSource: ads(), RouteConfigName: RoutesName,
		}},
		HttpFilters:                append(filters, httpFilter(router, end)),
		GenerateRequestId:          wrapperspb.Bool(false),
		ServerHeaderTransformation: hcmv3.HttpConnectionManager_PASS_THROUGH,
		AccessLog:                  logs,
	})
	if err != nil {
		return nil, err
	}
	return &listenerv3.Listener{
		Name:    ListenerName,
		Address: addr,
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name:       connectionManager,
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager},
		}}}},
	}, nil
}

func httpFilter(name string, config *anypb.Any) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: config}}
}

func routes(hosts []dataplane.VirtualHost) *routev3.RouteConfiguration {
	rc := &routev3.RouteConfiguration{Name: RoutesName}
	for _, h := range hosts {
		vh := &routev3.VirtualHost{Name: h.Name, Domains: slices.Clone(h.Domains)}
		for _, r := range h.Routes {
			vh.Routes = append(vh.Routes, route(r))
		}
		rc.VirtualHosts = append(rc.VirtualHosts, vh)
	}
	return rc
}

func route(r dataplane.Route) *routev3.Route {
	match := &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: r.Path}}
	if r.Exact {
		match.PathSpecifier = &routev3.RouteMatch_Path{Path: r.Path}
	}
	return &routev3.Route{
		Match: match,
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: r.Cluster},
		}},
		TypedPerFilterConfig: r.Overrides,
	}
}

func cluster(c dataplane.Cluster) (*clusterv3.Cluster, error) {
	made := &clusterv3.Cluster{
		Name:                 c.Name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ads()},
		ConnectTimeout:       durationpb.New(connectTimeout),
		LbPolicy:             clusterv3.Cluster_ROUND_ROBIN,
		CircuitBreakers: &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
			MaxConnections:     wrapperspb.UInt32(unlimited),
			MaxPendingRequests: wrapperspb.UInt32(unlimited),
			MaxRequests:        wrapperspb.UInt32(unlimited),
			MaxRetries:         wrapperspb.UInt32(unlimited),
		}}},
	}
	if !c.HTTP2 {
		return made, nil
	}
	http2, err := dataplane.Pack(&upstreamsv3.HttpProtocolOptions{UpstreamProtocolOptions: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig_{
		ExplicitHttpConfig: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{}},
		},
	}})
	if err != nil {
		return nil, err
	}
	made.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpOptions: http2}
	return made, nil
}

// httpOptions is Envoy's name of a cluster's HTTP options.
const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

func assignment(c dataplane.Cluster) (*endpointv3.ClusterLoadAssignment, error) {
	group := &endpointv3.LocalityLbEndpoints{}
	for _, e := range c.Endpoints {
		addr, err := address(e)
		if err != nil {
			return nil, fmt.Errorf("endpoint of cluster %s: %w", c.Name, err)
		}
		group.LbEndpoints = append(group.LbEndpoints, &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: addr}},
		})
	}
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: c.Name,
		Endpoints:   []*endpointv3.LocalityLbEndpoints{group},
	}, nil
}

// address takes numbers only: Envoy resolves no names in EDS.
func address(hostport string) (*corev3.Address, error) {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return nil, fmt.Errorf("%q is not an IP address and port: %w", hostport, err)
	}
	if ap.Port() == 0 {
		return nil, fmt.Errorf("%q has port 0", hostport)
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       ap.Addr().String(),
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(ap.Port())},
	}}}, nil
}

func ads() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
	}
}

// codec is what a proxy's clients may speak; a plane finds out which it is.
func codec(p dataplane.Proxy) hcmv3.HttpConnectionManager_CodecType {
	if p.AnyHTTP {
		return hcmv3.HttpConnectionManager_AUTO
	}
	return hcmv3.HttpConnectionManager_HTTP1
}
