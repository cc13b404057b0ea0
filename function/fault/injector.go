package fault

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// The headers by which a caller asks for faults: Envoy's.
const (
	DelayHeader        = "x-envoy-fault-delay-request"
	DelayPercentHeader = "x-envoy-fault-delay-request-percentage"
	AbortHeader        = "x-envoy-fault-abort-request"
	AbortPercentHeader = "x-envoy-fault-abort-request-percentage"
)

// parts is what a whole is divided into when a share is drawn.
const parts = 1_000_000

// injector draws the faults of requests: library and the embedded plane's
// filter are two of its callers.
type injector struct {
	delay, abort *source
	draw         func(n uint32) uint32 // below n, evenly
}

// source is where one kind of fault comes from.
type source struct {
	header, percentHeader string // empty: not the caller
	value                 int64  // without a header
	share                 uint32 // of parts; with a header the most that a caller gets
	least, most           int64  // of what a caller may ask for
}

func newInjector(s Spec) injector {
	i := injector{draw: rand.Uint32N}
	if d := s.Delay; d != nil {
		i.delay = &source{value: d.Time.Std().Milliseconds(), share: partsOf(d.Percent)}
		if d.ByHeader {
			i.delay = delayByHeader(parts)
		}
	}
	if a := s.Abort; a != nil {
		i.abort = &source{value: int64(a.Status), share: partsOf(a.Percent)}
		if a.ByHeader {
			i.abort = abortByHeader(parts)
		}
	}
	return i
}

func delayByHeader(share uint32) *source {
	return &source{header: DelayHeader, percentHeader: DelayPercentHeader, share: share, most: longestDelay.Milliseconds()}
}

func abortByHeader(share uint32) *source {
	return &source{header: AbortHeader, percentHeader: AbortPercentHeader, share: share, least: leastStatus, most: mostStatus}
}

func partsOf(percent *float64) uint32 {
	if percent == nil {
		return parts
	}
	return uint32(*percent*parts/100 + 0.5)
}

// faults are those of one request: how long it is held up, and the status that
// it is answered with then; 0 is neither.
func (i injector) faults(header func(name string) (string, bool)) (time.Duration, int) {
	return time.Duration(i.delay.drawn(header, i.draw)) * time.Millisecond, int(i.abort.drawn(header, i.draw))
}

func (s *source) drawn(header func(string) (string, bool), draw func(uint32) uint32) int64 {
	if s == nil {
		return 0
	}
	value, share := s.value, s.share
	if s.header != "" {
		var ok bool
		if value, ok = asked(header, s.header); !ok || value < s.least || value > s.most {
			return 0
		}
		if percent, ok := asked(header, s.percentHeader); ok && percent <= 100 {
			share = min(share, uint32(percent)*(parts/100))
		}
	}
	if share == 0 || share < parts && draw(parts) >= share {
		return 0
	}
	return value
}

// asked is the number in a header.
func asked(header func(string) (string, bool), name string) (int64, bool) {
	text, ok := header(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 32)
	return int64(n), err == nil
}

// Middleware holds up and answers requests before they reach a handler.
func Middleware(s Spec) func(http.Handler) http.Handler {
	i := newInjector(s)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			delay, status := i.faults(func(name string) (string, bool) {
				v := r.Header.Values(name)
				return r.Header.Get(name), len(v) > 0
			})
			if delay > 0 && !wait(r.Context(), delay) {
				return
			}
			if status != 0 {
				w.Header().Set("content-type", "text/plain")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(abortBody)) // a client that is gone misses nothing
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// abortBody is Envoy's.
const abortBody = "fault filter abort"

// wait reports whether the caller has waited too.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
