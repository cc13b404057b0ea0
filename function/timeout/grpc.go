package timeout

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"
)

// UnaryClientInterceptor ends a call that takes longer than d with the status
// DeadlineExceeded. A call whose context has less time left keeps that.
func UnaryClientInterceptor(d time.Duration) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		return invoke(ctx, method, req, reply, cc, opts...)
	}
}

// StreamClientInterceptor ends a stream that takes longer than d, from its
// beginning to its end, with the status DeadlineExceeded. A stream whose context
// has less time left keeps that.
func StreamClientInterceptor(d time.Duration) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		ctx, cancel := context.WithTimeout(ctx, d)
		s, err := stream(ctx, desc, cc, method, append(slices.Clip(opts), grpc.OnFinish(func(error) { cancel() }))...)
		if err != nil {
			cancel()
		}
		return s, err
	}
}
