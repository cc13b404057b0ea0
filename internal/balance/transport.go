package balance

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Transport sends a client's requests to the hosts of a group, whatever host
// their URL has. It answers itself, with 503 and Envoy's words, where no host
// may be asked or the breaker is open.
type Transport struct {
	Next    http.RoundTripper
	Group   *Group
	Breaker *Breaker                // nil: no limits
	Key     func(*http.Request) Key // nil: without
}

// Envoy's words.
const (
	noHost   = "no healthy upstream"
	overflow = "upstream connect error or disconnect/reset before headers. reset reason: overflow"
)

// patience is Envoy's for a response, waiting for a connection included.
const patience = 15 * time.Second

// NewTransport makes a transport over addresses (host:port), in one group of
// its own. Close it.
func NewTransport(next http.RoundTripper, c Config, addrs []string, change func(int, *Member)) *Transport {
	return &Transport{Next: next, Group: newGroupOf(c, addrs, change)}
}

func newGroupOf(c Config, addrs []string, change func(int, *Member)) *Group {
	members := make([]Member, len(addrs))
	for i, addr := range addrs {
		members[i].Addr = addr
		if change != nil {
			change(i, &members[i])
		}
	}
	g := NewGroup(nil)
	g.Set(c, members)
	return g
}

// Close ends what runs beside the requests.
func (t *Transport) Close() error {
	t.Group.Close()
	return nil
}

// RoundTrip sends one request.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.Breaker != nil {
		verdict := t.Breaker.Enter(func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(r.Context(), patience)
		})
		switch verdict {
		case Overflow:
			return refuse(r, overflow), nil
		case Waited:
			return nil, errors.Join(context.DeadlineExceeded, r.Context().Err())
		}
	}
	var key Key
	if t.Key != nil {
		key = t.Key(r)
	}
	h := t.Group.Pick(key)
	if h == nil {
		t.leave()
		return refuse(r, noHost), nil
	}
	sent := r.Clone(r.Context())
	sent.URL.Host = h.Addr
	resp, err := t.Next.RoundTrip(sent)
	if err != nil {
		t.Group.Done(h, 0, faultOf(r, err))
		t.leave()
		return nil, err
	}
	resp.Body = &ending{ReadCloser: resp.Body, end: func(f Fault) {
		t.Group.Done(h, resp.StatusCode, f)
		t.leave()
	}}
	return resp, nil
}

func (t *Transport) leave() {
	if t.Breaker != nil {
		t.Breaker.Leave()
	}
}

func faultOf(r *http.Request, err error) Fault {
	var timeout net.Error
	switch {
	case errors.Is(r.Context().Err(), context.Canceled):
		return NoConclusion
	case errors.As(err, &timeout) && timeout.Timeout():
		return Slow
	}
	return Unreachable
}

// ending is a body whose end is told once.
type ending struct {
	io.ReadCloser
	once sync.Once
	end  func(Fault)
}

func (e *ending) Read(b []byte) (int, error) {
	n, err := e.ReadCloser.Read(b)
	switch {
	case errors.Is(err, io.EOF):
		e.once.Do(func() { e.end(NoFault) })
	case err != nil && errors.Is(err, context.Canceled):
		e.once.Do(func() { e.end(NoConclusion) })
	case err != nil:
		e.once.Do(func() { e.end(Unreachable) })
	}
	return n, err
}

func (e *ending) Close() error {
	err := e.ReadCloser.Close()
	e.once.Do(func() { e.end(NoFault) })
	return err
}

func refuse(r *http.Request, words string) *http.Response {
	if r.Body != nil {
		r.Body.Close()
	}
	return &http.Response{
		Status: "503 Service Unavailable", StatusCode: http.StatusServiceUnavailable, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(words)), ContentLength: int64(len(words)), Request: r,
	}
}
