package tracing

import (
	"context"
	"testing"

	tracev1 "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/internal/calltest"
)

// echoing is a service that says in its head what trace it was told of, and fails
// where it is asked to.
type echoing struct {
	grpc_health_v1.UnimplementedHealthServer
}

func heard(ctx context.Context) metadata.MD {
	md, _ := metadata.FromIncomingContext(ctx)
	return metadata.MD{"heard": md.Get(traceparent)}
}

func asked(q *grpc_health_v1.HealthCheckRequest) error {
	if q.GetService() != "" {
		return status.Error(codes.NotFound, q.GetService())
	}
	return nil
}

func (echoing) Check(ctx context.Context, q *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if err := grpc.SetHeader(ctx, heard(ctx)); err != nil {
		return nil, err
	}
	return &grpc_health_v1.HealthCheckResponse{}, asked(q)
}

func (echoing) Watch(q *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	if err := s.SendHeader(heard(s.Context())); err != nil {
		return err
	}
	return asked(q)
}

// Each call and stream that is sampled has a span with its method and its code.
func TestGRPC(t *testing.T) {
	const in, out = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	spans := make(chan *tracev1.Span, 8)
	g := &GRPC{Spec{Propagation: W3C}, &exporter{spans: spans}} // which tells nobody
	client := grpc_health_v1.NewHealthClient(calltest.Serve(t, echoing{}, grpc.UnaryInterceptor(g.Unary), grpc.StreamInterceptor(g.Stream)))
	for _, c := range []struct {
		parent, service string
		sampled         bool
		code            string
	}{
		{in, "", true, "0"}, {in, "none", true, "5"}, {out, "", false, ""}, {"", "", false, ""}, {"no context", "", false, ""},
	} {
		ctx := t.Context()
		if c.parent != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, traceparent, c.parent)
		}
		q := &grpc_health_v1.HealthCheckRequest{Service: c.service}
		var head metadata.MD
		_, _ = client.Check(ctx, q, grpc.Header(&head)) // how it ends is in the span
		hold(t, c.parent, head, spans, c.sampled, "grpc.health.v1.Health/Check", c.code)
		s, err := client.Watch(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = s.Recv()
		if head, err = s.Header(); err != nil {
			t.Fatal(err)
		}
		hold(t, c.parent, head, spans, c.sampled, "grpc.health.v1.Health/Watch", c.code)
	}
}

// hold looks at what the service heard, and at the span if there is to be one.
func hold(t *testing.T, parent string, head metadata.MD, spans chan *tracev1.Span, sampled bool, name, code string) {
	t.Helper()
	said := ""
	if all := head.Get("heard"); len(all) == 1 {
		said = all[0]
	}
	if !sampled {
		if len(spans) != 0 || parent == "no context" && said != parent || len(parent) == 55 && (said[:36] != parent[:36] || said == parent || said[52:] != "-00") {
			t.Errorf("%q became %q, with %d spans", parent, said, len(spans))
		}
		return
	}
	s := <-spans
	id, _, ok := readW3C(func(string) string { return said })
	if !ok || string(s.SpanId) != string(id.span[:]) || s.Name != name || len(s.Attributes) != 1 ||
		s.Attributes[0].Key != "rpc.grpc.status_code" || s.Attributes[0].Value.GetStringValue() != code {
		t.Errorf("%q became %q; the span is %v, want %s with code %s", parent, said, s, name, code)
	}
}
