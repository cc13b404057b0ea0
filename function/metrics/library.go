package metrics

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/taremesh/tare/function"
)

// The names of the metrics, and the label of paths that are not listed.
const (
	requests = "tare_requests_total"
	seconds  = "tare_request_seconds"
	others   = "other"
)

// middleware is the library form, with a registry of its own.
func middleware(spec function.Spec) (func(http.Handler) http.Handler, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	wrap, err := Middleware(registry, s)
	if err != nil {
		return nil, err
	}
	figures := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	return func(next http.Handler) http.Handler {
		counted := wrap(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == s.Path {
				figures.ServeHTTP(w, r)
				return
			}
			counted.ServeHTTP(w, r)
		})
	}, nil
}

// Middleware counts requests in a registry of the caller's; where the figures
// are shown is the caller's affair, so Spec.Path does not matter.
func Middleware(registry prometheus.Registerer, s Spec) (func(http.Handler) http.Handler, error) {
	f, err := newTally(registry, s)
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began, path, seen := time.Now(), r.URL.Path, &watched{ResponseWriter: w}
			defer func() { f.add(path, seen.status, began) }()
			next.ServeHTTP(seen, r)
		})
	}, nil
}

// tally is what is counted, by the libraries for net/http and for gRPC alike.
type tally struct {
	spec  Spec
	count *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

func newTally(registry prometheus.Registerer, s Spec) (*tally, error) {
	count := prometheus.NewCounterVec(prometheus.CounterOpts{Name: requests, Help: "Requests by path and class of status."}, []string{"path", "class"})
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: seconds, Help: "Time from a request's head to its response's end.", Buckets: s.Buckets}, []string{"path"})
	for _, c := range []prometheus.Collector{count, took} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("metrics: register: %w", err)
		}
	}
	return &tally{s, count, took}, nil
}

// add counts a request that began then and has ended now.
func (f *tally) add(path string, status int, began time.Time) {
	path = f.spec.label(path)
	f.count.WithLabelValues(path, class(status)).Inc()
	f.took.WithLabelValues(path).Observe(time.Since(began).Seconds())
}

func (s Spec) label(path string) string {
	if slices.Contains(s.Paths, path) {
		return path
	}
	return others
}

// class is 2xx of 204; a handler that set no status has answered with 200.
func class(status int) string {
	if status == 0 {
		status = http.StatusOK
	}
	return strconv.Itoa(status/100) + "xx"
}

// watched notes the status of a response.
type watched struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first final status.
func (w *watched) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
