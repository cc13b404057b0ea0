package ratelimit

import (
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	localv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/function"
)

const (
	// filterName is Envoy's name of the filter.
	filterName = "envoy.filters.http.local_ratelimit"
	statPrefix = "ratelimit"
	typeURL    = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"

	userKey         = "user"
	subscriptionKey = "subscription"
)

// config translates the parameters into Envoy's local rate limit. For the
// chain the filter is there and disabled; each limited path has it in full,
// with buckets of its own.
func config(spec function.Spec) (function.FilterConfig, error) {
	s, err := specOf(spec)
	if err != nil {
		return function.FilterConfig{}, err
	}
	chain, err := anypb.New(&localv3.LocalRateLimit{StatPrefix: statPrefix})
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("ratelimit: pack message: %w", err)
	}
	c := function.FilterConfig{Name: filterName, Config: chain, Routes: map[string]*anypb.Any{}}
	for _, path := range s.Paths {
		override, err := anypb.New(s.message(path))
		if err != nil {
			return function.FilterConfig{}, fmt.Errorf("ratelimit: pack message: %w", err)
		}
		c.Routes[path] = override
	}
	return c, nil
}

// checkUsers keeps away from the number of buckets at which the least recently
// used one goes: its user would start anew with a full one.
func checkUsers(spec function.Spec, callers int) error {
	s, err := specOf(spec)
	if err != nil {
		return err
	}
	if callers <= s.Users/2 {
		return nil
	}
	return fmt.Errorf("the native rate limit holds %d buckets and drops the least recently used one beyond that, and there are %d users, more than half: set the function's parameter users to %d or more",
		s.Users, callers, 2*callers)
}

// message is the filter for one path. A user is a wildcard, for which Envoy
// makes a bucket each.
func (s Spec) message(path string) *localv3.LocalRateLimit {
	m := &localv3.LocalRateLimit{
		StatPrefix:                      statPrefix + strings.ReplaceAll(path, "/", "."),
		TokenBucket:                     s.Others.tokenBucket(),
		FilterEnabled:                   always(),
		FilterEnforced:                  always(),
		EnableXRatelimitHeaders:         commonv3.XRateLimitHeadersRFCVersion_DRAFT_VERSION_03,
		EnableRetryAfterHeader:          true,
		AlwaysConsumeDefaultTokenBucket: wrapperspb.Bool(false),
		MaxDynamicDescriptors:           wrapperspb.UInt32(uint32(s.Users)),
		RateLimits: []*routev3.RateLimit{{Actions: []*routev3.RateLimit_Action{
			headerAction(function.SubscriptionHeader, subscriptionKey),
			headerAction(function.UserHeader, userKey),
		}}},
	}
	for _, name := range s.subscriptions() {
		m.Descriptors = append(m.Descriptors, &commonv3.LocalRateLimitDescriptor{
			Entries: []*commonv3.RateLimitDescriptor_Entry{
				{Key: subscriptionKey, Value: name},
				{Key: userKey},
			},
			TokenBucket: s.Limits[name].tokenBucket(),
		})
	}
	return m
}

func (r Rate) tokenBucket() *typev3.TokenBucket {
	return &typev3.TokenBucket{
		MaxTokens:     uint32(r.Tokens),
		TokensPerFill: wrapperspb.UInt32(uint32(r.Tokens)),
		FillInterval:  durationpb.New(r.Per),
	}
}

func always() *corev3.RuntimeFractionalPercent {
	return &corev3.RuntimeFractionalPercent{
		DefaultValue: &typev3.FractionalPercent{Numerator: 100, Denominator: typev3.FractionalPercent_HUNDRED},
	}
}

func headerAction(header, key string) *routev3.RateLimit_Action {
	return &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_RequestHeaders_{
		RequestHeaders: &routev3.RateLimit_Action_RequestHeaders{HeaderName: header, DescriptorKey: key},
	}}
}
