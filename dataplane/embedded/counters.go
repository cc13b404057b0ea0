package embedded

import (
	"context"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/service/metrics/v3"
	prom "github.com/prometheus/client_model/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/taremesh/tare/dataplane"
)

// envoyCounters are those that a collector is told, under Envoy's names for
// them, so that it need not know which plane speaks.
var envoyCounters = map[string]func(*stats) uint64{
	"http.ingress.downstream_rq_total": func(s *stats) uint64 { return s.requests.Load() },
	"http.ingress.downstream_rq_2xx":   func(s *stats) uint64 { return s.class2.Load() },
	"http.ingress.downstream_rq_3xx":   func(s *stats) uint64 { return s.class3.Load() },
	"http.ingress.downstream_rq_4xx":   func(s *stats) uint64 { return s.class4.Load() },
	"http.ingress.downstream_rq_5xx":   func(s *stats) uint64 { return s.class5.Load() },
}

// tellCounters tells a collector the proxy's counters, over Envoy's metrics
// service, until the context ends. What it does not take is told again with
// the next ones, since counters only grow.
func (p *proxy) tellCounters(ctx context.Context, addr, node string) {
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return // an address that is none shows in Serve
	}
	defer conn.Close()
	client := metricsv3.NewMetricsServiceClient(conn)
	tick := time.NewTicker(dataplane.CountersEvery)
	defer tick.Stop()
	var stream metricsv3.MetricsService_StreamMetricsClient
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if stream == nil {
			if stream, err = client.StreamMetrics(ctx); err != nil {
				stream = nil
				continue
			}
		}
		if stream.Send(p.counters(node)) != nil {
			stream = nil
		}
	}
}

// counters is one message with all of them.
func (p *proxy) counters(node string) *metricsv3.StreamMetricsMessage {
	m := &metricsv3.StreamMetricsMessage{Identifier: &metricsv3.StreamMetricsMessage_Identifier{Node: &corev3.Node{Id: node}}}
	total, now := p.total(), time.Now().UnixMilli()
	for name, of := range envoyCounters {
		m.EnvoyMetrics = append(m.EnvoyMetrics, &prom.MetricFamily{Name: proto.String(name), Type: prom.MetricType_COUNTER.Enum(),
			Metric: []*prom.Metric{{Counter: &prom.Counter{Value: proto.Float64(float64(of(total)))}, TimestampMs: proto.Int64(now)}}})
	}
	return m
}
