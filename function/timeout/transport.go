package timeout

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// Transport wraps a round tripper so that a response which has not come to its
// end after the time d fails with context.DeadlineExceeded, and its request is
// cancelled.
func Transport(d time.Duration, next http.RoundTripper) http.RoundTripper {
	return transport{d, next}
}

type transport struct {
	limit time.Duration
	next  http.RoundTripper
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), t.limit)
	resp, err := t.next.RoundTrip(r.WithContext(ctx))
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
	resp.Body = &body{ReadCloser: resp.Body, cancel: cancel}
	return resp, nil
}

// body ends the time when it is read to its end or closed.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
	once   sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.once.Do(b.cancel)
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.once.Do(b.cancel)
	return err
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
