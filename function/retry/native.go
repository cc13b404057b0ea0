package retry

import (
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// onStatuses is Envoy's condition for statuses by number.
const onStatuses = "retriable-status-codes"

// shape gives every route its retries, and every cluster of theirs its budget.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	clusters := map[string]bool{}
	err = r.EachRoute(func(_ *routev3.Route, a *routev3.RouteAction) error {
		a.RetryPolicy = s.policy()
		clusters[a.GetCluster()] = true
		return nil
	})
	if err != nil || s.Budget == nil {
		return err
	}
	for _, c := range r.Clusters {
		if clusters[c.GetName()] {
			s.Budget.bound(c)
		}
	}
	return nil
}

func (s Spec) policy() *routev3.RetryPolicy {
	on := append([]string(nil), s.On...)
	p := &routev3.RetryPolicy{
		NumRetries: wrapperspb.UInt32(uint32(s.Retries)),
		RetryBackOff: &routev3.RetryPolicy_RetryBackOff{
			BaseInterval: durationpb.New(s.Base.Std()), MaxInterval: durationpb.New(s.Longest.Std()),
		},
	}
	for _, c := range s.Statuses {
		p.RetriableStatusCodes = append(p.RetriableStatusCodes, uint32(c))
	}
	if len(s.Statuses) > 0 {
		on = append(on, onStatuses)
	}
	p.RetryOn = strings.Join(on, ",")
	if s.PerTry > 0 {
		p.PerTryTimeout = durationpb.New(s.PerTry.Std())
	}
	return p
}

// bound sets the budget, which takes the place of a number of retries.
func (b *Budget) bound(c *clusterv3.Cluster) {
	if c.CircuitBreakers == nil {
		c.CircuitBreakers = &clusterv3.CircuitBreakers{}
	}
	if len(c.CircuitBreakers.Thresholds) == 0 {
		c.CircuitBreakers.Thresholds = []*clusterv3.CircuitBreakers_Thresholds{{}}
	}
	for _, t := range c.CircuitBreakers.Thresholds {
		t.RetryBudget = &clusterv3.CircuitBreakers_Thresholds_RetryBudget{
			BudgetPercent: &typev3.Percent{Value: b.Percent}, MinRetryConcurrency: wrapperspb.UInt32(uint32(b.Least)),
		}
	}
}
