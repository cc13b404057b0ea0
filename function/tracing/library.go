package tracing

import (
	"net/http"
	"runtime"

	"github.com/taremesh/tare/function"
)

// middleware is the library form. The headers of the request that the handler
// gets name its span: what it calls with them joins the trace.
func middleware(spec function.Spec) (func(http.Handler) http.Handler, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	e := newExporter(s.Service, func() (string, bool) { return s.Collector, true })
	t := &tracer{Spec: s, exporter: e}
	runtime.AddCleanup(t, func(e *exporter) { go e.Close() }, e)
	return t.wrap, nil
}

// tracer makes spans in an application.
type tracer struct {
	Spec
	exporter *exporter
}

func (t *tracer) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		work, ok := formats[t.Propagation].begin(t.Sample, r.Header.Get, func(name, value string) {
			if r.Header.Del(name); value != "" {
				r.Header.Set(name, value)
			}
		})
		if !ok || !work.sampled {
			next.ServeHTTP(w, r)
			return
		}
		seen := &watched{ResponseWriter: w, status: http.StatusOK}
		defer func() { t.exporter.finish(work, r.Method, answered(seen.status)) }()
		next.ServeHTTP(seen, r)
	})
}

// watched notes the status of a response.
type watched struct {
	http.ResponseWriter
	status int
	begun  bool
}

// WriteHeader notes the first final status.
func (w *watched) WriteHeader(status int) {
	if !w.begun && status >= http.StatusOK {
		w.status, w.begun = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is below.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
