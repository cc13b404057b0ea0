package ratelimitglobal

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/internal/rls"
	"github.com/taremesh/tare/study"
)

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                              "limits: empty",
		`{"limits": {"Personal": "1/s"}}`: "paths: empty",
		`{"limits": {"Personal": "1/d"}, "paths": ["/a"]}`:                    "no rate",
		`{"limits": {"": "1/s"}, "paths": ["/a"]}`:                            "no name",
		`{"limits": {"Personal": "1/s"}, "paths": ["a"]}`:                     "no path",
		`{"limits": {"Personal": "1/s"}, "paths": ["/a?b"]}`:                  "no path",
		`{"limits": {"Personal": "1/s"}, "paths": ["/a", "/a"]}`:              "twice",
		`{"limits": {"Personal": "1/s"}, "paths": ["/a"], "on_failure": "x"}`: "on_failure",
		`{"limits": {"Personal": "1/s"}, "paths": ["/a"], "timeout": "-1s"}`:  "timeout",
		`{"limits": {"Personal": "1/s"}, "paths": ["/a"], "burst": 1}`:        "burst",
	} {
		p, err := study.JSONParams("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

type nowhere struct{}

func (nowhere) Endpoint(string) (string, bool) { return "", false }

// TestFilterRefusesFieldsByName: what the filter would pass over is an error.
func TestFilterRefusesFieldsByName(t *testing.T) {
	for want, change := range map[string]func(*ratelimitv3.RateLimit){
		"domain: is required":   func(m *ratelimitv3.RateLimit) { m.Domain = "" },
		"cluster_name":          func(m *ratelimitv3.RateLimit) { m.RateLimitService = nil },
		"transport_api_version": func(m *ratelimitv3.RateLimit) { m.RateLimitService.TransportApiVersion = corev3.ApiVersion_AUTO },
		"disable_x_envoy":       func(m *ratelimitv3.RateLimit) { m.DisableXEnvoyRatelimitedHeader = false },
		"rate_limits: none":     func(m *ratelimitv3.RateLimit) { m.RateLimits = nil },
		"enable_x_ratelimit":    func(m *ratelimitv3.RateLimit) { m.EnableXRatelimitHeaders = ratelimitv3.RateLimit_DRAFT_VERSION_03 },
		"stage":                 func(m *ratelimitv3.RateLimit) { m.Stage = 1 },
		"actions[0]: says":      func(m *ratelimitv3.RateLimit) { m.RateLimits[0].Actions[0] = &routev3.RateLimit_Action{} },
		"remote_address": func(m *ratelimitv3.RateLimit) {
			m.RateLimits[0].Actions[0].ActionSpecifier = &routev3.RateLimit_Action_RemoteAddress_{}
		},
	} {
		m := Spec{OnFailure: Deny, Timeout: function.Duration(time.Second)}.message()
		change(m)
		packed, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := join(packed, nowhere{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestDescriptors(t *testing.T) {
	x := &functiontest.Exchange{Verb: "GET", Target: "/a?b", Request: []functiontest.Field{{Name: "host", Value: "h"}, {Name: "x-a", Value: "1"}}}
	for name, c := range map[string]struct {
		entries []entry
		want    string // without spaces
	}{
		"all":       {[]entry{{key: "p", header: ":path"}, {key: "m", header: ":method"}, {key: "h", header: ":authority"}, {key: "a", header: "x-a"}, {key: "f", value: "v"}}, "p=/a?b m=GET h=h a=1 f=v"},
		"absent":    {[]entry{{key: "p", header: ":path"}, {key: "b", header: "x-b"}}, ""},
		"left out":  {[]entry{{key: "p", header: ":path"}, {key: "b", header: "x-b", skip: true}}, "p=/a?b"},
		"only that": {[]entry{{key: "b", header: "x-b", skip: true}}, ""},
	} {
		d, ok := describe(x, c.entries)
		var got []string
		for _, e := range d.GetEntries() {
			got = append(got, e.GetKey()+"="+e.GetValue())
		}
		if text := strings.Join(got, " "); text != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %t", name, text, ok)
		}
	}
}

// A correct bucket is never accused, however its decisions are seen; one token
// more or less than there was always is.
func TestJudgeIsSharp(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	caller := function.Caller{User: "ann", Subscription: "Personal"}
	for range 300 {
		rate := rls.Rate{Tokens: 1 + r.Uint32N(5), Per: time.Second}
		s := Spec{Limits: map[string]rls.Rate{"Personal": rate}, Paths: []string{"/"}}
		var e function.Evidence
		level, at := int64(rate.Tokens)*int64(rate.Per), time.Second
		width := time.Duration(r.Int64N(int64(50 * time.Millisecond)))
		for range 60 {
			pause := time.Duration(r.Int64N(int64(400 * time.Millisecond)))
			at += pause
			level = min(level+int64(pause)*int64(rate.Tokens), int64(rate.Tokens)*int64(rate.Per))
			o := function.Observation{Earliest: max(0, at-width), Latest: at + width, Path: "/", Caller: caller, Outcome: function.Refused}
			if level >= int64(rate.Per) {
				level -= int64(rate.Per)
				o.Outcome = function.Allowed
			}
			e.Observations = append(e.Observations, o)
		}
		if err := judge(s, e); err != nil {
			t.Fatalf("a correct bucket of %v: %v", rate, err)
		}
		e.Observations = append(e.Observations, function.Observation{Latest: 1, Path: "/", Caller: caller, Outcome: function.Refused})
		if judge(s, e) == nil {
			t.Fatal("a request before all others was refused, and the judge finds nothing")
		}
	}
	// At one time exactly the capacity.
	s := Spec{Limits: map[string]rls.Rate{"Personal": {Tokens: 4, Per: time.Hour}}, Paths: []string{"/"}}
	for n := range 8 {
		var e function.Evidence
		for i := range 8 {
			o := function.Observation{Earliest: 0, Latest: time.Second, Path: "/", Caller: caller, Outcome: function.Refused}
			if i < n {
				o.Outcome = function.Allowed
			}
			e.Observations = append(e.Observations, o)
		}
		if err := judge(s, e); (err == nil) != (n == 4) {
			t.Errorf("%d of 8 allowed of 4: %v", n, err)
		}
	}
}
