package ratelimit

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

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
	externalName = "envoy.filters.http.ratelimit"
	// askTimeout is how long a proxy waits for a decision; without one a request
	// is refused with 500.
	askTimeout = 2 * time.Second

	pathKey = "path" // with its query: the proxy has no other
)

// external is a service of Envoy's rate-limit protocol, with the buckets of the
// library. It says yes or no: its refusals carry no headers. In the embedded
// data plane the filter of ratelimit-global asks it.
func external() *function.External {
	return &function.External{
		Serve: func(ctx context.Context, spec function.Spec, l net.Listener) error {
			s, err := specOf(spec)
			if err != nil {
				return err
			}
			limiter, err := newLimiter(s, running())
			if err != nil {
				return err
			}
			return rls.Serve(ctx, l, func(_ string, d []rls.Entry, _ uint32) rls.Answer { return limiter.answer(d) })
		},
		Config: func(spec function.Spec) (function.FilterConfig, error) {
			if _, err := specOf(spec); err != nil {
				return function.FilterConfig{}, err
			}
			packed, err := dataplane.Pack(question())
			if err != nil {
				return function.FilterConfig{}, fmt.Errorf("ratelimit: %w", err)
			}
			return function.FilterConfig{Name: externalName, Config: packed}, nil
		},
	}
}

// question is the filter that asks for every request; who is not known is not
// named.
func question() *ratelimitv3.RateLimit {
	return &ratelimitv3.RateLimit{
		Domain:          statPrefix,
		Timeout:         durationpb.New(askTimeout),
		FailureModeDeny: true,
		RateLimitService: &ratelimitconfigv3.RateLimitServiceConfig{
			GrpcService: &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
				EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: function.ExternalCluster}}},
			TransportApiVersion: corev3.ApiVersion_V3,
		},
		DisableXEnvoyRatelimitedHeader: true,
		RateLimits: []*routev3.RateLimit{{Actions: []*routev3.RateLimit_Action{
			named(":path", pathKey), named(function.SubscriptionHeader, subscriptionKey), named(function.UserHeader, userKey),
		}}},
	}
}

// named is an entry with the value of a header, if it is there.
func named(header, key string) *routev3.RateLimit_Action {
	a := headerAction(header, key)
	a.GetRequestHeaders().SkipIfAbsent = true
	return a
}

// answer decides on a descriptor.
func (l limiter) answer(d []rls.Entry) (a rls.Answer) {
	value := func(key string) string {
		if i := slices.IndexFunc(d, func(e rls.Entry) bool { return e.Key == key }); i >= 0 {
			return d[i].Value
		}
		return ""
	}
	path, _, _ := strings.Cut(value(pathKey), "?")
	if limits, limited := l[path]; limited {
		a.Over = !limits.allow(function.Caller{User: value(userKey), Subscription: value(subscriptionKey)}).Allowed
	}
	return a
}
