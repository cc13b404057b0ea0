package timeout

import (
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape gives every route its timeout.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	return r.EachRoute(func(_ *routev3.Route, a *routev3.RouteAction) error {
		a.Timeout = durationpb.New(s.Timeout.Std())
		return nil
	})
}
