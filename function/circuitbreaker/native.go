package circuitbreaker

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape gives the service's cluster the limits.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	cluster, _, err := r.Cluster(dataplane.ServiceCluster)
	if err != nil {
		return fmt.Errorf("circuit-breaker: %w", err)
	}
	t := &clusterv3.CircuitBreakers_Thresholds{
		MaxRequests: limit(s.MostRequests), MaxConnections: limit(s.MostConnections),
		MaxPendingRequests: limit(0), MaxRetries: limit(0),
	}
	if s.MostWaiting != nil {
		t.MaxPendingRequests = limit(*s.MostWaiting)
	}
	cluster.CircuitBreakers = &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{t}}
	return nil
}

// limit is a number, or without one what no load here reaches.
func limit(n int) *wrapperspb.UInt32Value {
	if n == 0 {
		n = unlimited
	}
	return wrapperspb.UInt32(uint32(n))
}
