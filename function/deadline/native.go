package deadline

import (
	"fmt"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape has every route take the caller's grpc-timeout, up to the most, and
// tell the service.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	if s.Header != GRPCHeader {
		return fmt.Errorf("deadline: header: form native takes %s only, and not %s: a route reads no other header as a time; "+
			"a filter can copy one of milliseconds into x-envoy-upstream-rq-timeout-ms, which the router then holds to, but nothing hands on what is left", GRPCHeader, s.Header)
	}
	return r.EachRoute(func(_ *routev3.Route, a *routev3.RouteAction) error {
		//lint:ignore SA1019 what has taken its place, max_stream_duration, holds to the header and does not hand on what is left
		a.MaxGrpcTimeout = durationpb.New(s.Most.Std())
		return nil
	})
}
