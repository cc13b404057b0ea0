package embedded

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/internal/balance"
	"github.com/taremesh/tare/internal/protofield"
)

// honouredOfBalance is what is done of how endpoints are chosen.
var honouredOfBalance = protofield.Honoured{
	"envoy.config.cluster.v3.Cluster.LeastRequestLbConfig":                    {"choice_count"},
	"envoy.config.cluster.v3.Cluster.RingHashLbConfig":                        {"minimum_ring_size", "maximum_ring_size", "hash_function"},
	"envoy.config.cluster.v3.Cluster.MaglevLbConfig":                          {"table_size"},
	"envoy.config.cluster.v3.Cluster.CommonLbConfig":                          {"healthy_panic_threshold", "locality_weighted_lb_config", "update_merge_window"},
	"envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig": {},
	"envoy.type.v3.Percent":                                                   {"value"},
	"envoy.config.cluster.v3.OutlierDetection": {
		"consecutive_5xx", "enforcing_consecutive_5xx", "consecutive_gateway_failure", "enforcing_consecutive_gateway_failure",
		"split_external_local_origin_errors", "consecutive_local_origin_failure", "enforcing_consecutive_local_origin_failure",
		"enforcing_local_origin_success_rate", "interval", "base_ejection_time", "max_ejection_time", "max_ejection_percent",
		"always_eject_one_host", "enforcing_success_rate", "success_rate_minimum_hosts", "success_rate_request_volume",
		"success_rate_stdev_factor", "successful_active_health_check_uneject_host",
	},
	"envoy.config.core.v3.HealthCheck": {
		"timeout", "interval", "no_traffic_interval", "unhealthy_threshold", "healthy_threshold", "http_health_check", "tcp_health_check",
	},
	"envoy.config.core.v3.HealthCheck.HttpHealthCheck": {"host", "path", "expected_statuses"},
	"envoy.config.core.v3.HealthCheck.TcpHealthCheck":  {},
	"envoy.type.v3.Int64Range":                         {"start", "end"},
	"envoy.config.cluster.v3.CircuitBreakers":          {"thresholds"},
	"envoy.config.cluster.v3.CircuitBreakers.Thresholds": {
		"priority", "max_connections", "max_pending_requests", "max_requests", "max_retries", "retry_budget", "track_remaining",
	},
	"envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget": {"budget_percent", "min_retry_concurrency"},
	"envoy.config.endpoint.v3.ClusterLoadAssignment":                 {"cluster_name", "endpoints", "policy"},
	"envoy.config.endpoint.v3.ClusterLoadAssignment.Policy":          {"overprovisioning_factor"},
	"envoy.config.endpoint.v3.LocalityLbEndpoints":                   {"locality", "lb_endpoints", "load_balancing_weight", "priority"},
	"envoy.config.core.v3.Locality":                                  {"region", "zone", "sub_zone"},
	"envoy.config.endpoint.v3.LbEndpoint":                            {"endpoint", "load_balancing_weight", "health_status"},
	"envoy.config.endpoint.v3.Endpoint":                              {"address"},
}

// balanceSpec is how a cluster's endpoints are chosen, and how much it may have
// under way.
type balanceSpec struct {
	config balance.Config
	limits *balance.Limits // nil: none that could fire
}

// assignment is a cluster's endpoints.
type assignment struct {
	members       []balance.Member
	overprovision int
}

// plain reports whether the endpoints just take turns.
func (s balanceSpec) plain(a assignment) bool {
	if c := s.config; c.Policy != balance.RoundRobin || c.Outlier != nil || c.Check != nil || c.Localities {
		return false
	}
	for _, m := range a.members {
		if m.Priority != 0 || m.Down || m.Weight != a.members[0].Weight {
			return false
		}
	}
	return true
}

func decodeBalance(c *clusterv3.Cluster) (s balanceSpec, err error) {
	s.config = balance.DefaultConfig()
	if err := decodePolicy(c, &s.config); err != nil {
		return s, err
	}
	if t := c.GetCommonLbConfig().GetHealthyPanicThreshold(); t != nil {
		if t.GetValue() < 0 || t.GetValue() > 100 || t.GetValue() != math.Trunc(t.GetValue()) {
			return s, fmt.Errorf("field common_lb_config.healthy_panic_threshold: %v is not a whole number of percent", t.GetValue())
		}
		s.config.Panic = int(t.GetValue())
	}
	if w := c.GetCommonLbConfig().GetUpdateMergeWindow(); w.AsDuration() != 0 {
		return s, fmt.Errorf("field common_lb_config.update_merge_window: %v is not supported, 0s is: changes of health are seen at once", w.AsDuration())
	}
	s.config.Localities = c.GetCommonLbConfig().GetLocalityWeightedLbConfig() != nil
	if s.config.Outlier, err = decodeOutlier(c.GetOutlierDetection()); err != nil {
		return s, fmt.Errorf("field outlier_detection.%w", err)
	}
	if s.config.Check, err = decodeChecks(c); err != nil {
		return s, fmt.Errorf("field health_checks: %w", err)
	}
	if s.limits, err = decodeLimits(c.GetCircuitBreakers()); err != nil {
		return s, fmt.Errorf("field circuit_breakers.thresholds.%w", err)
	}
	return s, nil
}

func decodePolicy(c *clusterv3.Cluster, to *balance.Config) error {
	switch c.GetLbPolicy() {
	case clusterv3.Cluster_ROUND_ROBIN:
	case clusterv3.Cluster_RANDOM:
		to.Policy = balance.Random
	case clusterv3.Cluster_LEAST_REQUEST:
		to.Policy = balance.LeastRequest
		to.Choices = number(c.GetLeastRequestLbConfig().GetChoiceCount(), to.Choices)
	case clusterv3.Cluster_RING_HASH:
		to.Policy = balance.RingHash
		r := c.GetRingHashLbConfig()
		to.Ring.Murmur = r.GetHashFunction() == clusterv3.Cluster_RingHashLbConfig_MURMUR_HASH_2
		if v := r.GetMinimumRingSize(); v != nil {
			to.Ring.Min = int(min(v.GetValue(), mostPoints+1))
		}
		if v := r.GetMaximumRingSize(); v != nil {
			to.Ring.Max = int(min(v.GetValue(), mostPoints+1))
		}
		if to.Ring.Min < 1 || to.Ring.Min > to.Ring.Max || to.Ring.Max > mostPoints {
			return fmt.Errorf("field ring_hash_lb_config: sizes from %d to %d: want 1 to %d", to.Ring.Min, to.Ring.Max, mostPoints)
		}
	case clusterv3.Cluster_MAGLEV:
		to.Policy = balance.Maglev
		if v := c.GetMaglevLbConfig().GetTableSize(); v != nil {
			if v.GetValue() > mostPlaces || !big.NewInt(int64(v.GetValue())).ProbablyPrime(0) {
				return fmt.Errorf("field maglev_lb_config.table_size: %d is no prime up to %d", v.GetValue(), mostPlaces)
			}
			to.TableSize = int(v.GetValue())
		}
	default:
		return fmt.Errorf("field lb_policy: %v is not supported; ROUND_ROBIN, LEAST_REQUEST, RING_HASH, MAGLEV and RANDOM are", c.GetLbPolicy())
	}
	return nil
}

// Envoy's bounds.
const (
	mostPoints = 8 << 20
	mostPlaces = 5_000_011
)

// number is a value, or without one the default.
func number(v *wrapperspb.UInt32Value, otherwise int) int {
	if v == nil {
		return otherwise
	}
	return int(v.GetValue())
}

func span(d *durationpb.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.AsDuration()
}

func decodeOutlier(d *clusterv3.OutlierDetection) (*balance.Outlier, error) {
	if d == nil {
		return nil, nil
	}
	o := balance.DefaultOutlier()
	for _, f := range []struct {
		to *int
		v  *wrapperspb.UInt32Value
	}{
		{&o.Consecutive5xx, d.GetConsecutive_5Xx()}, {&o.Enforce5xx, d.GetEnforcingConsecutive_5Xx()},
		{&o.ConsecutiveGateway, d.GetConsecutiveGatewayFailure()}, {&o.EnforceGateway, d.GetEnforcingConsecutiveGatewayFailure()},
		{&o.ConsecutiveLocal, d.GetConsecutiveLocalOriginFailure()}, {&o.EnforceLocal, d.GetEnforcingConsecutiveLocalOriginFailure()},
		{&o.MostPercent, d.GetMaxEjectionPercent()}, {&o.EnforceSuccess, d.GetEnforcingSuccessRate()},
		{&o.SuccessHosts, d.GetSuccessRateMinimumHosts()}, {&o.SuccessVolume, d.GetSuccessRateRequestVolume()},
		{&o.SuccessFactor, d.GetSuccessRateStdevFactor()},
	} {
		*f.to = number(f.v, *f.to)
	}
	o.Interval, o.Base = span(d.GetInterval(), o.Interval), span(d.GetBaseEjectionTime(), o.Base)
	o.Most = span(d.GetMaxEjectionTime(), max(o.Most, o.Base))
	o.AlwaysOne, o.Split = d.GetAlwaysEjectOneHost().GetValue(), d.GetSplitExternalLocalOriginErrors()
	if v := d.GetSuccessfulActiveHealthCheckUnejectHost(); v != nil {
		o.KeepChecked = !v.GetValue()
	}
	if o.Interval <= 0 || o.Base <= 0 {
		return nil, fmt.Errorf("interval: it and base_ejection_time must be more than 0, not %v and %v", o.Interval, o.Base)
	}
	if o.Split && number(d.GetEnforcingLocalOriginSuccessRate(), 100) != 0 {
		return nil, errors.New("enforcing_local_origin_success_rate: only 0 is supported with split_external_local_origin_errors")
	}
	return &o, nil
}

func decodeChecks(c *clusterv3.Cluster) (*balance.Check, error) {
	all := c.GetHealthChecks()
	if len(all) == 0 {
		return nil, nil
	}
	h := all[0]
	switch {
	case len(all) > 1:
		return nil, fmt.Errorf("%d of them: one is supported", len(all))
	case !c.GetIgnoreHealthOnHostRemoval():
		return nil, errors.New("field ignore_health_on_host_removal: only true is supported with them: endpoints leave at once when they are removed")
	case c.GetTransportSocket() != nil || len(c.GetTypedExtensionProtocolOptions()) > 0:
		return nil, errors.New("they are supported in HTTP/1.1 without TLS only")
	case h.GetTimeout().AsDuration() <= 0 || h.GetInterval().AsDuration() <= 0 || h.GetHealthyThreshold().GetValue() == 0 || h.GetUnhealthyThreshold().GetValue() == 0:
		return nil, errors.New("timeout, interval, healthy_threshold and unhealthy_threshold must be more than 0")
	}
	to := &balance.Check{
		Timeout: h.GetTimeout().AsDuration(), Interval: h.GetInterval().AsDuration(),
		Idle:    span(h.GetNoTrafficInterval(), time.Minute),
		Healthy: number(h.GetHealthyThreshold(), 1), Unhealthy: number(h.GetUnhealthyThreshold(), 1),
	}
	switch k := h.GetHealthChecker().(type) {
	case *corev3.HealthCheck_TcpHealthCheck_:
		return to, nil
	case *corev3.HealthCheck_HttpHealthCheck_:
		if !strings.HasPrefix(k.HttpHealthCheck.GetPath(), "/") {
			return nil, fmt.Errorf("field http_health_check.path: %q does not begin with /", k.HttpHealthCheck.GetPath())
		}
		to.Path, to.Host = k.HttpHealthCheck.GetPath(), k.HttpHealthCheck.GetHost()
		if to.Host == "" {
			to.Host = c.GetName()
		}
		for _, r := range k.HttpHealthCheck.GetExpectedStatuses() {
			to.Statuses = append(to.Statuses, balance.Range{From: int(r.GetStart()), To: int(r.GetEnd())})
		}
		return to, nil
	}
	return nil, errors.New("field http_health_check: it or tcp_health_check is required")
}

// unlimited is a limit that does not fire: more than a proxy can have open.
const unlimited = 1 << 16

func decodeLimits(b *clusterv3.CircuitBreakers) (*balance.Limits, error) {
	l := balance.DefaultLimits()
	if len(b.GetThresholds()) > 1 {
		return nil, fmt.Errorf("priority: one entry is supported, for DEFAULT, and not %d", len(b.GetThresholds()))
	}
	for _, t := range b.GetThresholds() {
		if t.GetPriority() != corev3.RoutingPriority_DEFAULT {
			return nil, fmt.Errorf("priority: %v is not supported, DEFAULT is", t.GetPriority())
		}
		l.Connections, l.Pending = number(t.GetMaxConnections(), l.Connections), number(t.GetMaxPendingRequests(), l.Pending)
		l.Requests, l.Retries = number(t.GetMaxRequests(), l.Requests), number(t.GetMaxRetries(), l.Retries)
		if r := t.GetRetryBudget(); r != nil {
			l.Budget, l.Floor = 20, number(r.GetMinRetryConcurrency(), 3)
			if p := r.GetBudgetPercent(); p != nil {
				l.Budget = max(p.GetValue(), math.SmallestNonzeroFloat64) // 0 would be no budget
			}
		}
	}
	if min(l.Connections, l.Pending, l.Requests, l.Retries) >= unlimited && l.Budget == 0 {
		return nil, nil
	}
	return &l, nil
}

// overprovision is Envoy's default.
const overprovision = 140

func (a *assignment) add(place int, g *endpointv3.LocalityLbEndpoints, e *endpointv3.LbEndpoint) error {
	addr, err := hostport(e.GetEndpoint().GetAddress())
	if err != nil {
		return err
	}
	m := balance.Member{Addr: addr, Weight: number(e.GetLoadBalancingWeight(), 1), Priority: int(g.GetPriority()),
		Locality: place, Share: number(g.GetLoadBalancingWeight(), 0)}
	switch {
	case m.Weight == 0:
		return errors.New("field load_balancing_weight: it must be at least 1")
	case m.Priority > mostPriority:
		return fmt.Errorf("field priority: %d is more than %d", m.Priority, mostPriority)
	}
	switch e.GetHealthStatus() {
	case corev3.HealthStatus_UNKNOWN, corev3.HealthStatus_HEALTHY:
	case corev3.HealthStatus_UNHEALTHY, corev3.HealthStatus_DRAINING, corev3.HealthStatus_TIMEOUT:
		m.Down = true
	default:
		return fmt.Errorf("field health_status: %v is not supported", e.GetHealthStatus())
	}
	a.members = append(a.members, m)
	return nil
}

// mostPriority is Envoy's.
const mostPriority = 128
