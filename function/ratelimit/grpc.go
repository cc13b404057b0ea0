package ratelimit

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/function"
)

// GRPC is the library form for servers of gRPC: interceptors that draw a token for
// each call and stream, or refuse it with the code ResourceExhausted before it is
// handled. Paths are full methods (/package.Service/Method), who calls comes from
// the call's context (function.WithCaller), and the header metadata of the answer
// says x-ratelimit-limit, x-ratelimit-remaining and x-ratelimit-reset, and
// retry-after when it is refused, all in seconds. It is made by NewGRPC; the zero
// value limits nothing.
type GRPC struct{ limiter limiter }

// NewGRPC makes the interceptors, whose buckets are full now.
func NewGRPC(s Spec) (*GRPC, error) {
	s, err := specOf(s)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	l, err := newLimiter(s, func() time.Duration { return time.Since(start) })
	if err != nil {
		return nil, err
	}
	return &GRPC{l}, nil
}

// Unary is an interceptor for a server (grpc.UnaryInterceptor).
func (g *GRPC) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := g.take(ctx, info.FullMethod, func(md metadata.MD) error { return grpc.SetHeader(ctx, md) }); err != nil {
		return nil, err
	}
	return handle(ctx, req)
}

// Stream is an interceptor for a server (grpc.StreamInterceptor). A stream takes
// one token, however many messages it has.
func (g *GRPC) Stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if err := g.take(s.Context(), info.FullMethod, s.SetHeader); err != nil {
		return err
	}
	return handle(srv, s)
}

// take draws a token; an error ends the call.
func (g *GRPC) take(ctx context.Context, method string, setHeader func(metadata.MD) error) error {
	method, _, _ = strings.Cut(method, "?")
	path, limited := g.limiter[method]
	if !limited {
		return nil
	}
	caller, _ := function.CallerFrom(ctx)
	d := path.allow(caller)
	head := metadata.MD{
		"x-ratelimit-limit":     decimalValues(d.Limit),
		"x-ratelimit-remaining": decimalValues(d.Remaining),
		"x-ratelimit-reset":     decimalValues(seconds(d.Next)),
	}
	if !d.Allowed {
		head["retry-after"] = decimalValues(max(1, seconds(d.Next)))
	}
	if err := setHeader(head); err != nil {
		return err
	}
	if !d.Allowed {
		return status.Error(codes.ResourceExhausted, refusal)
	}
	return nil
}
