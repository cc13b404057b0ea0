package tracing

import (
	"fmt"
	"sync"

	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	samplersv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/tracers/opentelemetry/samplers/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
)

// honoured is what the Go filter understands of Envoy's messages.
func honoured() protofield.Honoured {
	return protofield.Honoured{
		"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing": {"provider"},
		"envoy.type.v3.FractionalPercent":                                                   {"numerator", "denominator"},
		"envoy.config.core.v3.TypedExtensionConfig":                                         {"name", "typed_config"},
		"envoy.extensions.tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig":       {"wrapped_sampler"},
		"envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig": {"sampling_percentage"},
		"envoy.config.trace.v3.Tracing.Http":                                                {"name", "typed_config"},
		"envoy.config.trace.v3.OpenTelemetryConfig":                                         {"grpc_service", "service_name", "sampler"},
		"envoy.config.core.v3.GrpcService":                                                  {"envoy_grpc"},
		"envoy.config.core.v3.GrpcService.EnvoyGrpc":                                        {"cluster_name"},
	}
}

// filter makes spans in the embedded data plane.
type filter struct {
	sample float64
	*exporter
	under sync.Map // function.Exchange -> work
}

func join(packed *anypb.Any, host function.Host) (function.Filter, error) {
	m, err := read(packed, &hcmv3.HttpConnectionManager_Tracing{})
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	provider, err := read(m.GetProvider().GetTypedConfig(), &tracev3.OpenTelemetryConfig{})
	if err != nil {
		return nil, fmt.Errorf("tracing: field provider.typed_config: %w", err)
	}
	name := provider.GetGrpcService().GetEnvoyGrpc().GetClusterName()
	if name == "" {
		return nil, fmt.Errorf("tracing: field provider.typed_config.grpc_service.envoy_grpc.cluster_name: is required")
	}
	f := &filter{}
	if f.sample, err = readSampler(provider.GetSampler().GetTypedConfig()); err != nil {
		return nil, fmt.Errorf("tracing: field provider.typed_config.sampler: %w", err)
	}
	f.exporter = newExporter(provider.GetServiceName(), func() (string, bool) { return host.Endpoint(name) })
	return f, nil
}

func read[M proto.Message](a *anypb.Any, m M) (M, error) {
	if err := a.UnmarshalTo(m); err != nil {
		return m, fmt.Errorf("want %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return m, protofield.Check(m, honoured())
}

// readSampler reads the share of requests without a trace that begin one.
func readSampler(a *anypb.Any) (percent float64, err error) {
	parent, err := read(a, &samplersv3.ParentBasedSamplerConfig{})
	if err != nil {
		return 0, err
	}
	ratio, err := read(parent.GetWrappedSampler().GetTypedConfig(), &samplersv3.TraceIdRatioBasedSamplerConfig{})
	if err != nil {
		return 0, fmt.Errorf("field wrapped_sampler: %w", err)
	}
	share := ratio.GetSamplingPercentage()
	if share.GetDenominator() != typev3.FractionalPercent_MILLION {
		return 0, fmt.Errorf("field wrapped_sampler: field sampling_percentage.denominator: %v is not supported, MILLION is", share.GetDenominator())
	}
	return float64(share.GetNumerator()) / perPercent, nil
}

// Handle begins the span of a request, and tells what is behind of it.
func (f *filter) Handle(x function.Exchange) (proceed bool) {
	w, ok := formats[W3C].begin(f.sample, func(name string) string {
		value, _ := x.Header(name)
		return string(value)
	}, func(name, value string) { x.SetHeader(name, []byte(value)) })
	if ok && w.sampled {
		f.under.Store(x, w)
	}
	return true
}

// Finish ends it.
func (f *filter) Finish(x function.Exchange, e function.Ending) {
	if w, ok := f.under.LoadAndDelete(x); ok {
		f.finish(w.(work), string(x.Method()), answered(e.Status))
	}
}
