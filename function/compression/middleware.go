package compression

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

// Middleware compresses the responses of a handler.
func Middleware(s Spec) (func(http.Handler) http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(s.Least), gzhttp.ContentTypes(s.Types), gzhttp.EnableZstd(false), gzhttp.DropETag())
	if err != nil {
		return nil, fmt.Errorf("compression: make middleware: %w", err)
	}
	return func(next http.Handler) http.Handler {
		return wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&marked{ResponseWriter: w}, r)
		}))
	}, nil
}

// marked tells gzhttp of responses that are not to be changed, of which it
// does not know.
type marked struct {
	http.ResponseWriter
	begun bool
}

func (m *marked) WriteHeader(status int) {
	if !m.begun && status >= http.StatusOK {
		m.begun = true
		if fixed(m.Header().Get("cache-control"), status) {
			m.Header().Set(gzhttp.HeaderNoCompression, "1")
		}
	}
	m.ResponseWriter.WriteHeader(status)
}

func (m *marked) Write(b []byte) (int, error) {
	if !m.begun {
		m.WriteHeader(http.StatusOK)
	}
	return m.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through; Flush and Hijack are for handlers
// that ask for them by type.
func (m *marked) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// Flush sends on what there is, where that can be done.
func (m *marked) Flush() { _ = http.NewResponseController(m.ResponseWriter).Flush() }

// Hijack hands over the connection.
func (m *marked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(m.ResponseWriter).Hijack()
}

// fixed reports whether a response is not to be changed.
func fixed(cacheControl string, status int) bool {
	return status == http.StatusPartialContent || strings.Contains(strings.ToLower(cacheControl), "no-transform")
}
