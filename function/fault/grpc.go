package fault

import (
	"context"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// GRPC is the library form for servers of gRPC: interceptors that hold up and
// abort calls and streams before they are handled. Callers ask for faults in
// metadata of the headers' names. It is made by NewGRPC; the zero value has no
// faults.
//
// A call that is aborted fails with the code that gRPC has for the HTTP status of
// a proxy's answer: Internal for 400, Unauthenticated for 401, PermissionDenied
// for 403, Unimplemented for 404, Unavailable for 429, 502, 503 and 504, and
// Unknown for all others.
type GRPC struct{ injector injector }

// NewGRPC makes the interceptors, of a Spec that was decoded.
func NewGRPC(s Spec) *GRPC { return &GRPC{newInjector(s)} }

// Unary is an interceptor for a server (grpc.UnaryInterceptor).
func (g *GRPC) Unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := g.befall(ctx); err != nil {
		return nil, err
	}
	return handle(ctx, req)
}

// Stream is an interceptor for a server (grpc.StreamInterceptor). A stream is
// drawn once, when it begins.
func (g *GRPC) Stream(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if err := g.befall(s.Context()); err != nil {
		return err
	}
	return handle(srv, s)
}

// befall is over when the call may go on; an error ends it.
func (g *GRPC) befall(ctx context.Context) error {
	delay, aborted := g.injector.faults(func(name string) (string, bool) {
		if values := metadata.ValueFromIncomingContext(ctx, name); len(values) > 0 {
			return values[0], true
		}
		return "", false
	})
	if delay > 0 && !wait(ctx, delay) {
		return status.FromContextError(ctx.Err()).Err()
	}
	if aborted != 0 {
		return status.Error(codeOf(aborted), abortBody)
	}
	return nil
}

// codeOf is what gRPC makes of an HTTP status (gRPC's doc/http-grpc-status-mapping.md).
func codeOf(httpStatus int) codes.Code {
	switch httpStatus {
	case http.StatusBadRequest:
		return codes.Internal
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.Unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return codes.Unavailable
	}
	return codes.Unknown
}
