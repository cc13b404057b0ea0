package ratelimitglobal

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	ratelimitconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/ratelimit/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/rls"
)

const (
	// filterName is Envoy's name of the filter.
	filterName = "envoy.filters.http.ratelimit"
	typeURL    = "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit"

	domain = "tare"
)

// The keys of a descriptor. The path is with its query: the proxy has no other.
const (
	pathKey         = "path"
	subscriptionKey = "subscription"
	userKey         = "user"
)

// config is the filter that asks.
func config(spec function.Spec) (function.FilterConfig, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return function.FilterConfig{}, err
	}
	packed, err := dataplane.Pack(s.message())
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("ratelimit-global: %w", err)
	}
	return function.FilterConfig{Name: filterName, Config: packed}, nil
}

func (s Spec) message() *ratelimitv3.RateLimit {
	return &ratelimitv3.RateLimit{
		Domain:          domain,
		Timeout:         durationpb.New(s.Timeout.Std()),
		FailureModeDeny: s.OnFailure == Deny,
		RateLimitService: &ratelimitconfigv3.RateLimitServiceConfig{
			GrpcService: &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
				EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: function.ExternalCluster}}},
			TransportApiVersion: corev3.ApiVersion_V3,
		},
		DisableXEnvoyRatelimitedHeader: true,
		RateLimits: []*routev3.RateLimit{{Actions: []*routev3.RateLimit_Action{
			fromHeader(":path", pathKey), fromHeader(function.SubscriptionHeader, subscriptionKey), fromHeader(function.UserHeader, userKey),
		}}},
	}
}

// fromHeader is an entry with the value of a header; without the header the
// service is not asked.
func fromHeader(header, key string) *routev3.RateLimit_Action {
	return &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_RequestHeaders_{
		RequestHeaders: &routev3.RateLimit_Action_RequestHeaders{HeaderName: header, DescriptorKey: key}}}
}

// serve is the service that counts for all proxies.
func serve(ctx context.Context, spec function.Spec, l net.Listener) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	var store rls.Store
	return rls.Serve(ctx, l, func(_ string, d []rls.Entry, hits uint32) rls.Answer { return s.decide(&store, d, hits) })
}

func (s Spec) decide(store *rls.Store, d []rls.Entry, hits uint32) (a rls.Answer) {
	if len(d) != 3 || d[0].Key != pathKey || d[1].Key != subscriptionKey || d[2].Key != userKey {
		return a
	}
	path, _, _ := strings.Cut(d[0].Value, "?")
	rate, listed := s.Limits[d[1].Value]
	if !listed || !slices.Contains(s.Paths, path) {
		return a
	}
	a.Limited, a.Rate = true, rate
	a.Over, a.Level = store.Take(fmt.Sprintf("%q %q %q", path, d[1].Value, d[2].Value), rate, hits)
	return a
}
