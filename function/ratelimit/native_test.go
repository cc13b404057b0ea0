package ratelimit

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	localv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/function"
)

// exchange is a request in memory.
type exchange struct {
	function.Exchange // no note is asked for

	request  map[string][]byte
	response [][2]string
	status   int
	body     string
}

func (x *exchange) Method() []byte                    { return []byte("GET") }
func (x *exchange) Path() []byte                      { return []byte("/pull") }
func (x *exchange) Header(name string) ([]byte, bool) { v, ok := x.request[name]; return v, ok }
func (x *exchange) SetHeader(name string, v []byte)   { x.request[name] = v }
func (x *exchange) RemoveHeader(name string)          { delete(x.request, name) }
func (x *exchange) AddResponseHeader(name string, v []byte) {
	x.response = append(x.response, [2]string{name, string(v)})
}
func (x *exchange) Reply(status int, body string) { x.status, x.body = status, body }

func from(user, subscription string) *exchange {
	x := &exchange{request: map[string][]byte{}}
	if user != "" {
		x.request["x-user"] = []byte(user)
	}
	if subscription != "" {
		x.request["x-subscription"] = []byte(subscription)
	}
	return x
}

// TestNativeAndLibraryAnswerAlike compares the headers and the body of both
// forms, request for request.
func TestNativeAndLibraryAnswerAlike(t *testing.T) {
	s := DefaultSpec()
	clock := &handClock{}
	l, err := newLimiter(s, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	handler := l.wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	c, err := config(s)
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFilterAt(c.Routes["/pull"], clock.now)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after"}
	var last []string
	for i := range 60 {
		clock.at += 700 * time.Millisecond
		user, subscription := "u", []string{"Personal", "Personal", "Personal", "Team", "unlisted", ""}[i%6]
		r := httptest.NewRequest("GET", "/pull?x", nil)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r.WithContext(function.WithCaller(r.Context(), function.Caller{User: user, Subscription: subscription})))
		x := from(user, subscription)
		x.status = 200
		f.Handle(x)
		var library, native []string
		for _, name := range names {
			library = append(library, name+": "+w.Header().Get(name))
			value := ""
			for _, h := range x.response {
				if h[0] == name {
					value += h[1]
				}
			}
			native = append(native, name+": "+value)
		}
		library = append(library, fmt.Sprintf("%d%s", w.Code, w.Body))
		native = append(native, fmt.Sprintf("%d%s", x.status, x.body))
		if d := cmp.Diff(library, native); d != "" {
			t.Fatalf("request %d: %s", i, d)
		}
		if w.Code == 429 {
			last = library
		}
	}
	want := []string{"x-ratelimit-limit: 10", "x-ratelimit-remaining: 0", "x-ratelimit-reset: ", "retry-after: ", "429local_rate_limited"}
	for i := range want {
		if last == nil || !strings.HasPrefix(last[i], want[i]) {
			t.Fatalf("the last refusal says %q, want %q", last, want)
		}
	}
	if last[2] == "x-ratelimit-reset: 0" || last[3] == "retry-after: 0" {
		t.Errorf("the last refusal gives no time to wait: %q", last)
	}
}

func TestChainIsDisabled(t *testing.T) {
	c, err := config(DefaultSpec())
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFilter(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if x := from("u", "Personal"); !f.Handle(x) || x.response != nil {
			t.Fatal("the filter works where nothing asks for it")
		}
	}
}

// message is a small one for tests to change: two tokens an hour for each user.
func message() *localv3.LocalRateLimit {
	s := DefaultSpec()
	s.Limits = map[string]Rate{"P": {2, time.Hour}}
	return s.message("/pull")
}

func outcomes(t *testing.T, m *localv3.LocalRateLimit, requests ...*exchange) string {
	t.Helper()
	clock := &handClock{}
	f, err := compile(m, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, x := range requests {
		clock.at++
		if f.Handle(x) {
			text.WriteByte('+')
		} else {
			text.WriteByte('-')
		}
	}
	return text.String()
}

func bucketOf(tokens uint32) *typev3.TokenBucket {
	return &typev3.TokenBucket{MaxTokens: tokens, FillInterval: durationpb.New(time.Hour)}
}

func TestFieldsAreHonoured(t *testing.T) {
	u := func(n int) (xs []*exchange) {
		for range n {
			xs = append(xs, from("u", "P"))
		}
		return xs
	}
	never := &corev3.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{}}
	header := func(key, value string) *corev3.HeaderValueOption {
		return &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: key, Value: value}}
	}
	wildPair := &commonv3.LocalRateLimitDescriptor{TokenBucket: bucketOf(1), Entries: []*commonv3.RateLimitDescriptor_Entry{{Key: "subscription"}, {Key: "user"}}}
	cases := []struct {
		name     string
		change   func(*localv3.LocalRateLimit)
		requests []*exchange
		want     string
	}{
		{"as it is", nil, append(u(3), from("v", "P"), from("u", "X"), from("", ""), from("v", "P"), from("v", "P")), "++-++++-"},
		{"not enabled", func(m *localv3.LocalRateLimit) { m.FilterEnabled = never }, u(4), "++++"},
		{"enabled unset", func(m *localv3.LocalRateLimit) { m.FilterEnabled = nil }, u(4), "++++"},
		{"not enforced", func(m *localv3.LocalRateLimit) { m.FilterEnforced = never }, u(4), "++++"},
		{"default bucket", func(m *localv3.LocalRateLimit) { m.TokenBucket = bucketOf(1) }, []*exchange{from("u", "X"), from("v", "Y"), from("u", "P")}, "+-+"},
		{"default bucket always empty", func(m *localv3.LocalRateLimit) { m.TokenBucket = bucketOf(0) }, []*exchange{from("u", "X"), from("u", "P")}, "-+"},
		{"no default bucket", func(m *localv3.LocalRateLimit) { m.TokenBucket = nil }, append(u(3), from("u", "X")), "++-+"},
		{"default always consumed", func(m *localv3.LocalRateLimit) {
			m.TokenBucket, m.AlwaysConsumeDefaultTokenBucket = bucketOf(3), nil
		}, []*exchange{from("a", "P"), from("b", "P"), from("c", "P"), from("d", "P")}, "+++-"},
		{"least recently used goes", func(m *localv3.LocalRateLimit) { m.MaxDynamicDescriptors = wrapperspb.UInt32(1) },
			[]*exchange{from("u", "P"), from("u", "P"), from("u", "P"), from("v", "P"), from("u", "P")}, "++-++"},
		{"two wildcards", func(m *localv3.LocalRateLimit) { m.Descriptors = []*commonv3.LocalRateLimitDescriptor{wildPair} },
			[]*exchange{from("ab", "c"), from("b", "ca"), from("ab", "c"), from("a", "cb"), from("b", "ca"), from("ab", "d")}, "++-+-+"},
		{"the more exact one counts", func(m *localv3.LocalRateLimit) {
			m.Descriptors = append([]*commonv3.LocalRateLimitDescriptor{wildPair}, m.Descriptors...)
		}, append(u(3), from("u", "X"), from("u", "X")), "++-+-"},
		{"generic key", func(m *localv3.LocalRateLimit) {
			m.RateLimits = []*routev3.RateLimit{{Actions: []*routev3.RateLimit_Action{{ActionSpecifier: &routev3.RateLimit_Action_GenericKey_{
				GenericKey: &routev3.RateLimit_Action_GenericKey{DescriptorValue: "all"}}}}}}
			m.Descriptors = []*commonv3.LocalRateLimitDescriptor{{TokenBucket: bucketOf(2), Entries: []*commonv3.RateLimitDescriptor_Entry{{Key: "generic_key", Value: "all"}}}}
		}, []*exchange{from("u", "P"), from("v", ""), from("", "")}, "++-"},
		{"skip if absent", func(m *localv3.LocalRateLimit) {
			m.RateLimits[0].Actions[1].GetRequestHeaders().SkipIfAbsent = true
			m.Descriptors[0].Entries = m.Descriptors[0].Entries[:1]
		}, []*exchange{from("", "P"), from("", "P"), from("", "P"), from("u", "P")}, "++-+"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := message()
			if c.change != nil {
				c.change(m)
			}
			if got := outcomes(t, m, c.requests...); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	t.Run("status and headers", func(t *testing.T) {
		m := message()
		m.TokenBucket, m.Status = bucketOf(0), &typev3.HttpStatus{Code: 503}
		m.ResponseHeadersToAdd = []*corev3.HeaderValueOption{header("X-Why", "limit")}
		m.EnableXRatelimitHeaders = commonv3.XRateLimitHeadersRFCVersion_OFF
		x := from("", "")
		outcomes(t, m, x)
		if d := cmp.Diff([][2]string{{"x-why", "limit"}}, x.response); d != "" || x.status != 503 {
			t.Errorf("status %d, headers %s", x.status, d)
		}
	})
	t.Run("own retry-after", func(t *testing.T) {
		m := message()
		m.TokenBucket, m.Status = bucketOf(0), &typev3.HttpStatus{Code: 200}
		m.ResponseHeadersToAdd = []*corev3.HeaderValueOption{header("Retry-After", "99")}
		m.EnableXRatelimitHeaders = commonv3.XRateLimitHeadersRFCVersion_OFF
		x := from("", "")
		outcomes(t, m, x)
		if d := cmp.Diff([][2]string{{"retry-after", "99"}}, x.response); d != "" || x.status != 429 {
			t.Errorf("status %d, headers %s", x.status, d)
		}
	})
	t.Run("share", func(t *testing.T) {
		m := message()
		m.TokenBucket = bucketOf(0)
		m.FilterEnabled = &corev3.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{Numerator: 500_000, Denominator: typev3.FractionalPercent_MILLION}}
		var xs []*exchange
		for range 1000 {
			xs = append(xs, from("", ""))
		}
		// Beyond these bounds once in 10^9 runs or less.
		if n := strings.Count(outcomes(t, m, xs...), "+"); n < 400 || n > 600 {
			t.Errorf("half of the requests: %d of 1000", n)
		}
	})
}

func TestFieldsAreRefusedByName(t *testing.T) {
	type m = localv3.LocalRateLimit
	for name, c := range map[string]struct {
		change func(*m)
		want   string
	}{
		"no prefix":      {func(x *m) { x.StatPrefix = "" }, "stat_prefix"},
		"not enforced":   {func(x *m) { x.RequestHeadersToAddWhenNotEnforced = []*corev3.HeaderValueOption{{}} }, "request_headers_to_add_when_not_enforced"},
		"stage":          {func(x *m) { x.Stage = 1 }, "stage"},
		"per connection": {func(x *m) { x.LocalRateLimitPerDownstreamConnection = true }, "local_rate_limit_per_downstream_connection"},
		"cluster":        {func(x *m) { x.LocalClusterRateLimit = &commonv3.LocalClusterRateLimit{} }, "local_cluster_rate_limit"},
		"virtual host":   {func(x *m) { x.VhRateLimits = commonv3.VhRateLimitsOptions_INCLUDE }, "vh_rate_limits"},
		"grpc":           {func(x *m) { x.RateLimitedAsResourceExhausted = true }, "rate_limited_as_resource_exhausted"},
		"shadow":         {func(x *m) { x.Descriptors[0].ShadowMode = true }, "descriptors[0].shadow_mode"},
		"append action":  {func(x *m) { x.ResponseHeadersToAdd = []*corev3.HeaderValueOption{{AppendAction: 2}} }, "response_headers_to_add[0].append_action"},
		"substitution": {func(x *m) {
			x.ResponseHeadersToAdd = []*corev3.HeaderValueOption{{Header: &corev3.HeaderValue{Key: "a", Value: "%REQ(b)%"}}}
		}, "response_headers_to_add[0].header.value"},
		"limit's stage": {func(x *m) { x.RateLimits[0].Stage = wrapperspb.UInt32(1) }, "rate_limits[0].stage"},
		"disable key":   {func(x *m) { x.RateLimits[0].DisableKey = "k" }, "rate_limits[0].disable_key"},
		"addend":        {func(x *m) { x.RateLimits[0].HitsAddend = &routev3.RateLimit_HitsAddend{} }, "rate_limits[0].hits_addend"},
		"remote address": {func(x *m) {
			x.RateLimits[0].Actions[1].ActionSpecifier = &routev3.RateLimit_Action_RemoteAddress_{RemoteAddress: &routev3.RateLimit_Action_RemoteAddress{}}
		}, "rate_limits[0].actions[1].remote_address"},
		"no rate limits":    {func(x *m) { x.RateLimits = nil }, "rate_limits"},
		"fill too often":    {func(x *m) { x.TokenBucket.FillInterval = durationpb.New(time.Millisecond) }, "token_bucket: fill_interval"},
		"no bucket":         {func(x *m) { x.Descriptors[0].TokenBucket = nil }, "descriptors[0].token_bucket"},
		"rate out of reach": {func(x *m) { x.TokenBucket.TokensPerFill = wrapperspb.UInt32(999_999_937) }, "token_bucket: 999999937 tokens"},
		"twice the same":    {func(x *m) { x.Descriptors = append(x.Descriptors, x.Descriptors[0]) }, "descriptors[1]"},
		"no buckets":        {func(x *m) { x.MaxDynamicDescriptors = wrapperspb.UInt32(0) }, "max_dynamic_descriptors"},
		"newer field":       {func(x *m) { x.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 1}) }, "#127"},
		"newer nested":      {func(x *m) { x.Descriptors[0].Entries[1].ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 1}) }, "descriptors[0].entries[1].#127"},
	} {
		t.Run(name, func(t *testing.T) {
			x := message()
			c.change(x)
			packed, err := anypb.New(x)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := newFilter(packed); err == nil || !strings.Contains(err.Error(), "field "+c.want) {
				t.Errorf("error %v, want one that names field %s", err, c.want)
			}
		})
	}
}

func BenchmarkNative(b *testing.B) {
	c, err := config(DefaultSpec())
	if err != nil {
		b.Fatal(err)
	}
	f, err := newFilter(c.Routes["/pull"])
	if err != nil {
		b.Fatal(err)
	}
	x := &quiet{}
	var users [2000][]byte
	for i := range users {
		users[i] = fmt.Append(nil, "user-", i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		x.user = users[i%len(users)]
		f.Handle(x)
		i++
	}
}

// quiet is a request that costs nothing.
type quiet struct {
	exchange
	user []byte
}

var team = []byte("Team")

func (x *quiet) Header(name string) ([]byte, bool) {
	if name == "x-user" {
		return x.user, true
	}
	return team, true
}
func (x *quiet) AddResponseHeader(string, []byte) {}

func BenchmarkLibrary(b *testing.B) {
	wrap, err := middleware(DefaultSpec())
	if err != nil {
		b.Fatal(err)
	}
	h := wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest("GET", "/pull", nil)
	r = r.WithContext(function.WithCaller(r.Context(), function.Caller{User: "user-1", Subscription: "Team"}))
	w := &sink{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(int)             {}
