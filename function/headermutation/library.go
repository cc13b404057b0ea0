package headermutation

import (
	"net/http"
)

// NewMiddleware is the library form: a handler wrapped so gets requests with
// their headers changed, and what it answers has its own changed.
func NewMiddleware(s Spec) (func(http.Handler) http.Handler, error) {
	s, err := s.complete()
	if err != nil {
		return nil, err
	}
	request, response := ready(s.Request), ready(s.Response)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(request) > 0 {
				r = r.WithContext(r.Context())
				r.Header = request.on(r.Header.Clone())
			}
			if len(response) == 0 {
				next.ServeHTTP(w, r)
				return
			}
			c := &writer{ResponseWriter: w, changes: response}
			next.ServeHTTP(c, r)
			c.head() // of a response without a body
		})
	}, nil
}

// mutations are changes to a map of headers: names are as its keys.
type mutations []Mutation

func ready(ms []Mutation) (all mutations) {
	for _, m := range ms {
		m.Name = http.CanonicalHeaderKey(m.Name)
		all = append(all, m)
	}
	return all
}

// on changes the headers in place.
func (ms mutations) on(h http.Header) http.Header {
	for _, m := range ms {
		switch m.Op {
		case Set:
			h[m.Name] = []string{m.Value}
		case Append:
			h[m.Name] = append(h[m.Name], m.Value)
		case Remove:
			delete(h, m.Name)
		}
	}
	return h
}

// writer changes the headers of a response when they are sent.
type writer struct {
	http.ResponseWriter
	changes mutations
	done    bool
}

func (w *writer) head() {
	if w.done {
		return
	}
	w.done = true
	h := w.changes.on(w.Header())
	for _, m := range w.changes {
		if own := m.Name == "Content-Type" || m.Name == "Date"; own && len(h[m.Name]) == 0 {
			h[m.Name] = nil // or net/http adds its own
		}
	}
}

// WriteHeader sends the head; those of the statuses 1xx are only words ahead of it.
func (w *writer) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.head()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the body.
func (w *writer) Write(p []byte) (int, error) {
	w.head()
	return w.ResponseWriter.Write(p)
}

// FlushError sends what there is; the rest of the writer's powers are had by Unwrap.
func (w *writer) FlushError() error {
	w.head()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is FlushError for handlers that look for an http.Flusher.
func (w *writer) Flush() { _ = w.FlushError() } // who cannot flush sends at the end

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
