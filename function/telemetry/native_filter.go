package telemetry

import (
	"fmt"
	"net/netip"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	grpclogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
)

// honoured is what the Go filter understands of Envoy's message.
func honoured() protofield.Honoured {
	const of = "envoy.extensions.access_loggers.grpc.v3."
	return protofield.Honoured{
		of + "HttpGrpcAccessLogConfig":               {"common_config"},
		of + "CommonGrpcAccessLogConfig":             {"log_name", "grpc_service", "transport_api_version", "buffer_flush_interval"},
		"envoy.config.core.v3.GrpcService":           {"envoy_grpc"},
		"envoy.config.core.v3.GrpcService.EnvoyGrpc": {"cluster_name"},
	}
}

// usualFlush is what Envoy waits when it is not told how long.
const usualFlush = time.Second

// filter streams entries in the embedded data plane.
type filter struct{ *stream }

func join(packed *anypb.Any, host function.Host) (function.Filter, error) {
	m := new(grpclogv3.HttpGrpcAccessLogConfig)
	if err := packed.UnmarshalTo(m); err != nil {
		return nil, fmt.Errorf("read access log: %w", err)
	}
	if err := protofield.Check(m, honoured()); err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	c := m.GetCommonConfig()
	name, flush := c.GetGrpcService().GetEnvoyGrpc().GetClusterName(), usualFlush
	switch {
	case name == "":
		return nil, fmt.Errorf("access log: field common_config.grpc_service.envoy_grpc.cluster_name: is required")
	case c.GetLogName() == "":
		return nil, fmt.Errorf("access log: field common_config.log_name: is required")
	case c.GetTransportApiVersion() != corev3.ApiVersion_V3:
		return nil, fmt.Errorf("access log: field common_config.transport_api_version: %v is not supported, V3 is", c.GetTransportApiVersion())
	}
	if d := c.GetBufferFlushInterval(); d != nil {
		if flush = d.AsDuration(); flush <= 0 {
			return nil, fmt.Errorf("access log: field common_config.buffer_flush_interval: %v: want more than nothing", flush)
		}
	}
	return &filter{newStream(c.GetLogName(), flush, func() (string, bool) { return host.Endpoint(name) })}, nil
}

// Handle does nothing: the entry is made at the end.
func (f *filter) Handle(function.Exchange) (proceed bool) { return true }

// Finish makes the entry.
func (f *filter) Finish(x function.Exchange, e function.Ending) {
	host, _ := x.Header("host")
	agent, _ := x.Header("user-agent")
	entry := &datav3.HTTPAccessLogEntry{
		CommonProperties: &datav3.AccessLogCommon{StartTime: timestamppb.New(e.Began), Duration: durationpb.New(e.Took), UpstreamRemoteAddress: address(e.Upstream)},
		ProtocolVersion:  datav3.HTTPAccessLogEntry_HTTP11,
		Request: &datav3.HTTPRequestProperties{RequestMethod: corev3.RequestMethod(corev3.RequestMethod_value[string(x.Method())]),
			Authority: string(host), Path: string(x.Path()), UserAgent: string(agent), RequestBodyBytes: uint64(max(e.Received, 0))},
		Response: &datav3.HTTPResponseProperties{ResponseBodyBytes: uint64(max(e.Sent, 0))},
	}
	if e.Status != 0 {
		entry.Response.ResponseCode = wrapperspb.UInt32(uint32(e.Status))
	}
	f.tell(entry)
}

func address(hostport string) *corev3.Address {
	at, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return nil // none was asked
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: at.Addr().String(), PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(at.Port())}}}}
}
