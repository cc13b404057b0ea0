package routecontext

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// GRPC is the library form for clients of gRPC: interceptors that send each call
// to the service that the rules choose. Headers and cookies are those of the
// call's outgoing metadata; every call is a POST without a query.
type GRPC struct {
	router    router
	services  []*grpc.ClientConn
	names     []string // of metadata that the rules look at
	canonical []string // as keys of http.Header
}

// NewGRPC makes the interceptors; services are connections to each service, in
// their order. The caller closes them.
func NewGRPC(s Spec, services []*grpc.ClientConn) (*GRPC, error) {
	s, err := s.complete()
	if err != nil {
		return nil, err
	}
	if len(services) < Services {
		return nil, fmt.Errorf("route-context: %d connections are given, and there are %d services to choose between", len(services), Services)
	}
	g := &GRPC{router: newRouter(s), services: services}
	seen := map[string]bool{}
	for _, r := range s.Rules {
		for _, c := range r.When {
			name := c.metadata()
			if name != "" && !seen[name] {
				seen[name] = true
				g.names, g.canonical = append(g.names, name), append(g.canonical, http.CanonicalHeaderKey(name))
			}
		}
	}
	return g, nil
}

// metadata is the name of the metadata that the condition looks at; empty: none.
func (c Condition) metadata() string {
	switch c.From {
	case Header:
		return c.Name
	case Cookie:
		return "cookie"
	case Identity:
		return "x-forwarded-client-cert"
	}
	return ""
}

// Unary is an interceptor for a connection (grpc.WithUnaryInterceptor).
func (g *GRPC) Unary(ctx context.Context, method string, req, reply any, _ *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(ctx, method, req, reply, g.choose(ctx, method), opts...)
}

// Stream is an interceptor for a connection (grpc.WithStreamInterceptor).
func (g *GRPC) Stream(ctx context.Context, desc *grpc.StreamDesc, _ *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return stream(ctx, desc, g.choose(ctx, method), method, opts...)
}

// choose asks the rules about the call as the HTTP request that it will be.
func (g *GRPC) choose(ctx context.Context, method string) *grpc.ClientConn {
	h := make(http.Header, len(g.names))
	if md, ok := metadata.FromOutgoingContext(ctx); ok {
		for i, name := range g.names {
			if values := md[name]; len(values) > 0 {
				h[g.canonical[i]] = values
			}
		}
	}
	r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: method}, Header: h}
	return g.services[g.router.service(r.WithContext(ctx))]
}
