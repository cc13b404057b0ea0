package collect

import (
	"context"
	"encoding/hex"
	"time"

	collectorv1 "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/slim/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/grpc"
)

// TraceMethod is the full name of OTLP's method for spans.
const TraceMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// traceService is OTLP's service, whose messages come without their gRPC code.
var traceService = grpc.ServiceDesc{
	ServiceName: "opentelemetry.proto.collector.trace.v1.TraceService",
	HandlerType: (*exporter)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: func(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		q := new(collectorv1.ExportTraceServiceRequest)
		if err := decode(q); err != nil {
			return nil, err
		}
		return srv.(exporter).export(q), nil
	}}},
}

type exporter interface {
	export(*collectorv1.ExportTraceServiceRequest) *collectorv1.ExportTraceServiceResponse
}

func (c *Collector) export(q *collectorv1.ExportTraceServiceRequest) *collectorv1.ExportTraceServiceResponse {
	var all []Span
	for _, r := range q.GetResourceSpans() {
		service := attributes(r.GetResource().GetAttributes())["service.name"]
		for _, scope := range r.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				all = append(all, span(service, s))
			}
		}
	}
	c.add(func(g *Gathered) { g.Spans = append(g.Spans, all...) })
	return &collectorv1.ExportTraceServiceResponse{}
}

func span(service string, s *tracev1.Span) Span {
	kinds := map[tracev1.Span_SpanKind]Kind{tracev1.Span_SPAN_KIND_SERVER: Server, tracev1.Span_SPAN_KIND_CLIENT: Client}
	return Span{
		Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
		Name: s.GetName(), Kind: kinds[s.GetKind()], Service: service,
		Start: time.Unix(0, int64(s.GetStartTimeUnixNano())), End: time.Unix(0, int64(s.GetEndTimeUnixNano())),
		Attributes: attributes(s.GetAttributes()),
	}
}

// attributes are those that are texts; others are left out.
func attributes(kvs []*commonv1.KeyValue) map[string]string {
	all := map[string]string{}
	for _, kv := range kvs {
		if v, ok := kv.GetValue().GetValue().(*commonv1.AnyValue_StringValue); ok {
			all[kv.GetKey()] = v.StringValue
		}
	}
	return all
}
