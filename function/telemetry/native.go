package telemetry

import (
	"fmt"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	grpclogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

const (
	loggerName = "envoy.access_loggers.http_grpc"
	typeURL    = "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"

	logName = "tare"
	cluster = "telemetry" // the collector's
)

// shape gives the connection manager a logger, and the proxy a cluster of the
// collector.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	if err := r.Beside(cluster, s.Collector); err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	packed, err := dataplane.Pack(s.message())
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return r.EachManager(func(m *hcmv3.HttpConnectionManager) error {
		m.AccessLog = append(m.AccessLog, &accesslogv3.AccessLog{Name: loggerName, ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed}})
		return nil
	})
}

func (s Spec) message() *grpclogv3.HttpGrpcAccessLogConfig {
	return &grpclogv3.HttpGrpcAccessLogConfig{CommonConfig: &grpclogv3.CommonGrpcAccessLogConfig{
		LogName: logName,
		GrpcService: &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
			EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: cluster}}},
		TransportApiVersion: corev3.ApiVersion_V3,
		BufferFlushInterval: durationpb.New(s.Flush.Std()),
	}}
}
