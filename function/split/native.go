package split

import (
	"fmt"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape has every route that forwards draw among clusters of single services.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	if err := r.SplitServices(len(s.Weights)); err != nil {
		return fmt.Errorf("split: %w", err)
	}
	return r.EachRoute(func(_ *routev3.Route, a *routev3.RouteAction) error {
		w := &routev3.WeightedCluster{}
		for i, weight := range s.Weights {
			w.Clusters = append(w.Clusters, &routev3.WeightedCluster_ClusterWeight{Name: dataplane.ServiceOf(i), Weight: wrapperspb.UInt32(uint32(weight))})
		}
		if s.Sticky != "" {
			a.HashPolicy = []*routev3.RouteAction_HashPolicy{{PolicySpecifier: &routev3.RouteAction_HashPolicy_Header_{
				Header: &routev3.RouteAction_HashPolicy_Header{HeaderName: s.Sticky}}}}
			w.RandomValueSpecifier = &routev3.WeightedCluster_UseHashPolicy{UseHashPolicy: wrapperspb.Bool(true)}
		}
		a.ClusterSpecifier = &routev3.RouteAction_WeightedClusters{WeightedClusters: w}
		return nil
	})
}
