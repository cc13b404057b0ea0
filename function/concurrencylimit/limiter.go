package concurrencylimit

import (
	"context"
	"net/http"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// limiter counts what is under way: library and the embedded plane's filter
// are its callers.
type limiter struct {
	limit int64
	under atomic.Int64
}

// enter takes a place; false when there is none. Who has one leaves once.
func (l *limiter) enter() bool {
	for {
		n := l.under.Load()
		if n >= l.limit {
			return false
		}
		if l.under.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (l *limiter) leave() { l.under.Add(-1) }

// refusal is the body of a refusal: Envoy's.
const refusal = "reached concurrency limit"

// Middleware lets at most limit requests into a handler at a time and answers
// the others with the status.
func Middleware(limit, status int) func(http.Handler) http.Handler {
	l := &limiter{limit: int64(limit)}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !l.enter() {
				w.Header().Set("content-type", "text/plain")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(refusal)) // a client that is gone misses nothing
				return
			}
			defer l.leave()
			next.ServeHTTP(w, r)
		})
	}
}

// Interceptors let at most limit calls into a gRPC server at a time, of both
// kinds together, and refuse the others with ResourceExhausted.
func Interceptors(limit int) (grpc.UnaryServerInterceptor, grpc.StreamServerInterceptor) {
	l := &limiter{limit: int64(limit)}
	refused := status.Error(codes.ResourceExhausted, refusal)
	unary := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if !l.enter() {
			return nil, refused
		}
		defer l.leave()
		return handle(ctx, req)
	}
	stream := func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		if !l.enter() {
			return refused
		}
		defer l.leave()
		return handle(srv, ss)
	}
	return unary, stream
}
