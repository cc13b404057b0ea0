package mirror

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape has every route that forwards do so to the first service, and copy to
// the second. Envoy would change a copy's host, so that logs can tell it.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	if err := r.SplitServices(Services); err != nil {
		return fmt.Errorf("mirror: %w", err)
	}
	return r.EachRoute(func(_ *routev3.Route, a *routev3.RouteAction) error {
		a.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: dataplane.ServiceOf(0)}
		a.RequestMirrorPolicies = []*routev3.RouteAction_RequestMirrorPolicy{{
			Cluster: dataplane.ServiceOf(1),
			RuntimeFraction: &corev3.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{
				Numerator: uint32(s.Percent), Denominator: typev3.FractionalPercent_HUNDRED}},
			DisableShadowHostSuffixAppend: true,
		}}
		return nil
	})
}
