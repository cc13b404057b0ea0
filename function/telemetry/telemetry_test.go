package telemetry

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	grpclogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/internal/collect"
	"github.com/taremesh/tare/study"
)

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "collector", `{"collector": "x:1"}`: "collector", `{"collector": "127.0.0.1:1", "flush": "0s"}`: "flush", `{"collector": "127.0.0.1:1", "x": 1}`: "x",
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

type at string

func (a at) Endpoint(string) (string, bool) { return string(a), a != "" }

// TestFilterRefusesFieldsByName: what the filter would pass over is an error.
func TestFilterRefusesFieldsByName(t *testing.T) {
	for want, change := range map[string]func(*grpclogv3.HttpGrpcAccessLogConfig){
		"cluster_name":          func(m *grpclogv3.HttpGrpcAccessLogConfig) { m.CommonConfig.GrpcService = nil },
		"log_name":              func(m *grpclogv3.HttpGrpcAccessLogConfig) { m.CommonConfig.LogName = "" },
		"transport_api_version": func(m *grpclogv3.HttpGrpcAccessLogConfig) { m.CommonConfig.TransportApiVersion = corev3.ApiVersion(9) },
		"buffer_flush_interval": func(m *grpclogv3.HttpGrpcAccessLogConfig) { m.CommonConfig.BufferFlushInterval = durationpb.New(0) },
		"additional_request_headers_to_log": func(m *grpclogv3.HttpGrpcAccessLogConfig) {
			m.AdditionalRequestHeadersToLog = []string{"authorization"}
		},
	} {
		m := Spec{Flush: function.Duration(time.Second)}.message()
		change(m)
		packed, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := join(packed, at("")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func newFilter(t *testing.T, collector string) *filter {
	t.Helper()
	packed, err := anypb.New(Spec{Flush: function.Duration(time.Hour)}.message())
	if err != nil {
		t.Fatal(err)
	}
	f, err := join(packed, at(collector))
	if err != nil {
		t.Fatal(err)
	}
	return f.(*filter)
}

// What is left when a proxy ends has come when Close returns.
func TestCloseSendsTheRest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var c collect.Collector
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Serve(ctx, l) }()
	f := newFilter(t, l.Addr().String())
	const n = 3*batch + 7
	for range n {
		x := &functiontest.Exchange{Verb: "PUT", Target: "/a?b", Request: []functiontest.Field{{Name: "host", Value: "h"}}}
		f.Handle(x)
		f.Finish(x, function.Ending{Status: 201, Received: 3, Sent: 4, Began: time.Now(), Took: time.Millisecond, Upstream: "127.0.0.1:80"})
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	got := c.Gathered().Entries
	if len(got) != n {
		t.Fatalf("%d entries came, want %d", len(got), n)
	}
	e := got[n-1]
	if e.Method != "PUT" || e.Path != "/a?b" || e.Authority != "h" || e.Status != 201 || e.Received != 3 || e.Sent != 4 ||
		e.Took != time.Millisecond || e.Upstream != "127.0.0.1:80" || e.Log != logName || e.Node == "" {
		t.Errorf("entry %+v", e)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Without a collector nothing waits and nothing grows.
func TestNobodyThere(t *testing.T) {
	f := newFilter(t, "")
	x := &functiontest.Exchange{Verb: "GET", Target: "/"}
	for range 2 * mostWaiting {
		f.Finish(x, function.Ending{})
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
