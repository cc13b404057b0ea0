package retry

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// failing is unavailable for a number of calls.
type failing struct {
	grpc_health_v1.UnimplementedHealthServer
	calls, times *atomic.Int64
	code         codes.Code
}

func (f failing) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if f.calls.Add(1) <= f.times.Load() {
		return nil, status.Error(f.code, "not now")
	}
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

func TestGRPCRetries(t *testing.T) {
	config, err := GRPCServiceConfig(must(t, `{"on": ["5xx"], "retries": 2, "base": "5ms"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code         codes.Code
		times, calls int64
		want         codes.Code
	}{
		{codes.Unavailable, 0, 1, codes.OK}, {codes.Unavailable, 2, 3, codes.OK}, {codes.Unavailable, 3, 3, codes.Unavailable},
		{codes.NotFound, 1, 1, codes.NotFound},
	} {
		service := failing{calls: new(atomic.Int64), times: new(atomic.Int64), code: c.code}
		service.times.Store(c.times)
		err := call(t, service, config)
		if status.Code(err) != c.want || service.calls.Load() != c.calls {
			t.Errorf("%d times %v: %d calls, %v; want %d, %v", c.times, c.code, service.calls.Load(), err, c.calls, c.want)
		}
	}
}

// call makes one, through a real connection.
func call(t *testing.T, service grpc_health_v1.HealthServer, config string) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, done := grpc.NewServer(), make(chan error, 1)
	grpc_health_v1.RegisterHealthServer(server, service)
	go func() { done <- server.Serve(l) }()
	defer func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(config))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	_, err = grpc_health_v1.NewHealthClient(cc).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	return err
}

func TestGRPCHasNoWords(t *testing.T) {
	for text, want := range map[string]string{
		`{"statuses": [409]}`:                     "statuses",
		`{"on": ["connect-failure"]}`:             "connect-failure",
		`{"on": ["5xx"], "per_try": "1s"}`:        "per_try",
		`{"on": ["5xx"], "budget": {"least": 1}}`: "budget",
		`{"on": ["5xx"], "retries": 5}`:           "retries",
	} {
		if _, err := GRPCServiceConfig(must(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}
