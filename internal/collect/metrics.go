package collect

import (
	"errors"
	"io"
	"strings"

	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/service/metrics/v3"
)

type metricsService struct {
	metricsv3.UnimplementedMetricsServiceServer
	collector *Collector
}

// StreamMetrics takes a proxy's counters; gauges and histograms are not kept.
func (s *metricsService) StreamMetrics(stream metricsv3.MetricsService_StreamMetricsServer) error {
	var node string
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&metricsv3.StreamMetricsResponse{})
		}
		if err != nil {
			return err
		}
		if id := m.GetIdentifier(); id != nil {
			node = id.GetNode().GetId()
		}
		s.collector.add(func(g *Gathered) {
			if g.Counters == nil {
				g.Counters = map[string]map[string]float64{}
			}
			if g.Counters[node] == nil {
				g.Counters[node] = map[string]float64{}
			}
			for _, family := range m.GetEnvoyMetrics() {
				for _, one := range family.GetMetric() {
					if one.GetCounter() == nil {
						continue
					}
					var labels []string
					for _, l := range one.GetLabel() {
						labels = append(labels, l.GetName()+"="+l.GetValue())
					}
					name := family.GetName()
					if len(labels) > 0 {
						name += "{" + strings.Join(labels, ",") + "}"
					}
					g.Counters[node][name] = one.GetCounter().GetValue()
				}
			}
		})
	}
}
