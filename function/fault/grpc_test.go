package fault

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/calltest"
)

// well is a service whose calls and streams all succeed, and that counts them.
type well struct {
	grpc_health_v1.UnimplementedHealthServer
	reached *atomic.Int64
}

func (w well) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	w.reached.Add(1)
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

func (w well) Watch(_ *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	w.reached.Add(1)
	return s.Send(&grpc_health_v1.HealthCheckResponse{})
}

func TestGRPC(t *testing.T) {
	all, none := 100.0, 0.0
	const long = 300 * time.Millisecond
	for _, c := range []struct {
		name    string
		spec    Spec
		md      []string
		want    codes.Code
		delayed bool
	}{
		{"none", Spec{Abort: &Abort{Status: 503, Percent: &none}, Delay: &Delay{Time: function.Duration(time.Hour), Percent: &none}}, nil, codes.OK, false},
		{"aborted", Spec{Abort: &Abort{Status: 503, Percent: &all}}, nil, codes.Unavailable, false},
		{"delayed", Spec{Delay: &Delay{Time: function.Duration(long), Percent: &all}}, nil, codes.OK, true},
		{"delayed and aborted", Spec{Delay: &Delay{Time: function.Duration(long), Percent: &all}, Abort: &Abort{Status: 403, Percent: &all}}, nil, codes.PermissionDenied, true},
		{"nobody asks", Spec{Abort: &Abort{ByHeader: true}, Delay: &Delay{ByHeader: true}}, nil, codes.OK, false},
		{"asked", Spec{Abort: &Abort{ByHeader: true}, Delay: &Delay{ByHeader: true}}, []string{AbortHeader, "404", DelayHeader, "300"}, codes.Unimplemented, true},
		{"asked for nothing that there is", Spec{Abort: &Abort{ByHeader: true}}, []string{AbortHeader, "600"}, codes.OK, false},
		{"asked for a share of nothing", Spec{Abort: &Abort{ByHeader: true}}, []string{AbortHeader, "503", AbortPercentHeader, "0"}, codes.OK, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, service := NewGRPC(c.spec), well{reached: new(atomic.Int64)}
			client := calltest.Serve(t, service, grpc.UnaryInterceptor(g.Unary), grpc.StreamInterceptor(g.Stream))
			begun := time.Now()
			errs, _ := calltest.Both(metadata.AppendToOutgoingContext(t.Context(), c.md...), t, client)
			for i, what := range []string{"a call", "a stream"} {
				if status.Code(errs[i]) != c.want {
					t.Errorf("%s: %v, want %v", what, errs[i], c.want)
				}
			}
			if took := time.Since(begun); c.delayed && took < 2*long-2*slack {
				t.Errorf("both took %v: want %v", took, 2*long)
			}
			if reached := service.reached.Load(); (reached == 2) != (c.want == codes.OK) || reached == 1 {
				t.Errorf("%d reached the service", reached)
			}
		})
	}
}

// Who does not wait for its delay is told so, and the service nothing.
func TestGRPCDelayOfWhoLeaves(t *testing.T) {
	all := 100.0
	g, service := NewGRPC(Spec{Delay: &Delay{Time: function.Duration(time.Hour), Percent: &all}}), well{reached: new(atomic.Int64)}
	ended := make(chan error, 1)
	client := calltest.Serve(t, service, grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		resp, err := g.Unary(ctx, req, info, handle)
		ended <- err
		return resp, err
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := grpc_health_v1.NewHealthClient(client).Check(ctx, &grpc_health_v1.HealthCheckRequest{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("the client has %v", err)
	}
	if code := status.Code(<-ended); code != codes.DeadlineExceeded && code != codes.Canceled || service.reached.Load() != 0 {
		t.Errorf("the interceptor ended with %v, %d reached the service", code, service.reached.Load())
	}
}

// The codes are those of gRPC's own table, as its clients make them of a proxy's answers.
func TestCodeOf(t *testing.T) {
	for given, want := range map[int]codes.Code{
		http.StatusOK: codes.Unknown, http.StatusBadRequest: codes.Internal, http.StatusUnauthorized: codes.Unauthenticated,
		http.StatusForbidden: codes.PermissionDenied, http.StatusNotFound: codes.Unimplemented, http.StatusTooManyRequests: codes.Unavailable,
		http.StatusInternalServerError: codes.Unknown, http.StatusBadGateway: codes.Unavailable, http.StatusServiceUnavailable: codes.Unavailable,
		http.StatusGatewayTimeout: codes.Unavailable, http.StatusTeapot: codes.Unknown,
	} {
		if got := codeOf(given); got != want {
			t.Errorf("%d: %v, want %v", given, got, want)
		}
	}
}
