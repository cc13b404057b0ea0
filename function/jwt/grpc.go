package jwt

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/function"
)

// GRPC is the library form for servers of gRPC: interceptors that check the token
// in the metadata authorization of calls and streams, before they are handled. The
// caller goes into the call's context (function.CallerFrom) and into its metadata
// by the headers of function.Caller, in place of what the client wrote there. Open
// paths are full methods. It is made by NewGRPC; the zero value is not ready.
//
// A call without a good token fails with the code Unauthenticated, one with a
// good token that is not meant for this service with PermissionDenied.
type GRPC struct{ check *check }

// NewGRPC makes the interceptors.
func NewGRPC(s Spec) (*GRPC, error) {
	c, err := newCheck(s)
	if err != nil {
		return nil, err
	}
	return &GRPC{c}, nil
}

// Unary is an interceptor for a server (grpc.UnaryInterceptor).
func (g *GRPC) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	ctx, err := g.checked(ctx, info.FullMethod, func(md metadata.MD) error { return grpc.SetHeader(ctx, md) })
	if err != nil {
		return nil, err
	}
	return handle(ctx, req)
}

// Stream is an interceptor for a server (grpc.StreamInterceptor). The token is
// checked once, when the stream begins.
func (g *GRPC) Stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	ctx, err := g.checked(s.Context(), info.FullMethod, s.SetHeader)
	if err != nil {
		return err
	}
	return handle(srv, serverStream{s, ctx})
}

// checked is the context of a call that may go on, with its caller.
func (g *GRPC) checked(ctx context.Context, method string, setHeader func(metadata.MD) error) (context.Context, error) {
	md, _ := metadata.FromIncomingContext(ctx) // a copy
	if md == nil {
		md = metadata.MD{}
	}
	md.Delete(function.UserHeader)
	md.Delete(function.SubscriptionHeader)
	if path, _, _ := strings.Cut(method, "?"); slices.Contains(g.check.spec.Open, path) {
		return metadata.NewIncomingContext(function.WithCaller(ctx, function.Caller{}), md), nil
	}
	caller, refused := g.check.caller(md.Get("authorization"))
	if refused != 0 {
		if err := setHeader(metadata.Pairs("www-authenticate", "Bearer")); err != nil {
			return nil, err
		}
		code := codes.Unauthenticated
		if refused == http.StatusForbidden {
			code = codes.PermissionDenied
		}
		return nil, status.Error(code, http.StatusText(refused))
	}
	for name, value := range map[string]string{function.UserHeader: caller.User, function.SubscriptionHeader: caller.Subscription} {
		if value != "" {
			md.Set(name, value)
		}
	}
	return metadata.NewIncomingContext(function.WithCaller(ctx, caller), md), nil
}

type serverStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s serverStream) Context() context.Context { return s.ctx }
