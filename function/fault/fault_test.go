package fault

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/fault/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/study"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{"abort": {"status": 503, "percent": 0.5}}`:                   "",
		`{"delay": {"time": "1ms", "percent": 0}}`:                     "",
		`{"delay": {"by_header": true}, "abort": {"by_header": true}}`: "",
		`{}`:                        "delay or abort",
		`{"delay": {}}`:             "time: 0s",
		`{"delay": {"time": "1s"}}`: "percent: is needed",
		`{"delay": {"time": "2h", "percent": 1}}`:               "time: 2h",
		`{"delay": {"time": "1us", "percent": 1}}`:              "whole milliseconds",
		`{"delay": {"time": "1s", "by_header": true}}`:          "by_header",
		`{"abort": {"status": 199, "percent": 1}}`:              "status: 199",
		`{"abort": {"status": 600, "percent": 1}}`:              "status: 600",
		`{"abort": {"status": 500}}`:                            "percent: is needed",
		`{"abort": {"status": 500, "percent": 100.1}}`:          "percent: 100.1",
		`{"abort": {"status": 500, "percent": -1}}`:             "percent: -1",
		`{"abort": {"status": 500, "by_header": true}}`:         "by_header",
		`{"abort": {"status": 500, "percent": 1, "body": "x"}}`: "body",
	} {
		p, err := study.JSONParams("p", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(p); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

// message is a small one for tests to change.
func message() *faultv3.HTTPFault {
	return &faultv3.HTTPFault{
		Delay: &commonv3.FaultDelay{FaultDelaySecifier: &commonv3.FaultDelay_FixedDelay{FixedDelay: durationpb.New(time.Second)}, Percentage: &typev3.FractionalPercent{Numerator: 100}},
		Abort: &faultv3.FaultAbort{ErrorType: &faultv3.FaultAbort_HttpStatus{HttpStatus: 503}, Percentage: &typev3.FractionalPercent{Numerator: 1, Denominator: typev3.FractionalPercent_TEN_THOUSAND}},
	}
}

func TestFieldsAreRefusedByName(t *testing.T) {
	type m = faultv3.HTTPFault
	for want, change := range map[string]func(*m){
		"upstream_cluster":    func(x *m) { x.UpstreamCluster = "a" },
		"max_active_faults":   func(x *m) { x.MaxActiveFaults = wrapperspb.UInt32(1) },
		"response_rate_limit": func(x *m) { x.ResponseRateLimit = &commonv3.FaultRateLimit{} },
		"abort.grpc_status":   func(x *m) { x.Abort.ErrorType = &faultv3.FaultAbort_GrpcStatus{GrpcStatus: 14} },
		"abort.http_status":   func(x *m) { x.Abort.ErrorType = &faultv3.FaultAbort_HttpStatus{HttpStatus: 600} },
		"abort.percentage":    func(x *m) { x.Abort.Percentage.Numerator = 10_001 },
		"delay.percentage":    func(x *m) { x.Delay.Percentage.Denominator = 7 },
		"delay.fixed_delay": func(x *m) {
			x.Delay.FaultDelaySecifier = &commonv3.FaultDelay_FixedDelay{FixedDelay: durationpb.New(1)}
		},
	} {
		x := message()
		change(x)
		packed, err := anypb.New(x)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newFilter(packed); err == nil || !strings.Contains(err.Error(), "field "+want) {
			t.Errorf("error %v, want one that names field %s", err, want)
		}
	}
	other, err := anypb.New(&corev3.Node{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newFilter(other); err == nil {
		t.Error("another message is taken")
	}
}

// TestShares: the message that Envoy gets and the library draw alike.
func TestShares(t *testing.T) {
	percent := func(p float64) *float64 { return &p }
	for _, c := range []struct {
		percent *float64
		below   uint32 // of a million draws, those that hit
	}{{percent(0), 0}, {percent(0.0001), 1}, {percent(12.5), 125_000}, {percent(100), parts}} {
		spec := Spec{Abort: &Abort{Status: 500, Percent: c.percent}}
		made, err := config(spec)
		if err != nil {
			t.Fatal(err)
		}
		f, err := newFilter(made.Config)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range []injector{newInjector(spec), f.(filter).injector} {
			none := func(string) (string, bool) { return "", false }
			for draw, hits := range map[uint32]bool{0: c.below > 0, max(c.below, 1) - 1: c.below > 0, c.below: c.below == parts} {
				i.draw = func(uint32) uint32 { return draw }
				if _, status := i.faults(none); (status == 500) != hits {
					t.Errorf("%v %% and draw %d: status %d", *c.percent, draw, status)
				}
			}
		}
	}
}

// TestDelayEndsWithCaller: nobody is delayed who has gone.
func TestDelayEndsWithCaller(t *testing.T) {
	all := 100.0
	handler := Middleware(Spec{Delay: &Delay{Time: 1 << 40, Percent: &all}})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the request goes on")
	}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
}
