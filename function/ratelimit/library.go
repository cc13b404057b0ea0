package ratelimit

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/taremesh/tare/function"
)

// middleware is the library form: it limits the callers that the request's
// context names, and writes the same headers as the native form.
func middleware(spec function.Spec) (func(http.Handler) http.Handler, error) {
	s, err := specOf(spec)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	l, err := newLimiter(s, func() time.Duration { return time.Since(start) })
	if err != nil {
		return nil, err
	}
	return l.wrap, nil
}

// limiter is the rate limit in an application: the core, by path.
type limiter map[string]allowances

// allowances are the buckets of one path.
type allowances struct {
	users  map[string]*shelf // by subscription
	others *shelf            // holds one bucket
}

func newLimiter(s Spec, now clock) (limiter, error) {
	l := limiter{}
	for _, path := range s.Paths {
		a, err := newAllowances(s, now)
		if err != nil {
			return nil, fmt.Errorf("ratelimit: %w", err)
		}
		l[path] = a
	}
	return l, nil
}

func newAllowances(s Spec, now clock) (allowances, error) {
	a := allowances{users: map[string]*shelf{}}
	for name, rate := range s.Limits {
		limit, err := rate.limit()
		if err != nil {
			return a, err
		}
		a.users[name] = newShelf(limit, 0, now)
	}
	limit, err := s.Others.limit()
	if err != nil {
		return a, err
	}
	a.others = newShelf(limit, 0, now)
	return a, nil
}

// allow decides on one request of the caller.
func (a allowances) allow(c function.Caller) Decision {
	if shelf, listed := a.users[c.Subscription]; listed && c.User != "" {
		return shelf.take(c.User)
	}
	return a.others.take("")
}

func (l limiter) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, limited := l[r.URL.Path]
		if !limited {
			next.ServeHTTP(w, r)
			return
		}
		caller, _ := function.CallerFrom(r.Context())
		d := path.allow(caller)
		h := w.Header()
		h["X-Ratelimit-Limit"] = decimalValues(d.Limit)
		h["X-Ratelimit-Remaining"] = decimalValues(d.Remaining)
		h["X-Ratelimit-Reset"] = decimalValues(seconds(d.Next))
		if d.Allowed {
			next.ServeHTTP(w, r)
			return
		}
		h["Retry-After"] = decimalValues(max(1, seconds(d.Next)))
		h.Set("Content-Type", "text/plain")
		h["Content-Length"] = []string{strconv.Itoa(len(refusal))}
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(refusal))
	})
}
