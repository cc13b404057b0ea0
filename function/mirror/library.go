package mirror

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/taremesh/tare/function"
)

// Transport is the library form: a round tripper that sends requests to the
// first service and copies to the second. Close it.
type Transport struct {
	*copies
	next     http.RoundTripper
	services []string
}

// NewTransport wraps a round tripper; services are addresses (host:port).
func NewTransport(s Spec, services []string, next http.RoundTripper) (*Transport, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	if len(services) < Services {
		return nil, fmt.Errorf("mirror: %d services are given: want %d", len(services), Services)
	}
	return &Transport{copies: newCopies(s), next: next, services: services}, nil
}

// RoundTrip sends the request, and its copy behind it.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	own := function.Send(r, t.services[0])
	if !t.wanted() {
		return t.next.RoundTrip(own)
	}
	twin := function.Send(r, t.services[1])
	twin.Header, twin.Body, twin.GetBody = r.Header.Clone(), http.NoBody, nil
	if r.Body == nil || r.Body == http.NoBody {
		t.copy(twin)
		return t.next.RoundTrip(own)
	}
	c := &collector{done: func(body []byte, whole bool) {
		if !whole {
			t.skipped.Add(1)
			return
		}
		twin.Body = io.NopCloser(bytes.NewReader(body))
		twin.ContentLength, twin.TransferEncoding = int64(len(body)), nil
		t.copy(twin)
	}}
	own.Body = c.over(r.Body)
	if again := r.GetBody; again != nil {
		own.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			if err != nil {
				return nil, err
			}
			return c.over(body), nil
		}
	}
	return t.next.RoundTrip(own)
}

// copy sends the copy, if there is room for it.
func (t *Transport) copy(twin *http.Request) {
	t.begin(twin.Context(), func(ctx context.Context) {
		resp, err := t.next.RoundTrip(twin.WithContext(ctx))
		if err != nil {
			return // what becomes of a copy changes nothing
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	})
}

// collector keeps what is read of a body, and hands it on once, at its end.
type collector struct {
	once sync.Once
	done func(body []byte, whole bool)
}

// over reads the body from its beginning.
func (c *collector) over(body io.ReadCloser) io.ReadCloser {
	return &collecting{ReadCloser: body, of: c}
}

type collecting struct {
	io.ReadCloser
	of   *collector
	kept []byte
	long bool
}

func (c *collecting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if len(c.kept)+n > MostBody {
		c.kept, c.long = nil, true
	}
	if !c.long {
		c.kept = append(c.kept, p[:n]...)
	}
	if err == io.EOF {
		c.of.once.Do(func() { c.of.done(c.kept, !c.long) })
	}
	return n, err
}
