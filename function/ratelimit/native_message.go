package ratelimit

import (
	"fmt"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	localv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
)

// honoured is what the Go filter understands of Envoy's message. stat_prefix
// names Envoy's counters; the embedded plane has none of that name, so it is
// demanded, as Envoy does, and has no effect. Runtime keys are accepted since
// there is no runtime to override them: the default value holds, as it does in
// an Envoy without runtime layers.
func honoured() protofield.Honoured {
	return protofield.Honoured{
		"envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit": {
			"stat_prefix", "status", "token_bucket", "filter_enabled", "filter_enforced",
			"response_headers_to_add", "descriptors", "enable_x_ratelimit_headers",
			"always_consume_default_token_bucket", "rate_limits", "max_dynamic_descriptors",
			"enable_retry_after_header",
		},
		"envoy.type.v3.HttpStatus":                                       {"code"},
		"envoy.type.v3.TokenBucket":                                      {"max_tokens", "tokens_per_fill", "fill_interval"},
		"envoy.type.v3.FractionalPercent":                                {"numerator", "denominator"},
		"envoy.config.core.v3.RuntimeFractionalPercent":                  {"default_value", "runtime_key"},
		"envoy.config.core.v3.HeaderValueOption":                         {"header"},
		"envoy.config.core.v3.HeaderValue":                               {"key", "value"},
		"envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor":  {"entries", "token_bucket"},
		"envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry": {"key", "value"},
		"envoy.config.route.v3.RateLimit":                                {"actions"},
		"envoy.config.route.v3.RateLimit.Action":                         {"request_headers", "generic_key"},
		"envoy.config.route.v3.RateLimit.Action.RequestHeaders":          {"header_name", "descriptor_key", "skip_if_absent"},
		"envoy.config.route.v3.RateLimit.Action.GenericKey":              {"descriptor_value", "descriptor_key"},
	}
}

// defaultDynamic is Envoy's max_dynamic_descriptors.
const defaultDynamic = 20

// newFilter makes the Go filter of a message.
func newFilter(packed *anypb.Any) (function.Filter, error) {
	f, err := newFilterAt(packed, running())
	if err != nil {
		return nil, err
	}
	return f, nil
}

func newFilterAt(packed *anypb.Any, now clock) (*filter, error) {
	m := new(localv3.LocalRateLimit)
	if err := packed.UnmarshalTo(m); err != nil {
		return nil, fmt.Errorf("read local rate limit: %w", err)
	}
	f, err := compile(m, now)
	if err != nil {
		return nil, fmt.Errorf("local rate limit: %w", err)
	}
	return f, nil
}

func compile(m *localv3.LocalRateLimit, now clock) (*filter, error) {
	if err := protofield.Check(m, honoured()); err != nil {
		return nil, err
	}
	if m.GetStatPrefix() == "" {
		return nil, fmt.Errorf("field stat_prefix: empty")
	}
	f := &filter{
		status:         429,
		alwaysStandard: m.GetAlwaysConsumeDefaultTokenBucket() == nil || m.GetAlwaysConsumeDefaultTokenBucket().GetValue(),
		rateHeaders:    m.GetEnableXRatelimitHeaders() == commonv3.XRateLimitHeadersRFCVersion_DRAFT_VERSION_03,
		retryAfter:     m.GetEnableRetryAfterHeader(),
	}
	if code := int(m.GetStatus().GetCode()); code >= 400 {
		f.status = code
	}
	if f.retryAfter && f.status != 429 {
		f.retryAfter = false // Envoy gives it with a 429 only
	}
	steps := []func(*localv3.LocalRateLimit, clock) error{f.readShares, f.readBuckets, f.readPolicies, f.readHeaders}
	for _, step := range steps {
		if err := step(m, now); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *filter) readShares(m *localv3.LocalRateLimit, _ clock) (err error) {
	if f.enabled, err = readShare(m.GetFilterEnabled()); err != nil {
		return fmt.Errorf("field filter_enabled: %w", err)
	}
	if f.enforced, err = readShare(m.GetFilterEnforced()); err != nil {
		return fmt.Errorf("field filter_enforced: %w", err)
	}
	return nil
}

// readShare reads a fraction; none means never.
func readShare(p *corev3.RuntimeFractionalPercent) (share, error) {
	if p == nil {
		return share{0, 100}, nil
	}
	if p.GetDefaultValue() == nil {
		return share{}, fmt.Errorf("field default_value: not set")
	}
	outOf, known := map[typev3.FractionalPercent_DenominatorType]uint32{
		typev3.FractionalPercent_HUNDRED:      100,
		typev3.FractionalPercent_TEN_THOUSAND: 10_000,
		typev3.FractionalPercent_MILLION:      1_000_000,
	}[p.GetDefaultValue().GetDenominator()]
	if !known {
		return share{}, fmt.Errorf("field default_value.denominator: %v not known", p.GetDefaultValue().GetDenominator())
	}
	return share{p.GetDefaultValue().GetNumerator(), outOf}, nil
}

func (f *filter) readBuckets(m *localv3.LocalRateLimit, now clock) error {
	if m.GetTokenBucket() != nil {
		l, err := readBucket(m.GetTokenBucket())
		if err != nil {
			return fmt.Errorf("field token_bucket: %w", err)
		}
		f.standard = newShelf(l, 0, now)
	}
	most := defaultDynamic
	if v := m.GetMaxDynamicDescriptors(); v != nil {
		most = int(v.GetValue())
	}
	if most < 1 {
		return fmt.Errorf("field max_dynamic_descriptors: must be at least 1")
	}
	for i, d := range m.GetDescriptors() {
		r, err := readRule(d, most, now)
		if err != nil {
			return fmt.Errorf("field descriptors[%d].%w", i, err)
		}
		r.order = i
		for _, other := range f.rules {
			if equalEntries(other.entries, r.entries) {
				return fmt.Errorf("field descriptors[%d]: the same entries as descriptors[%d]", i, other.order)
			}
		}
		f.rules = append(f.rules, r)
	}
	sortRules(f.rules)
	return nil
}

func readRule(d *commonv3.LocalRateLimitDescriptor, most int, now clock) (rule, error) {
	if len(d.GetEntries()) == 0 {
		return rule{}, fmt.Errorf("entries: none")
	}
	var r rule
	for i, e := range d.GetEntries() {
		if e.GetKey() == "" {
			return rule{}, fmt.Errorf("entries[%d].key: empty", i)
		}
		m := match{key: e.GetKey(), value: e.GetValue(), wild: e.GetValue() == ""}
		if m.wild {
			r.wild++
		}
		r.entries = append(r.entries, m)
	}
	l, err := readBucket(d.GetTokenBucket())
	if err != nil {
		return rule{}, fmt.Errorf("token_bucket: %w", err)
	}
	r.shelf = newShelf(l, most, now)
	return r, nil
}

// minFill is the shortest fill interval that Envoy takes.
const minFill = 50 * time.Millisecond

func readBucket(b *typev3.TokenBucket) (limit, error) {
	if b == nil {
		return limit{}, fmt.Errorf("not set")
	}
	if err := b.GetFillInterval().CheckValid(); err != nil {
		return limit{}, fmt.Errorf("fill_interval: %w", err)
	}
	interval := b.GetFillInterval().AsDuration()
	if interval < minFill {
		return limit{}, fmt.Errorf("fill_interval: %v is less than %v", interval, minFill)
	}
	fill := int64(1)
	if b.GetTokensPerFill() != nil {
		fill = int64(b.GetTokensPerFill().GetValue())
	}
	if fill == 0 {
		return limit{}, fmt.Errorf("tokens_per_fill: must be at least 1")
	}
	return newLimit(int64(b.GetMaxTokens()), fill, interval)
}

func equalEntries(a, b []match) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (f *filter) readPolicies(m *localv3.LocalRateLimit, _ clock) error {
	if len(m.GetDescriptors()) > 0 && len(m.GetRateLimits()) == 0 {
		return fmt.Errorf("field rate_limits: none, and rate limits of a route are not supported: no request would match descriptors")
	}
	for i, l := range m.GetRateLimits() {
		if n := len(l.GetActions()); n == 0 || n > maxEntries {
			return fmt.Errorf("field rate_limits[%d].actions: %d of them: 1 to %d are possible", i, n, maxEntries)
		}
		var p policy
		for j, a := range l.GetActions() {
			read, err := readAction(a)
			if err != nil {
				return fmt.Errorf("field rate_limits[%d].actions[%d].%w", i, j, err)
			}
			p = append(p, read)
		}
		f.policies = append(f.policies, p)
	}
	return nil
}

func readAction(a *routev3.RateLimit_Action) (action, error) {
	if h := a.GetRequestHeaders(); h != nil {
		if h.GetHeaderName() == "" || h.GetDescriptorKey() == "" {
			return action{}, fmt.Errorf("request_headers: header_name and descriptor_key must be set")
		}
		return action{key: h.GetDescriptorKey(), header: strings.ToLower(h.GetHeaderName()), skipAbsent: h.GetSkipIfAbsent()}, nil
	}
	if g := a.GetGenericKey(); g != nil {
		if g.GetDescriptorValue() == "" {
			return action{}, fmt.Errorf("generic_key.descriptor_value: empty")
		}
		key := g.GetDescriptorKey()
		if key == "" {
			key = "generic_key"
		}
		return action{key: key, fixed: []byte(g.GetDescriptorValue())}, nil
	}
	return action{}, fmt.Errorf("action_specifier: not set")
}

func (f *filter) readHeaders(m *localv3.LocalRateLimit, _ clock) error {
	for i, o := range m.GetResponseHeadersToAdd() {
		name, value := strings.ToLower(o.GetHeader().GetKey()), o.GetHeader().GetValue()
		if name == "" {
			return fmt.Errorf("field response_headers_to_add[%d].header.key: empty", i)
		}
		if strings.Contains(value, "%") {
			return fmt.Errorf("field response_headers_to_add[%d].header.value: substitution (%%…%%) is not supported", i)
		}
		if name == retryAfterHeader {
			f.retryAfter = false // the message's own takes its place
		}
		f.headers = append(f.headers, header{name: name, value: []byte(value)})
	}
	return nil
}
