package rewrite

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// GRPC is the library form for clients of gRPC: the connection of a client, whose
// calls and streams go on with their full method (/package.Service/Method), which
// is the path of the request that it becomes, and their authority, which is its
// host, rewritten. It is made by NewGRPC; the zero value is not ready.
//
// It is not for servers: there a method has been looked up before an interceptor
// is called.
type GRPC struct {
	rules rules
	next  grpc.ClientConnInterface
}

var _ grpc.ClientConnInterface = (*GRPC)(nil)

// NewGRPC makes the connection, on top of the one that calls go on by, which the
// caller closes. With a host in a rule its credentials must let a call choose the
// authority (credentials.AuthorityValidator), as those of TLS do for names that
// the server's certificate has.
func NewGRPC(s Spec, next grpc.ClientConnInterface) (*GRPC, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	return &GRPC{rules: compile(s), next: next}, nil
}

// Invoke makes a call. A method that a rule leaves with half an escape (%4) fails
// with the code InvalidArgument; other errors are those of the connection.
func (g *GRPC) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	method, opts, err := g.rewritten(method, opts)
	if err != nil {
		return err
	}
	return g.next.Invoke(ctx, method, args, reply, opts...)
}

// NewStream begins a stream, with the errors of Invoke.
func (g *GRPC) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	method, opts, err := g.rewritten(method, opts)
	if err != nil {
		return nil, err
	}
	return g.next.NewStream(ctx, desc, method, opts...)
}

func (g *GRPC) rewritten(method string, opts []grpc.CallOption) (string, []grpc.CallOption, error) {
	path, _, _ := strings.Cut(method, "?")
	to, host, ok := g.rules.rewritten(path)
	if !ok {
		return method, opts, nil
	}
	if _, err := url.PathUnescape(to); err != nil {
		return "", nil, status.Errorf(codes.InvalidArgument, "rewrite: method %s would become %s: %v", path, to, err)
	}
	if host != "" {
		opts = append(slices.Clip(opts), grpc.CallAuthority(host))
	}
	return to + method[len(path):], opts, nil
}
