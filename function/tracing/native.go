package tracing

import (
	"errors"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	uuidv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/request_id/uuid/v3"
	samplersv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/tracers/opentelemetry/samplers/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

const (
	tracerName = "envoy.tracers.opentelemetry"
	// typeURL is of the connection manager's own message: sampling stands there.
	typeURL = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing"
	// cluster is the collector's.
	cluster = "spans"
)

// shape gives the connection manager a tracer, and the proxy a cluster of the
// collector.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	if s.Propagation != W3C {
		return errors.New("trace: propagation b3: Envoy's tracer that speaks OTLP reads and writes W3C's context alone, and the one of B3 (Zipkin's) speaks no OTLP: use w3c, or the library")
	}
	if err := r.Beside(cluster, s.Collector); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	// Otherwise a request without a request id is in no trace.
	ids, err := dataplane.Pack(&uuidv3.UuidRequestIdConfig{PackTraceReason: wrapperspb.Bool(false), UseRequestIdForTraceSampling: wrapperspb.Bool(false)})
	if err != nil {
		return err
	}
	return r.EachManager(func(m *hcmv3.HttpConnectionManager) error {
		m.RequestIdExtension = &hcmv3.RequestIDExtension{TypedConfig: ids}
		m.Tracing, err = s.message()
		return err
	})
}

func (s Spec) message() (*hcmv3.HttpConnectionManager_Tracing, error) {
	sampler, err := s.sampler()
	if err != nil {
		return nil, err
	}
	provider, err := dataplane.Pack(&tracev3.OpenTelemetryConfig{
		Sampler:     sampler,
		GrpcService: &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: cluster}}},
		ServiceName: s.Service,
	})
	if err != nil {
		return nil, err
	}
	return &hcmv3.HttpConnectionManager_Tracing{
		Provider: &tracev3.Tracing_Http{Name: tracerName, ConfigType: &tracev3.Tracing_Http_TypedConfig{TypedConfig: provider}},
	}, nil
}

// perPercent is how many millionths a percent is.
const perPercent = 10_000

// sampler does what the caller says, and by the ratio where there is none.
// Without a sampler Envoy would go by request ids, which are not made here.
func (s Spec) sampler() (*corev3.TypedExtensionConfig, error) {
	ratio, err := dataplane.Pack(&samplersv3.TraceIdRatioBasedSamplerConfig{SamplingPercentage: &typev3.FractionalPercent{
		Numerator: uint32(s.Sample * perPercent), Denominator: typev3.FractionalPercent_MILLION}})
	if err != nil {
		return nil, err
	}
	parent, err := dataplane.Pack(&samplersv3.ParentBasedSamplerConfig{
		WrappedSampler: &corev3.TypedExtensionConfig{Name: samplerName + "trace_id_ratio_based", TypedConfig: ratio}})
	if err != nil {
		return nil, err
	}
	return &corev3.TypedExtensionConfig{Name: samplerName + "parent_based", TypedConfig: parent}, nil
}

// samplerName is how Envoy's names of samplers begin.
const samplerName = "envoy.tracers.opentelemetry.samplers."
