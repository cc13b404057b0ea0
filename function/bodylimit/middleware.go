package bodylimit

import (
	"bytes"
	"io"
	"net/http"
)

// Middleware reads the body of each request before a handler has it, and
// answers those with 413 that are longer than limit bytes.
func Middleware(limit int64) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Body == nil || r.Body == http.NoBody {
				next.ServeHTTP(w, r)
				return
			}
			if r.ContentLength > limit {
				refuse(w)
				return
			}
			body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
			switch {
			case err != nil:
				http.Error(w, "body: "+err.Error(), http.StatusBadRequest)
			case int64(len(body)) > limit:
				refuse(w)
			default:
				whole := new(http.Request)
				*whole = *r
				whole.Body = io.NopCloser(bytes.NewReader(body))
				next.ServeHTTP(w, whole)
			}
		})
	}
}

// refuse ends the connection too: what the client still sends is not read.
func refuse(w http.ResponseWriter) {
	w.Header().Set("connection", "close")
	http.Error(w, "Payload Too Large", http.StatusRequestEntityTooLarge)
}
