package routepath

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
)

// GRPC is the library form for clients of gRPC: the connection of a client, whose
// calls and streams go each to the service of its full method
// (/package.Service/Method), which is the path of the request that it becomes.
// It is made by NewGRPC; the zero value is not ready.
type GRPC struct {
	router   router
	services []grpc.ClientConnInterface
}

var _ grpc.ClientConnInterface = (*GRPC)(nil)

// NewGRPC makes the connection; services are connections to each service, in
// their order. The caller closes them.
func NewGRPC(s Spec, services []grpc.ClientConnInterface) (*GRPC, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	if len(services) < Services {
		return nil, fmt.Errorf("route-path: %d connections are given, and there are %d services to choose between", len(services), Services)
	}
	return &GRPC{router: newRouter(s), services: services}, nil
}

// Invoke makes a call. Errors are those of the connection that was chosen.
func (g *GRPC) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return g.choose(method).Invoke(ctx, method, args, reply, opts...)
}

// NewStream begins a stream. Errors are those of the connection that was chosen.
func (g *GRPC) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return g.choose(method).NewStream(ctx, desc, method, opts...)
}

func (g *GRPC) choose(method string) grpc.ClientConnInterface {
	path, _, _ := strings.Cut(method, "?")
	return g.services[g.router.service(path)]
}
