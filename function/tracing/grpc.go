package tracing

import (
	"context"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// GRPC is the library form for servers of gRPC: interceptors that make a span of
// each call and stream, named as its full method and with its code
// (rpc.grpc.status_code). Its incoming metadata names the span: what the handler
// calls with that joins the trace. It is made by NewGRPC; the zero value is not
// ready. Close it.
type GRPC struct {
	spec     Spec
	exporter *exporter
}

// NewGRPC makes the interceptors, of a Spec that was decoded.
func NewGRPC(s Spec) *GRPC {
	return &GRPC{s, newExporter(s.Service, func() (string, bool) { return s.Collector, true })}
}

// Close tells the collector of the spans that are left, and stops telling.
func (g *GRPC) Close() error { return g.exporter.Close() }

// Unary is an interceptor for a server (grpc.UnaryInterceptor).
func (g *GRPC) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	ctx, finish := g.begin(ctx, info.FullMethod)
	resp, err := handle(ctx, req)
	finish(err)
	return resp, err
}

// Stream is an interceptor for a server (grpc.StreamInterceptor). A stream is one
// span, whatever its messages.
func (g *GRPC) Stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	ctx, finish := g.begin(s.Context(), info.FullMethod)
	err := handle(srv, serverStream{s, ctx})
	finish(err)
	return err
}

// begin begins the work on a call, and gives what is to be told of its end.
func (g *GRPC) begin(ctx context.Context, method string) (context.Context, func(error)) {
	md, _ := metadata.FromIncomingContext(ctx) // a copy
	if md == nil {
		md = metadata.MD{}
	}
	get := func(name string) string {
		if values := md.Get(name); len(values) > 0 {
			return values[0]
		}
		return ""
	}
	work, ok := formats[g.spec.Propagation].begin(g.spec.Sample, get, func(name, value string) {
		if md.Delete(name); value != "" {
			md.Set(name, value)
		}
	})
	ctx = metadata.NewIncomingContext(ctx, md)
	if !ok || !work.sampled {
		return ctx, func(error) {}
	}
	return ctx, func(err error) {
		g.exporter.finish(work, strings.TrimPrefix(method, "/"), text("rpc.grpc.status_code", strconv.Itoa(int(status.Code(err)))))
	}
}

type serverStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s serverStream) Context() context.Context { return s.ctx }
