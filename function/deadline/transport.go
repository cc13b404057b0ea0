package deadline

import (
	"context"
	"io"
	"net/http"
	"time"
)

// Transport wraps a round tripper so that a request says in its header how long
// its caller still waits, and fails with context.DeadlineExceeded when that is
// over: the least of what its context has left, what its header says already,
// and the most. A request for gRPC's header that is not gRPC's goes as it is.
func Transport(s Spec, next http.RoundTripper) http.RoundTripper { return transport{s, next} }

type transport struct {
	spec Spec
	next http.RoundTripper
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.spec.holds(r) {
		return t.next.RoundTrip(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), t.spec.left(r))
	r = r.Clone(ctx)
	if end, ok := ctx.Deadline(); ok {
		r.Header.Set(t.spec.Header, Format(time.Until(end)))
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			err = context.DeadlineExceeded // not what the transport made of it
		}
		cancel()
		return nil, err
	}
	if w, ok := resp.Body.(io.ReadWriteCloser); ok { // the protocol was switched: it is no response any more
		resp.Body = upgraded{w, cancel}
		return resp, nil
	}
	resp.Body = body{resp.Body, cancel}
	return resp, nil
}

// Middleware gives a handler a context that ends when the caller of its request
// waits no longer.
func Middleware(s Spec) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !s.holds(r) {
				next.ServeHTTP(w, r)
				return
			}
			ctx, cancel := context.WithTimeout(r.Context(), s.left(r))
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// holds reports whether the header means something in a request.
func (s Spec) holds(r *http.Request) bool {
	return s.Header != GRPCHeader || isGRPC(r.Header.Get("content-type"))
}

// left is how long a request may take.
func (s Spec) left(r *http.Request) time.Duration {
	if d, ok := Parse(r.Header.Get(s.Header)); ok && d > 0 {
		return min(d, s.Most.Std())
	}
	return s.Most.Std()
}

// isGRPC reports whether a media type is gRPC's.
func isGRPC(kind string) bool {
	const grpc = "application/grpc"
	return kind == grpc || len(kind) > len(grpc) && kind[:len(grpc)] == grpc && (kind[len(grpc)] == '+' || kind[len(grpc)] == ';')
}

// body ends the time when it is closed.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// upgraded is a connection whose protocol was switched: it lasts as it likes.
type upgraded struct {
	io.ReadWriteCloser
	cancel context.CancelFunc
}

func (u upgraded) Close() error {
	defer u.cancel()
	return u.ReadWriteCloser.Close()
}
