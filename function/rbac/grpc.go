package rbac

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/function"
)

// GRPC is the library form for servers of gRPC: interceptors that refuse calls and
// streams with the code PermissionDenied before they are handled. The path is the
// full method (/package.Service/Method), the method is always POST, headers are
// metadata, and the identity is that of the verified certificate of the
// connection. Who calls comes from the call's context (function.WithCaller), which
// only the application can fill: put these behind the token check. It is made by
// NewGRPC; the zero value is not ready.
type GRPC struct{ filter *filter }

// NewGRPC makes the interceptors.
func NewGRPC(s Spec) (*GRPC, error) {
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("rbac: %w", err)
	}
	f, err := compile(s.message())
	if err != nil {
		return nil, err
	}
	return &GRPC{f}, nil
}

// Unary is an interceptor for a server (grpc.UnaryInterceptor).
func (g *GRPC) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if !g.filter.admits(newCall(ctx, info.FullMethod)) {
		return nil, status.Error(codes.PermissionDenied, denied)
	}
	return handle(ctx, req)
}

// Stream is an interceptor for a server (grpc.StreamInterceptor).
func (g *GRPC) Stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if !g.filter.admits(newCall(s.Context(), info.FullMethod)) {
		return status.Error(codes.PermissionDenied, denied)
	}
	return handle(srv, s)
}

// call is a call or a stream of gRPC in an application.
type call struct {
	ctx    context.Context
	md     metadata.MD
	method string
}

func newCall(ctx context.Context, method string) call {
	md, _ := metadata.FromIncomingContext(ctx)
	return call{ctx, md, method}
}

func (c call) some(name string, is func([]byte) bool) bool {
	caller, _ := function.CallerFrom(c.ctx)
	switch name = strings.ToLower(name); name {
	case ":method":
		return is([]byte(http.MethodPost))
	case "host":
		name = ":authority"
	case function.UserHeader:
		return caller.User != "" && is([]byte(caller.User))
	case function.SubscriptionHeader:
		return caller.Subscription != "" && is([]byte(caller.Subscription))
	}
	return slices.ContainsFunc(c.md[name], func(v string) bool { return is([]byte(v)) })
}

// path is as it was sent: what is encoded stays so.
func (c call) path() []byte {
	path, _, _ := strings.Cut(c.method, "?")
	return []byte(path)
}

func (c call) peer() (p function.Peer) {
	other, ok := peer.FromContext(c.ctx)
	if !ok {
		return p
	}
	if other.Addr != nil {
		if at, err := netip.ParseAddrPort(other.Addr.String()); err == nil {
			p.Addr = at.Addr()
		}
	}
	shown, ok := other.AuthInfo.(credentials.TLSInfo)
	if !ok || len(shown.State.VerifiedChains) == 0 {
		return p
	}
	for _, uri := range shown.State.VerifiedChains[0][0].URIs {
		p.URIs = append(p.URIs, uri.String())
	}
	return p
}
