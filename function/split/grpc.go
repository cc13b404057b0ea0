package split

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// GRPC is the library form for clients of gRPC: the connection of a client, whose
// calls and streams go each to a service drawn by weight, or by the values that
// the sticky header has in the call's outgoing metadata: a value's service is
// that of requests of net/http. A stream is drawn once. It is made by NewGRPC; the
// zero value is not ready.
type GRPC struct {
	spec     Spec
	sticky   string
	services []grpc.ClientConnInterface
}

var _ grpc.ClientConnInterface = (*GRPC)(nil)

// NewGRPC makes the connection; services are connections to each service, in
// their order. The caller closes them.
func NewGRPC(s Spec, services []grpc.ClientConnInterface) (*GRPC, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	if len(services) < len(s.Weights) {
		return nil, fmt.Errorf("split: %d connections are given, and there are %d weights", len(services), len(s.Weights))
	}
	return &GRPC{spec: s, sticky: strings.ToLower(s.Sticky), services: services}, nil
}

// Invoke makes a call. Errors are those of the connection that was drawn.
func (g *GRPC) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return g.draw(ctx).Invoke(ctx, method, args, reply, opts...)
}

// NewStream begins a stream. Errors are those of the connection that was drawn.
func (g *GRPC) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return g.draw(ctx).NewStream(ctx, desc, method, opts...)
}

func (g *GRPC) draw(ctx context.Context) grpc.ClientConnInterface {
	var values []string
	if g.sticky != "" {
		md, _ := metadata.FromOutgoingContext(ctx)
		values = md[g.sticky]
	}
	return g.services[g.spec.at(number(values))]
}
