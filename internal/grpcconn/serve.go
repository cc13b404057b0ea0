package grpcconn

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc"
)

// Serve answers on the listener until the context ends, and returns when all
// that was under way has been cut off.
func Serve(ctx context.Context, s *grpc.Server, l net.Listener) error {
	stop := context.AfterFunc(ctx, s.Stop)
	defer stop()
	err := s.Serve(l)
	if ctx.Err() != nil || errors.Is(err, grpc.ErrServerStopped) {
		return ctx.Err()
	}
	return err
}
