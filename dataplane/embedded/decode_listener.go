package embedded

import (
	"errors"
	"fmt"
	"strings"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	filelogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	uuidv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/request_id/uuid/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/internal/protofield"
)

// honouredOfListeners is what is done of listeners, and of what stands in them.
var honouredOfListeners = protofield.Honoured{
	"envoy.config.listener.v3.Listener":    {"name", "address", "filter_chains"},
	"envoy.config.listener.v3.FilterChain": {"filters", "transport_socket"},
	"envoy.config.listener.v3.Filter":      {"name", "typed_config"},
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": {
		"codec_type", "stat_prefix", "rds", "http_filters", "generate_request_id", "server_header_transformation",
		"access_log", "tracing", "request_id_extension", "forward_client_cert_details", "set_current_client_cert_details", "upgrade_configs",
		"http_protocol_options", "http2_protocol_options",
	},
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails": {"uri", "dns"},
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig":               {"upgrade_type"},
	"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy":                                                        {"stat_prefix", "cluster"},
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing":                     {"random_sampling", "overall_sampling", "client_sampling", "provider"},
	"envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension":                                {"typed_config"},
	"envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig":                                                       {"pack_trace_reason", "use_request_id_for_trace_sampling"},
	"envoy.type.v3.Percent":                                                  {"value"},
	"envoy.config.trace.v3.Tracing.Http":                                     {"name", "typed_config"},
	"envoy.config.accesslog.v3.AccessLog":                                    {"name", "typed_config"},
	"envoy.extensions.access_loggers.file.v3.FileAccessLog":                  {"path", "log_format"},
	"envoy.config.core.v3.SubstitutionFormatString":                          {"text_format_source"},
	"envoy.config.core.v3.DataSource":                                        {"inline_string"},
	"envoy.extensions.filters.network.http_connection_manager.v3.Rds":        {"config_source", "route_config_name"},
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter": {"name", "typed_config", "disabled"},
	"envoy.extensions.filters.http.router.v3.Router":                         {"suppress_envoy_headers"},
}

const routerURL = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"

type listenerSpec struct {
	name, addr, routes string
	filters            []filterSpec
	log                *logSpec // nil: none
	codec              codec
	tls                *tlsSpec // nil: clear text
	xfcc               xfccMode
	details            xfccDetails
	upgrades           bool   // WebSocket
	connects           bool   // extended CONNECT, by which HTTP/2 asks for it
	trailers           bool   // HTTP/1.1 has them
	tcp                string // the cluster that bytes go to; empty: HTTP
}

// entrance is what of a listener its connections depend on.
func (s *listenerSpec) entrance() string {
	key := fmt.Sprintf("%s %d %d %v %v %v %v %s", s.addr, s.codec, s.xfcc, s.details, s.upgrades, s.connects, s.trailers, s.tcp)
	if s.tls != nil {
		key += " " + s.tls.key
	}
	return key
}

// logSpec is an access log: a file, and Envoy's format of its lines.
type logSpec struct{ path, format string }

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
	if s.tls, err = decodeDownstreamTLS(chains[0].GetTransportSocket()); err != nil {
		return s, fmt.Errorf("field filter_chains[0].transport_socket: %w", err)
	}
	network := chains[0].GetFilters()[0].GetTypedConfig()
	if network.MessageIs(&tcpproxyv3.TcpProxy{}) {
		s.tcp, err = decodeTCP(network)
		return s, err
	}
	m, err := check(network, &hcmv3.HttpConnectionManager{})
	if err != nil {
		return s, fmt.Errorf("http_connection_manager: %w", err)
	}
	if err := s.decodeConnections(m); err != nil {
		return s, fmt.Errorf("http_connection_manager: %w", err)
	}
	if s.filters, err = chain(m); err != nil {
		return s, fmt.Errorf("http_connection_manager: %w", err)
	}
	if err := s.observers(m); err != nil {
		return s, fmt.Errorf("http_connection_manager: field %w", err)
	}
	s.routes = m.GetRds().GetRouteConfigName()
	if s.routes == "" {
		return s, errors.New("http_connection_manager: field rds: is required")
	}
	return s, ads("http_connection_manager: field rds.config_source", m.GetRds().GetConfigSource())
}

// decodeConnections reads what concerns connections.
func (s *listenerSpec) decodeConnections(m *hcmv3.HttpConnectionManager) (err error) {
	known := map[hcmv3.HttpConnectionManager_CodecType]codec{
		hcmv3.HttpConnectionManager_HTTP1: onlyH1, hcmv3.HttpConnectionManager_HTTP2: onlyH2, hcmv3.HttpConnectionManager_AUTO: anyHTTP}
	var ok bool
	if s.codec, ok = known[m.GetCodecType()]; !ok {
		return fmt.Errorf("field codec_type: %v is not supported, AUTO, HTTP1 and HTTP2 are", m.GetCodecType())
	}
	for i, u := range m.GetUpgradeConfigs() {
		if s.upgrades = strings.EqualFold(u.GetUpgradeType(), websocket); !s.upgrades {
			return fmt.Errorf("field upgrade_configs[%d].upgrade_type: %q is not supported, %s is", i, u.GetUpgradeType(), websocket)
		}
	}
	s.trailers = m.GetHttpProtocolOptions().GetEnableTrailers()
	if s.connects = m.GetHttp2ProtocolOptions().GetAllowConnect(); s.connects && !canConnect() {
		return fmt.Errorf("field http2_protocol_options.allow_connect: the proxy's process must be started with GODEBUG=%s in its environment", xconnect)
	}
	s.xfcc, s.details, err = decodeXFCC(m)
	return err
}

// websocket is the one protocol that a connection can be upgraded to.
const websocket = "websocket"

func decodeTCP(a *anypb.Any) (string, error) {
	m, err := check(a, &tcpproxyv3.TcpProxy{})
	if err != nil {
		return "", fmt.Errorf("tcp_proxy: %w", err)
	}
	if m.GetCluster() == "" {
		return "", errors.New("tcp_proxy: field cluster: is required")
	}
	return m.GetCluster(), nil
}

const fileLogURL = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"

// observers are those that watch every exchange: the tracer, and access logs
// that are no file. They stand before all filters, as filters of Go's.
func (s *listenerSpec) observers(m *hcmv3.HttpConnectionManager) error {
	var all []filterSpec
	for i, l := range m.GetAccessLog() {
		name := fmt.Sprintf("access_log[%d]", i)
		if l.GetTypedConfig().GetTypeUrl() != fileLogURL {
			all = append(all, filterSpec{name: name, config: l.GetTypedConfig()})
			continue
		}
		if s.log != nil {
			return fmt.Errorf("%s: one log to a file is supported", name)
		}
		var err error
		if s.log, err = decodeLog(l.GetTypedConfig()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := noRequestIDs(m); err != nil {
		return err
	}
	if t := m.GetTracing(); t != nil {
		packed, err := anypb.New(t)
		if err != nil {
			return fmt.Errorf("tracing: %w", err)
		}
		all = append(all, filterSpec{name: "tracing", config: packed})
	}
	s.filters = append(all, s.filters...)
	return nil
}

// noRequestIDs refuses what needs ids of requests: they are neither made nor
// looked at, so that traces cannot be sampled by them.
func noRequestIDs(m *hcmv3.HttpConnectionManager) error {
	e := m.GetRequestIdExtension()
	if m.GetTracing() == nil && e == nil {
		return nil
	}
	ids, err := check(e.GetTypedConfig(), &uuidv3.UuidRequestIdConfig{})
	if err != nil {
		return fmt.Errorf("request_id_extension: %w", err)
	}
	for name, given := range map[string]*wrapperspb.BoolValue{
		"pack_trace_reason": ids.GetPackTraceReason(), "use_request_id_for_trace_sampling": ids.GetUseRequestIdForTraceSampling()} {
		if given == nil || given.GetValue() {
			return fmt.Errorf("request_id_extension: field %s: must be false, request ids are not supported", name)
		}
	}
	return nil
}

func decodeLog(a *anypb.Any) (*logSpec, error) {
	m, err := check(a, &filelogv3.FileAccessLog{})
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
		specs = append(specs, filterSpec{name: f.GetName(), config: f.GetTypedConfig(), disabled: f.GetDisabled()})
	}
	return specs, nil
}
