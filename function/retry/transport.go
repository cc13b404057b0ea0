package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Transport wraps a round tripper so that it sends requests again as the
// parameters say. Each further attempt goes to the next of the addresses
// (host:port); with none, all go where the request goes.
func Transport(s Spec, addrs []string, next http.RoundTripper) http.RoundTripper {
	t := &transport{spec: s, addrs: addrs, next: next}
	client := retryablehttp.NewClient()
	client.Logger = nil
	client.RetryMax = s.Retries
	client.RetryWaitMin, client.RetryWaitMax = s.Base.Std(), s.Longest.Std()
	client.Backoff = backoff
	client.CheckRetry = t.again
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler
	client.HTTPClient = &http.Client{
		Transport:     tries{t},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.loop = &retryablehttp.RoundTripper{Client: client}
	return t
}

// backoff is full jitter.
func backoff(base, longest time.Duration, retries int, _ *http.Response) time.Duration {
	most := longest
	if factor := math.Pow(2, float64(retries)); factor < float64(longest)/float64(base) {
		most = time.Duration(float64(base) * factor)
	}
	return rand.N(most)
}

// transport is what all requests share.
type transport struct {
	spec    Spec
	addrs   []string
	next    http.RoundTripper
	loop    http.RoundTripper
	under   atomic.Int64 // requests under way
	retries atomic.Int64 // that wait or are under way
}

// course is one request's way through its attempts.
type course struct {
	tries int
	holds bool // a place in the budget
}

type courseKey struct{}

func courseOf(ctx context.Context) *course {
	c, _ := ctx.Value(courseKey{}).(*course)
	return c
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.under.Add(1)
	defer t.under.Add(-1)
	c := &course{}
	defer t.release(c)
	again := r.WithContext(context.WithValue(r.Context(), courseKey{}, c))
	again.RequestURI = "" // of a request that came in
	if r.Body != nil {
		defer r.Body.Close()
	}
	return t.loop.RoundTrip(again)
}

// again decides whether there is another attempt, and takes its place in the
// budget.
func (t *transport) again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	c := courseOf(ctx)
	if ctx.Err() != nil || c == nil {
		return false, ctx.Err()
	}
	status := 0
	if err == nil {
		status = resp.StatusCode
	}
	if c.tries > t.spec.Retries || !t.spec.retriable(status, !unconnected(err)) {
		return false, nil
	}
	c.holds = t.acquire()
	return c.holds, nil
}

// unconnected reports whether an attempt found nobody.
func unconnected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// retriable reports whether an attempt that ended in a status, 0 for none, is
// followed by another.
func (s Spec) retriable(status int, connected bool) bool {
	for _, c := range s.On {
		switch {
		case c == On5xx && (status == 0 || status >= 500),
			c == OnGatewayError && (status == 0 || status >= 502 && status <= 504),
			c == OnReset && status == 0,
			c == OnConnectFailure && status == 0 && !connected:
			return true
		}
	}
	return status != 0 && slices.Contains(s.Statuses, status)
}

// acquire takes a place in the budget; false: there is none.
func (t *transport) acquire() bool {
	for {
		n := t.retries.Load()
		if b := t.spec.Budget; b != nil {
			if most := max(int64(float64(t.under.Load())*b.Percent/100), int64(b.Least)); n >= most {
				return false
			}
		}
		if t.retries.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (t *transport) release(c *course) {
	if c.holds {
		c.holds = false
		t.retries.Add(-1)
	}
}

// tries makes one attempt after the other.
type tries struct{ *transport }

// errLate is an attempt that took too long. It is a deadline that was exceeded.
var errLate = fmt.Errorf("retry: the attempt took longer than it may: %w", context.DeadlineExceeded)

func (t tries) RoundTrip(r *http.Request) (*http.Response, error) {
	c := courseOf(r.Context())
	n := c.tries
	c.tries++
	defer t.release(c) // of a retry, when its response has begun
	ctx, cancel := context.WithCancelCause(r.Context())
	r = t.elsewhere(r.WithContext(ctx), n)
	inTime := func() bool { return true }
	if d := t.spec.PerTry.Std(); d > 0 {
		inTime = time.AfterFunc(d, func() { cancel(errLate) }).Stop
	}
	resp, err := t.next.RoundTrip(r)
	if !inTime() {
		if err == nil {
			resp.Body.Close()
		}
		err = errLate
	}
	if err != nil {
		cancel(err)
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols { // it lives on
		context.AfterFunc(r.Context(), func() { cancel(nil) })
		return resp, nil
	}
	resp.Body = body{resp.Body, cancel}
	return resp, nil
}

// elsewhere sends the n-th further attempt to the n-th address after the first.
func (t tries) elsewhere(r *http.Request, n int) *http.Request {
	k := slices.Index(t.addrs, r.URL.Host)
	if n == 0 || k < 0 {
		return r
	}
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	to := *r.URL
	to.Host = t.addrs[(k+n)%len(t.addrs)]
	r.URL = &to
	return r
}

// body ends its attempt's context when it is closed.
type body struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (b body) Close() error {
	defer b.cancel(nil)
	return b.ReadCloser.Close()
}
