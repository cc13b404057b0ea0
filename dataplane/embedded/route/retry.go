package route

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// Retry says which attempts are followed by another.
type Retry struct {
	Most   int           // attempts beyond the first
	PerTry time.Duration // of one attempt; 0: any time
	// Elsewhere: an endpoint that was tried is not tried again.
	Elsewhere bool

	on       condition
	statuses []int
	headers  []header // of responses
	requests []header // a request without any of them is not tried again
	base     time.Duration
	longest  time.Duration
	resets   []reset
	latest   time.Duration // that a reset may be away
}

// condition is what an attempt may end in, as bits.
type condition uint

const (
	on5xx condition = 1 << iota
	onGatewayError
	onReset
	onResetBeforeRequest
	onConnectFailure
	onRetriable4xx
	onRefusedStream
	onStatusCodes
	onHeaders
	onRateLimited
)

var conditions = map[string]condition{
	"5xx": on5xx, "gateway-error": onGatewayError, "reset": onReset, "reset-before-request": onResetBeforeRequest,
	"connect-failure": onConnectFailure, "retriable-4xx": onRetriable4xx, "refused-stream": onRefusedStream,
	"retriable-status-codes": onStatusCodes, "retriable-headers": onHeaders, "envoy-ratelimited": onRateLimited,
}

// reset is a header that says when to come back.
type reset struct {
	name string
	unix bool // as a time, else as seconds
}

// Envoy's defaults.
const (
	firstBackOff   = 25 * time.Millisecond
	mostBackOff    = 10 // times the first
	latestReset    = 300 * time.Second
	previousHosts  = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
	defaultRetries = 1
)

func newRetry(p *routev3.RetryPolicy) (r *Retry, err error) {
	if p == nil {
		return nil, nil
	}
	r = &Retry{Most: defaultRetries, base: firstBackOff, latest: latestReset}
	if n := p.GetNumRetries(); n != nil {
		r.Most = int(n.GetValue())
	}
	for word := range strings.SplitSeq(p.GetRetryOn(), ",") {
		word = strings.TrimSpace(word)
		c, ok := conditions[word]
		if !ok && word != "" {
			return nil, fmt.Errorf("field retry_on: %q is not supported", word)
		}
		r.on |= c
	}
	if r.PerTry, err = duration("per_try_timeout", p.GetPerTryTimeout()); err != nil {
		return nil, err
	}
	for _, c := range p.GetRetriableStatusCodes() {
		r.statuses = append(r.statuses, int(c))
	}
	if r.headers, err = newHeaders("retriable_headers", p.GetRetriableHeaders()); err != nil {
		return nil, err
	}
	if r.requests, err = newHeaders("retriable_request_headers", p.GetRetriableRequestHeaders()); err != nil {
		return nil, err
	}
	for i, h := range p.GetRetryHostPredicate() {
		if h.GetTypedConfig().GetTypeUrl() != previousHosts {
			return nil, fmt.Errorf("field retry_host_predicate[%d]: %s is not supported, %s is", i, h.GetTypedConfig().GetTypeUrl(), previousHosts)
		}
		r.Elsewhere = true
	}
	return r, r.backOff(p)
}

func newHeaders(field string, all []*routev3.HeaderMatcher) (out []header, err error) {
	for i, m := range all {
		h, err := newHeader(m)
		if err != nil {
			return nil, fmt.Errorf("field %s[%d]: %w", field, i, err)
		}
		out = append(out, h)
	}
	return out, nil
}

func (r *Retry) backOff(p *routev3.RetryPolicy) (err error) {
	if b := p.GetRetryBackOff(); b != nil {
		if r.base, err = duration("retry_back_off.base_interval", b.GetBaseInterval()); err != nil {
			return err
		}
		if r.longest, err = duration("retry_back_off.max_interval", b.GetMaxInterval()); err != nil {
			return err
		}
		if r.base == 0 {
			return errors.New("field retry_back_off.base_interval: must be more than nothing")
		}
		r.base = max(r.base, time.Millisecond)
	}
	if r.longest == 0 {
		r.longest = mostBackOff * r.base
	}
	if r.longest < r.base {
		return errors.New("field retry_back_off.max_interval: is less than base_interval")
	}
	b := p.GetRateLimitedRetryBackOff()
	if b == nil {
		return nil
	}
	for i, h := range b.GetResetHeaders() {
		if h.GetName() == "" {
			return fmt.Errorf("field rate_limited_retry_back_off.reset_headers[%d].name: is required", i)
		}
		r.resets = append(r.resets, reset{strings.ToLower(h.GetName()), h.GetFormat() == routev3.RetryPolicy_UNIX_TIMESTAMP})
	}
	if b.GetMaxInterval() != nil {
		r.latest, err = duration("rate_limited_retry_back_off.max_interval", b.GetMaxInterval())
	}
	return err
}

// Applies reports whether a request may be tried again at all.
func (r *Retry) Applies(x Request) bool {
	if r.Most == 0 || r.on == 0 {
		return false
	}
	for i := range r.requests {
		if r.requests[i].matches(x) {
			return true
		}
	}
	return len(r.requests) == 0
}

// Copier is a head whose fields can be read.
type Copier interface {
	Copy(name string, before int) (value []byte, ok bool)
}

// Answered reports whether a response is followed by another attempt.
func (r *Retry) Answered(status int, h Copier) bool {
	_, limited := h.Copy("x-envoy-ratelimited", 0)
	switch {
	case limited:
		return r.on&onRateLimited != 0
	case status >= 500 && r.on&on5xx != 0,
		status >= 502 && status <= 504 && r.on&onGatewayError != 0,
		status == 409 && r.on&onRetriable4xx != 0,
		r.on&onStatusCodes != 0 && slices.Contains(r.statuses, status):
		return true
	case r.on&onHeaders == 0:
		return false
	}
	for i := range r.headers {
		if r.headers[i].matches(answer{h, status}) {
			return true
		}
	}
	return false
}

// answer shows a response to matchers of headers.
type answer struct {
	Copier
	status int
}

func (answer) Method() []byte { return nil }
func (answer) Path() []byte   { return nil }
func (answer) Host() []byte   { return nil }

func (a answer) Copy(name string, before int) ([]byte, bool) {
	if name == ":status" {
		return strconv.AppendInt(nil, int64(a.status), 10), before == 0
	}
	return a.Copier.Copy(name, before)
}

// Failed reports whether an attempt without a response is followed by another:
// one that was not connected, or of which nothing had been sent.
func (r *Retry) Failed(connected, sent bool) bool {
	switch {
	case r.on&(onReset|on5xx|onGatewayError) != 0:
		return true
	case !connected && r.on&onConnectFailure != 0:
		return true
	}
	return !sent && r.on&onResetBeforeRequest != 0
}

// Wait is how long to wait before the attempt that follows so many others. The
// response, if there was one, may have said it.
func (r *Retry) Wait(tries int, h Copier, now time.Time, random uint64) time.Duration {
	if h != nil {
		if d, ok := r.asked(h, now); ok {
			return d + time.Duration(random%uint64(max(d/2, 1)))
		}
	}
	interval := r.base
	for range tries - 1 {
		if interval >= r.longest {
			break
		}
		interval *= 2
	}
	interval = min(interval, r.longest)
	return time.Duration(random % uint64(interval))
}

// asked is how long the response wants to be left alone.
func (r *Retry) asked(h Copier, now time.Time) (time.Duration, bool) {
	for _, s := range r.resets {
		text, ok := h.Copy(s.name, 0)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil || n < 0 || n > 1<<40 {
			continue
		}
		seconds := n
		if s.unix {
			seconds = n - now.Unix()
		}
		if seconds > int64(latestReset/time.Second)*1000 {
			continue
		}
		if d := time.Duration(seconds) * time.Second; d > 0 && d <= r.latest {
			return d, true
		}
	}
	return 0, false
}
