package exposition

import (
	"fmt"
	"strings"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/taremesh/tare/report"
)

// otlpUnits are the units of OpenMetrics in the notation of OTLP (UCUM).
var otlpUnits = map[string]string{unitSeconds: "s", unitBytes: "By", "": "1"}

// OTLP gives the report as a request of OTLP's metrics service, in protobuf
// (docs/formats/otlp.md): the metrics of OpenMetrics, with dots in their names.
func OTLP(r *report.Report) ([]byte, error) {
	attributes := []*common.KeyValue{attribute("service.name", "tare")}
	for _, kv := range about(r) {
		attributes = append(attributes, attribute("tare."+kv[0], kv[1]))
	}
	scope := &metrics.ScopeMetrics{Scope: &common.InstrumentationScope{Name: "tare", Version: r.Program.Version}}
	for _, f := range families(r) {
		scope.Metrics = append(scope.Metrics, metric(r, f))
	}
	body, err := proto.Marshal(&collector.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{
		Resource: &resource.Resource{Attributes: attributes}, ScopeMetrics: []*metrics.ScopeMetrics{scope},
	}}})
	if err != nil {
		return nil, fmt.Errorf("write %s as OTLP: %w", r.ID, err)
	}
	return body, nil
}

// ReadOTLP reads what a receiver answered: how many data points it rejected,
// and its words.
func ReadOTLP(answer []byte) (rejected int64, words string, err error) {
	var a collector.ExportMetricsServiceResponse
	if err := proto.Unmarshal(answer, &a); err != nil {
		return 0, "", fmt.Errorf("read the receiver's answer: %w", err)
	}
	return a.GetPartialSuccess().GetRejectedDataPoints(), a.GetPartialSuccess().GetErrorMessage(), nil
}

func attribute(name, v string) *common.KeyValue {
	return &common.KeyValue{Key: name, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: strings.ToValidUTF8(v, "�")}}}
}

func metric(r *report.Report, f family) *metrics.Metric {
	m := &metrics.Metric{Name: strings.ReplaceAll(f.name, "_", "."), Description: f.help, Unit: otlpUnits[f.unit]}
	switch f.kind {
	case histogram:
		m.Data = &metrics.Metric_Histogram{Histogram: &metrics.Histogram{DataPoints: histogramPoints(r, f),
			AggregationTemporality: metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE}}
	case counter:
		m.Data = &metrics.Metric_Sum{Sum: &metrics.Sum{DataPoints: numberPoints(r, f), IsMonotonic: true,
			AggregationTemporality: metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE}}
	default:
		m.Data = &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: numberPoints(r, f)}}
	}
	return m
}

func (p point) attributes() []*common.KeyValue {
	var out []*common.KeyValue
	for _, kv := range p.labels {
		out = append(out, attribute(kv[0], kv[1]))
	}
	return out
}

func numberPoints(r *report.Report, f family) []*metrics.NumberDataPoint {
	var out []*metrics.NumberDataPoint
	for _, p := range f.points {
		out = append(out, &metrics.NumberDataPoint{Attributes: p.attributes(), StartTimeUnixNano: uint64(r.Started.UnixNano()),
			TimeUnixNano: uint64(ended(r).UnixNano()), Value: &metrics.NumberDataPoint_AsDouble{AsDouble: p.value}})
	}
	return out
}

func histogramPoints(r *report.Report, f family) []*metrics.HistogramDataPoint {
	var out []*metrics.HistogramDataPoint
	for _, p := range f.points {
		d := &metrics.HistogramDataPoint{Attributes: p.attributes(), StartTimeUnixNano: uint64(r.Started.UnixNano()),
			TimeUnixNano: uint64(ended(r).UnixNano()), ExplicitBounds: p.bounds, BucketCounts: p.counts}
		for _, n := range p.counts {
			d.Count += n
		}
		out = append(out, d)
	}
	return out
}
