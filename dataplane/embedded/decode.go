package embedded

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	filelogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/internal/protofield"
)

// honoured is what this plane does of Envoy's messages; anything else that is
// set is refused by name, since to ignore it would be to run another proxy
// than the one that was asked for.
var honoured = protofield.Honoured{
	"envoy.config.listener.v3.Listener":           {"name", "address", "filter_chains"},
	"envoy.config.listener.v3.FilterChain":        {"filters"},
	"envoy.config.listener.v3.Filter":             {"name", "typed_config"},
	"envoy.config.core.v3.Address":                {"socket_address"},
	"envoy.config.core.v3.SocketAddress":          {"address", "port_value"},
	"envoy.config.core.v3.ConfigSource":           {"ads", "resource_api_version"},
	"envoy.config.core.v3.AggregatedConfigSource": {},
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": {
		"codec_type", "stat_prefix", "rds", "http_filters", "generate_request_id", "server_header_transformation",
		"access_log",
	},
	"envoy.config.accesslog.v3.AccessLog":                                    {"name", "typed_config"},
	"envoy.extensions.access_loggers.file.v3.FileAccessLog":                  {"path", "log_format"},
	"envoy.config.core.v3.SubstitutionFormatString":                          {"text_format_source"},
	"envoy.config.core.v3.DataSource":                                        {"inline_string"},
	"envoy.extensions.filters.network.http_connection_manager.v3.Rds":        {"config_source", "route_config_name"},
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter": {"name", "typed_config"},
	"envoy.extensions.filters.http.router.v3.Router":                         {"suppress_envoy_headers"},
	"envoy.config.route.v3.RouteConfiguration":                               {"name", "virtual_hosts"},
	"envoy.config.route.v3.VirtualHost":                                      {"name", "domains", "routes"},
	"envoy.config.route.v3.Route":                                            {"match", "route", "typed_per_filter_config"},
	"envoy.config.route.v3.RouteMatch":                                       {"path", "prefix"},
	"envoy.config.route.v3.RouteAction":                                      {"cluster"},
	"envoy.config.cluster.v3.Cluster": {
		"name", "type", "eds_cluster_config", "connect_timeout", "lb_policy", "circuit_breakers",
	},
	"envoy.config.cluster.v3.Cluster.EdsClusterConfig": {"eds_config"},
	"envoy.config.cluster.v3.CircuitBreakers":          {"thresholds"},
	"envoy.config.cluster.v3.CircuitBreakers.Thresholds": {
		"max_connections", "max_pending_requests", "max_requests", "max_retries",
	},
	"envoy.config.endpoint.v3.ClusterLoadAssignment": {"cluster_name", "endpoints"},
	"envoy.config.endpoint.v3.LocalityLbEndpoints":   {"lb_endpoints"},
	"envoy.config.endpoint.v3.LbEndpoint":            {"endpoint"},
	"envoy.config.endpoint.v3.Endpoint":              {"address"},
}

const routerURL = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"

// fewest is the smallest circuit breaker limit that is taken: this plane has
// none, so a limit that might fire is refused.
const fewest = 1 << 16

// filterSpec is one filter's configuration.
type filterSpec struct {
	name   string
	config *anypb.Any
}

type listenerSpec struct {
	name, addr, routes string
	filters            []filterSpec
	log                *logSpec // nil: none
}

// logSpec is an access log: a file, and Envoy's format of its lines.
type logSpec struct{ path, format string }

type routeSpec struct {
	path, cluster string
	exact         bool
	overrides     []filterSpec
}

type hostSpec struct {
	name    string
	domains []string
	routes  []routeSpec
}

type clusterSpec struct{ name string }

func check[M proto.Message](a *anypb.Any, m M) (M, error) {
	if err := a.UnmarshalTo(m); err != nil {
		return m, fmt.Errorf("read %s: %w", a.GetTypeUrl(), err)
	}
	return m, protofield.Check(m, honoured)
}

func decodeListener(a *anypb.Any) (s listenerSpec, err error) {
	l, err := check(a, &listenerv3.Listener{})
	s.name = l.GetName()
	if err != nil {
		return s, err
	}
	if s.addr, err = hostport(l.GetAddress()); err != nil {
		return s, err
	}
	chains := l.GetFilterChains()
	if len(chains) != 1 || len(chains[0].GetFilters()) != 1 {
		return s, errors.New("field filter_chains: one chain of one network filter is supported")
	}
	m, err := check(chains[0].GetFilters()[0].GetTypedConfig(), &hcmv3.HttpConnectionManager{})
	if err != nil {
		return s, fmt.Errorf("http_connection_manager: %w", err)
	}
	if s.filters, err = chain(m); err != nil {
		return s, fmt.Errorf("http_connection_manager: %w", err)
	}
	if s.log, err = decodeLog(m.GetAccessLog()); err != nil {
		return s, fmt.Errorf("http_connection_manager: field access_log: %w", err)
	}
	s.routes = m.GetRds().GetRouteConfigName()
	if s.routes == "" {
		return s, errors.New("http_connection_manager: field rds: is required")
	}
	return s, ads("http_connection_manager: field rds.config_source", m.GetRds().GetConfigSource())
}

const fileLogURL = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"

func decodeLog(logs []*accesslogv3.AccessLog) (*logSpec, error) {
	if len(logs) == 0 {
		return nil, nil
	}
	if len(logs) > 1 || logs[0].GetTypedConfig().GetTypeUrl() != fileLogURL {
		return nil, fmt.Errorf("one log is supported, of type %s", fileLogURL)
	}
	m, err := check(logs[0].GetTypedConfig(), &filelogv3.FileAccessLog{})
	if err != nil {
		return nil, err
	}
	s := &logSpec{path: m.GetPath(), format: m.GetLogFormat().GetTextFormatSource().GetInlineString()}
	if s.path == "" || s.format == "" {
		return nil, errors.New("a path and a format in text_format_source.inline_string are required")
	}
	return s, nil
}

func chain(m *hcmv3.HttpConnectionManager) ([]filterSpec, error) {
	if t := m.GetCodecType(); t != hcmv3.HttpConnectionManager_HTTP1 {
		return nil, fmt.Errorf("field codec_type: %v is not supported, HTTP1 is", t)
	}
	if g := m.GetGenerateRequestId(); g == nil || g.GetValue() {
		return nil, errors.New("field generate_request_id: must be false, request ids are not supported")
	}
	if t := m.GetServerHeaderTransformation(); t != hcmv3.HttpConnectionManager_PASS_THROUGH {
		return nil, fmt.Errorf("field server_header_transformation: %v is not supported, PASS_THROUGH is", t)
	}
	filters := m.GetHttpFilters()
	if len(filters) == 0 || filters[len(filters)-1].GetTypedConfig().GetTypeUrl() != routerURL {
		return nil, errors.New("field http_filters: the last one must be the router")
	}
	r, err := check(filters[len(filters)-1].GetTypedConfig(), &routerv3.Router{})
	if err != nil {
		return nil, fmt.Errorf("field http_filters: router: %w", err)
	}
	if !r.GetSuppressEnvoyHeaders() {
		return nil, errors.New("field http_filters: router: field suppress_envoy_headers: must be true, Envoy's headers are not supported")
	}
	var specs []filterSpec
	for _, f := range filters[:len(filters)-1] {
		specs = append(specs, filterSpec{f.GetName(), f.GetTypedConfig()})
	}
	return specs, nil
}

func ads(field string, c *corev3.ConfigSource) error {
	if c.GetAds() == nil {
		return fmt.Errorf("%s: only ads is supported", field)
	}
	return nil
}

func hostport(a *corev3.Address) (string, error) {
	s := a.GetSocketAddress()
	if s.GetAddress() == "" || s.GetPortValue() == 0 || s.GetPortValue() > 65535 {
		return "", errors.New("field address: an IP address and a port are required")
	}
	if net.ParseIP(s.GetAddress()) == nil {
		return "", fmt.Errorf("field address: %q is not an IP address", s.GetAddress())
	}
	return net.JoinHostPort(s.GetAddress(), strconv.Itoa(int(s.GetPortValue()))), nil
}

func decodeRoutes(a *anypb.Any) (name string, hosts []hostSpec, err error) {
	rc, err := check(a, &routev3.RouteConfiguration{})
	if err != nil {
		return rc.GetName(), nil, err
	}
	seen := map[string]bool{}
	for _, vh := range rc.GetVirtualHosts() {
		h := hostSpec{name: vh.GetName()}
		for _, d := range vh.GetDomains() {
			d = strings.ToLower(d)
			if d == "" || (d != "*" && strings.Contains(d, "*")) || seen[d] {
				return rc.GetName(), nil, fmt.Errorf("virtual host %s: field domains: %q is given twice or is neither exact nor *", h.name, d)
			}
			seen[d] = true
			h.domains = append(h.domains, d)
		}
		for i, r := range vh.GetRoutes() {
			spec, err := decodeRoute(r)
			if err != nil {
				return rc.GetName(), nil, fmt.Errorf("virtual host %s: field routes[%d]: %w", h.name, i, err)
			}
			h.routes = append(h.routes, spec)
		}
		hosts = append(hosts, h)
	}
	return rc.GetName(), hosts, nil
}

func decodeRoute(r *routev3.Route) (s routeSpec, err error) {
	switch p := r.GetMatch().GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Path:
		s.path, s.exact = p.Path, true
	case *routev3.RouteMatch_Prefix:
		s.path = p.Prefix
	default:
		return s, errors.New("field match: a path or a prefix is required")
	}
	s.cluster = r.GetRoute().GetCluster()
	if s.cluster == "" {
		return s, errors.New("field route.cluster: is required")
	}
	for name, config := range r.GetTypedPerFilterConfig() {
		s.overrides = append(s.overrides, filterSpec{name, config})
	}
	slices.SortFunc(s.overrides, func(a, b filterSpec) int { return strings.Compare(a.name, b.name) })
	return s, nil
}

func decodeCluster(a *anypb.Any) (clusterSpec, error) {
	c, err := check(a, &clusterv3.Cluster{})
	s := clusterSpec{c.GetName()}
	if err != nil {
		return s, err
	}
	if c.GetType() != clusterv3.Cluster_EDS {
		return s, fmt.Errorf("field type: %v is not supported, EDS is", c.GetType())
	}
	if c.GetLbPolicy() != clusterv3.Cluster_ROUND_ROBIN {
		return s, fmt.Errorf("field lb_policy: %v is not supported, ROUND_ROBIN is", c.GetLbPolicy())
	}
	for _, t := range c.GetCircuitBreakers().GetThresholds() {
		if err := generous(t); err != nil {
			return s, err
		}
	}
	if d := c.GetConnectTimeout(); d != nil && d.AsDuration() != connectTimeout {
		return s, fmt.Errorf("field connect_timeout: %v is not supported, %v is", d.AsDuration(), connectTimeout)
	}
	return s, ads("field eds_cluster_config.eds_config", c.GetEdsClusterConfig().GetEdsConfig())
}

func generous(t *clusterv3.CircuitBreakers_Thresholds) error {
	var err error
	t.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		value := v.Message().Get(f.Message().Fields().ByName("value")).Uint()
		if value < fewest {
			err = fmt.Errorf("field circuit_breakers.thresholds.%s: %d is not supported, at least %d is, since there are no circuit breakers", f.Name(), value, fewest)
		}
		return err == nil
	})
	return err
}

func decodeAssignment(a *anypb.Any) (name string, addrs []string, err error) {
	cla, err := check(a, &endpointv3.ClusterLoadAssignment{})
	if err != nil {
		return cla.GetClusterName(), nil, err
	}
	for _, group := range cla.GetEndpoints() {
		for _, e := range group.GetLbEndpoints() {
			addr, err := hostport(e.GetEndpoint().GetAddress())
			if err != nil {
				return cla.GetClusterName(), nil, fmt.Errorf("field endpoints: %w", err)
			}
			addrs = append(addrs, addr)
		}
	}
	return cla.GetClusterName(), addrs, nil
}
