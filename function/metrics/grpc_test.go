package metrics

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/internal/calltest"
)

// failing is a service that ends with the code that it is asked for.
type failing struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (failing) Check(_ context.Context, q *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	var code codes.Code
	if err := code.UnmarshalJSON([]byte(`"` + q.GetService() + `"`)); err != nil {
		return nil, err
	}
	return &grpc_health_v1.HealthCheckResponse{}, status.Error(code, "as asked") // nil for OK
}

func (f failing) Watch(q *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	_, err := f.Check(s.Context(), q)
	return err
}

// series are the series of requests in a registry.
func series(t *testing.T, r *prometheus.Registry) (all []string) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			n := m.GetCounter().GetValue()
			if h := m.GetHistogram(); h != nil {
				n = float64(h.GetSampleCount())
			}
			all = append(all, fmt.Sprintf("%s %s %v", f.GetName(), strings.Join(labels, " "), n))
		}
	}
	slices.Sort(all)
	return all
}

func TestGRPC(t *testing.T) {
	r := prometheus.NewRegistry()
	const check = "/grpc.health.v1.Health/Check"
	g, err := NewGRPC(r, Spec{Paths: []string{check}, Buckets: []float64{1}})
	if err != nil {
		t.Fatal(err)
	}
	client := grpc_health_v1.NewHealthClient(calltest.Serve(t, failing{}, grpc.UnaryInterceptor(g.Unary), grpc.StreamInterceptor(g.Stream)))
	codes := []string{"OK", "OK", "NOT_FOUND", "INTERNAL", "PERMISSION_DENIED", "UNAVAILABLE", "UNKNOWN", "CANCELLED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "DATA_LOSS", "UNIMPLEMENTED"}
	for _, code := range codes {
		q := &grpc_health_v1.HealthCheckRequest{Service: code}
		_, _ = client.Check(t.Context(), q) // how it ends is counted
		s, err := client.Watch(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = s.Recv()
	}
	want := []string{
		"tare_request_seconds " + check + " 12", "tare_request_seconds other 12",
		"tare_requests_total 2xx " + check + " 2", "tare_requests_total 2xx other 2",
		"tare_requests_total 4xx " + check + " 4", "tare_requests_total 4xx other 4",
		"tare_requests_total 5xx " + check + " 6", "tare_requests_total 5xx other 6",
	}
	if got := series(t, r); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := NewGRPC(r, Spec{Buckets: []float64{1}}); err == nil || !strings.Contains(err.Error(), "register") {
		t.Errorf("twice: error %v", err)
	}
}
