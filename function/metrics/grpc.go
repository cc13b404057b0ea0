package metrics

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// GRPC is the library form for servers of gRPC: interceptors that count calls and
// streams, each once, by full method as the path and by the class of the HTTP
// status that its code stands for: 2xx is OK, 5xx what the server is to blame for
// (Unknown, DeadlineExceeded, Unimplemented, Internal, Unavailable, DataLoss), 4xx
// the rest. It is made by NewGRPC; the zero value is not ready.
type GRPC struct{ tally *tally }

// NewGRPC counts in a registry of the caller's; where the figures are shown is
// the caller's affair, so Spec.Path does not matter. In one that Middleware has,
// they need a label of their own (prometheus.WrapRegistererWith).
func NewGRPC(registry prometheus.Registerer, s Spec) (*GRPC, error) {
	f, err := newTally(registry, s)
	if err != nil {
		return nil, err
	}
	return &GRPC{f}, nil
}

// Unary is an interceptor for a server (grpc.UnaryInterceptor).
func (g *GRPC) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	began := time.Now()
	resp, err := handle(ctx, req)
	g.tally.add(info.FullMethod, statusOf(err), began)
	return resp, err
}

// Stream is an interceptor for a server (grpc.StreamInterceptor).
func (g *GRPC) Stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	began := time.Now()
	err := handle(srv, s)
	g.tally.add(info.FullMethod, statusOf(err), began)
	return err
}

// statusOf is an HTTP status of the class that an error's code stands for.
func statusOf(err error) int {
	switch status.Code(err) {
	case codes.OK:
		return http.StatusOK
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}
