package healthcheck

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape gives the service's cluster the checks. Panic, in which health would be
// disregarded, is switched off; so is the rarer checking before any request.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	cluster, _, err := r.Cluster(dataplane.ServiceCluster)
	if err != nil {
		return fmt.Errorf("health-check: %w", err)
	}
	interval := durationpb.New(s.Interval.Std())
	cluster.HealthChecks = []*corev3.HealthCheck{{
		Timeout: durationpb.New(s.Timeout.Std()), Interval: interval, NoTrafficInterval: interval,
		UnhealthyThreshold: wrapperspb.UInt32(uint32(s.UnhealthyAfter)), HealthyThreshold: wrapperspb.UInt32(uint32(s.HealthyAfter)),
		HealthChecker: &corev3.HealthCheck_HttpHealthCheck_{HttpHealthCheck: &corev3.HealthCheck_HttpHealthCheck{Path: s.Path}},
	}}
	cluster.IgnoreHealthOnHostRemoval = true
	dataplane.Panic(cluster, 0)
	return nil
}
