package ratelimitglobal

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/grpcconn"
	"github.com/taremesh/tare/internal/protofield"
)

// honoured is what the Go filter understands of Envoy's message.
func honoured() protofield.Honoured {
	const route = "envoy.config.route.v3."
	return protofield.Honoured{
		"envoy.extensions.filters.http.ratelimit.v3.RateLimit": {"domain", "timeout", "failure_mode_deny", "rate_limit_service",
			"disable_x_envoy_ratelimited_header", "rate_limits", "rate_limited_status", "status_on_error"},
		"envoy.config.ratelimit.v3.RateLimitServiceConfig": {"grpc_service", "transport_api_version"},
		"envoy.config.core.v3.GrpcService":                 {"envoy_grpc"},
		"envoy.config.core.v3.GrpcService.EnvoyGrpc":       {"cluster_name"},
		"envoy.type.v3.HttpStatus":                         {"code"},
		route + "RateLimit":                                {"actions"},
		route + "RateLimit.Action":                         {"request_headers", "generic_key"},
		route + "RateLimit.Action.RequestHeaders":          {"header_name", "descriptor_key", "skip_if_absent"},
		route + "RateLimit.Action.GenericKey":              {"descriptor_value", "descriptor_key"},
	}
}

// usualTimeout is what Envoy waits when it is not told how long.
const usualTimeout = 20 * time.Millisecond

// filter asks a rate-limit service in the embedded data plane.
type filter struct {
	host     function.Host
	cluster  string
	domain   string
	timeout  time.Duration
	strict   bool // refuse requests that the service does not answer for
	over     int
	onError  int
	describe [][]entry
	grpcconn.Pool
}

// entry makes one pair of a descriptor.
type entry struct {
	key, value string
	header     string // empty: the value is fixed
	skip       bool   // go without it when the header is absent
}

func join(packed *anypb.Any, host function.Host) (function.Filter, error) {
	m := new(ratelimitv3.RateLimit)
	if err := packed.UnmarshalTo(m); err != nil {
		return nil, fmt.Errorf("read rate limit: %w", err)
	}
	if err := protofield.Check(m, honoured()); err != nil {
		return nil, fmt.Errorf("rate limit: %w", err)
	}
	f := &filter{host: host, cluster: m.GetRateLimitService().GetGrpcService().GetEnvoyGrpc().GetClusterName(), domain: m.GetDomain(),
		timeout: usualTimeout, strict: m.GetFailureModeDeny(), over: http.StatusTooManyRequests, onError: http.StatusInternalServerError}
	switch {
	case f.cluster == "":
		return nil, fmt.Errorf("rate limit: field rate_limit_service.grpc_service.envoy_grpc.cluster_name: is required")
	case f.domain == "":
		return nil, fmt.Errorf("rate limit: field domain: is required")
	case m.GetRateLimitService().GetTransportApiVersion() != corev3.ApiVersion_V3:
		return nil, fmt.Errorf("rate limit: field rate_limit_service.transport_api_version: want V3")
	case !m.GetDisableXEnvoyRatelimitedHeader():
		return nil, fmt.Errorf("rate limit: field disable_x_envoy_ratelimited_header: must be true, Envoy's headers are not supported")
	case len(m.GetRateLimits()) == 0:
		return nil, fmt.Errorf("rate limit: field rate_limits: none: those of routes are not supported")
	}
	if t := m.GetTimeout(); t != nil {
		f.timeout = t.AsDuration()
	}
	if c := m.GetRateLimitedStatus().GetCode(); c >= http.StatusBadRequest {
		f.over = int(c)
	}
	if c := m.GetStatusOnError().GetCode(); c != 0 {
		f.onError = int(c)
	}
	for i, l := range m.GetRateLimits() {
		d, err := descriptor(l.GetActions())
		if err != nil {
			return nil, fmt.Errorf("rate limit: field rate_limits[%d].%w", i, err)
		}
		f.describe = append(f.describe, d)
	}
	return f, nil
}

func descriptor(actions []*routev3.RateLimit_Action) (all []entry, err error) {
	for i, a := range actions {
		switch s := a.GetActionSpecifier().(type) {
		case *routev3.RateLimit_Action_RequestHeaders_:
			h := s.RequestHeaders
			all = append(all, entry{key: h.GetDescriptorKey(), header: strings.ToLower(h.GetHeaderName()), skip: h.GetSkipIfAbsent()})
		case *routev3.RateLimit_Action_GenericKey_:
			key := s.GenericKey.GetDescriptorKey()
			if key == "" {
				key = "generic_key" // Envoy's
			}
			all = append(all, entry{key: key, value: s.GenericKey.GetDescriptorValue()})
		default:
			return nil, fmt.Errorf("actions[%d]: says nothing", i)
		}
	}
	return all, nil
}

// Handle asks unless nothing of the request is to be counted.
func (f *filter) Handle(x function.Exchange) (proceed bool) {
	q := f.question(x)
	if len(q.GetDescriptors()) == 0 {
		return true
	}
	answer, err := f.ask(q)
	switch {
	case err == nil && answer.GetOverallCode() == rlsv3.RateLimitResponse_OVER_LIMIT:
		for _, h := range answer.GetResponseHeadersToAdd() {
			x.AddResponseHeader(strings.ToLower(h.GetKey()), []byte(h.GetValue()))
		}
		x.Reply(f.over, string(answer.GetRawBody()))
		return false
	case err != nil && f.strict:
		x.Reply(f.onError, "")
		return false
	}
	for _, h := range answer.GetRequestHeadersToAdd() {
		x.SetHeader(strings.ToLower(h.GetKey()), []byte(h.GetValue()))
	}
	for _, h := range answer.GetResponseHeadersToAdd() {
		x.AddResponseHeader(strings.ToLower(h.GetKey()), []byte(h.GetValue()))
	}
	return true
}

func (f *filter) ask(q *rlsv3.RateLimitRequest) (*rlsv3.RateLimitResponse, error) {
	addr, ok := f.host.Endpoint(f.cluster)
	if !ok {
		return nil, fmt.Errorf("cluster %s has no endpoint", f.cluster)
	}
	conn, err := f.To(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), f.timeout)
	defer cancel()
	return rlsv3.NewRateLimitServiceClient(conn).ShouldRateLimit(ctx, q)
}

// question describes the request.
func (f *filter) question(x function.Exchange) *rlsv3.RateLimitRequest {
	q := &rlsv3.RateLimitRequest{Domain: f.domain}
	for _, entries := range f.describe {
		if d, ok := describe(x, entries); ok {
			q.Descriptors = append(q.Descriptors, d)
		}
	}
	return q
}

// describe makes one descriptor; not ok: there is none, since a header is absent.
func describe(x function.Exchange, entries []entry) (d *commonv3.RateLimitDescriptor, ok bool) {
	d = &commonv3.RateLimitDescriptor{}
	for _, e := range entries {
		value := e.value
		if e.header != "" {
			read, there := header(x, e.header)
			if !there && !e.skip {
				return nil, false
			}
			if !there {
				continue
			}
			value = read
		}
		d.Entries = append(d.Entries, &commonv3.RateLimitDescriptor_Entry{Key: e.key, Value: value})
	}
	return d, len(d.Entries) > 0
}

// header is the first copy's value, as Envoy takes it.
func header(x function.Exchange, name string) (string, bool) {
	switch name {
	case ":path":
		return string(x.Path()), true
	case ":method":
		return string(x.Method()), true
	case ":authority":
		name = "host"
	}
	value, ok := x.Header(name)
	return string(value), ok
}
