package concurrencylimit

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	adaptivev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/adaptive_concurrency/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/study"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{"limit": 1}`:                "",
		`{"limit": 5, "status": 429}`: "",
		`{}`:                          "limit: 0",
		`{"limit": -1}`:               "limit: -1",
		`{"limit": 1, "status": 200}`: "status: 200",
		`{"limit": 1, "status": 600}`: "status: 600",
		`{"limit": 1.5}`:              "whole number",
		`{"limit": 1, "queue": 1}`:    "queue",
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

func TestFieldsAreRefusedByName(t *testing.T) {
	type m = adaptivev3.AdaptiveConcurrency
	for want, change := range map[string]func(*m){
		"gradient_controller_config: max_concurrency_limit 9": func(x *m) {
			x.GetGradientControllerConfig().ConcurrencyLimitParams.MaxConcurrencyLimit = wrapperspb.UInt32(9)
		},
		"gradient_controller_config.min_rtt_calc_params.fixed_value": func(x *m) { x.GetGradientControllerConfig().MinRttCalcParams.FixedValue = nil },
		"gradient_controller_config.min_rtt_calc_params.interval": func(x *m) {
			x.GetGradientControllerConfig().MinRttCalcParams.Interval = durationpb.New(1)
		},
		"gradient_controller_config: max_concurrency_limit 0": func(x *m) { x.ConcurrencyControllerConfig = nil },
	} {
		made, err := config(Spec{Limit: 3, Status: 503})
		if err != nil {
			t.Fatal(err)
		}
		var x m
		if err := made.Config.UnmarshalTo(&x); err != nil {
			t.Fatal(err)
		}
		change(&x)
		packed, err := anypb.New(&x)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newFilter(packed); err == nil || !strings.Contains(err.Error(), "field "+want) {
			t.Errorf("error %v, want one that names field %s", err, want)
		}
	}
}

// TestLimitIsNeverPassed by many at once, and reached by some.
func TestLimitIsNeverPassed(t *testing.T) {
	const limit = 4
	var under, most atomic.Int64
	var filled sync.WaitGroup
	filled.Add(limit)
	open := make(chan bool)
	handler := Middleware(limit, http.StatusTooManyRequests)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		n := under.Add(1)
		defer under.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		filled.Done()
		<-open
	}))
	serve := func() int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w.Code
	}
	var all sync.WaitGroup
	for range limit {
		all.Go(func() { serve() })
	}
	filled.Wait()
	for range 100 {
		if code := serve(); code != http.StatusTooManyRequests {
			t.Fatalf("full, and the next one has %d", code)
		}
	}
	close(open)
	all.Wait()
	filled.Add(50)
	for range 50 {
		all.Go(func() {
			if serve() != http.StatusOK {
				filled.Done()
			}
		})
	}
	all.Wait()
	if n := most.Load(); n != limit {
		t.Errorf("%d were under way at once, the limit is %d", n, limit)
	}
}

// TestPanicGivesThePlaceBack: what handlers may do.
func TestPanicGivesThePlaceBack(t *testing.T) {
	handler := Middleware(1, http.StatusServiceUnavailable)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	for range 3 {
		func() {
			defer func() {
				if recover() != http.ErrAbortHandler {
					t.Error("the handler is not reached")
				}
			}()
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}()
	}
}

func TestInterceptorsShareTheLimit(t *testing.T) {
	unary, stream := Interceptors(1)
	_, err := unary(t.Context(), nil, nil, func(ctx context.Context, _ any) (any, error) {
		err := stream(nil, nil, nil, func(any, grpc.ServerStream) error { return nil })
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("a stream beside a call: %v", err)
		}
		_, err = unary(ctx, nil, nil, func(context.Context, any) (any, error) { return nil, nil })
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("a call beside a call: %v", err)
		}
		return nil, nil
	})
	if err != nil {
		t.Errorf("the first call: %v", err)
	}
	if err := stream(nil, nil, nil, func(any, grpc.ServerStream) error { return nil }); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// holding answers when it may.
type holding struct {
	grpc_health_v1.UnimplementedHealthServer
	entered, open chan bool
}

func (h holding) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	h.entered <- true
	<-h.open
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

// TestInterceptorsOfARealServer: what is full refuses calls and streams, and
// serves again.
func TestInterceptorsOfARealServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service := holding{entered: make(chan bool), open: make(chan bool)}
	unary, stream := Interceptors(1)
	server, done := grpc.NewServer(grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream)), make(chan error, 1)
	grpc_health_v1.RegisterHealthServer(server, service)
	go func() { done <- server.Serve(l) }()
	cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		cc.Close()
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	client, query := grpc_health_v1.NewHealthClient(cc), &grpc_health_v1.HealthCheckRequest{}
	for range 2 {
		first := make(chan error)
		go func() {
			_, err := client.Check(t.Context(), query)
			first <- err
		}()
		<-service.entered
		if _, err := client.Check(t.Context(), query); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("a second call: %v", err)
		}
		watch, err := client.Watch(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := watch.Recv(); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("a stream: %v", err)
		}
		service.open <- true
		if err := <-first; err != nil {
			t.Errorf("the first call: %v", err)
		}
	}
}
