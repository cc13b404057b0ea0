package accesslog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/taremesh/tare/function"
)

// middleware is the library form: Middleware, into the file.
func middleware(spec function.Spec) (func(http.Handler) http.Handler, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("access-log: open the log: %w", err)
	}
	return Middleware(slog.New(NewHandler(f))), nil
}

// The keys of a line's attributes.
const (
	keyBegan     = "began"
	keyMethod    = "method"
	keyPath      = "path"
	keyProtocol  = "protocol"
	keyStatus    = "status"
	keyReceived  = "received"
	keySent      = "sent"
	keyTook      = "took"
	keyAgent     = "user_agent"
	keyAuthority = "authority"
)

// Middleware logs each request, when its handler has returned, as one record
// of the logger with the attributes began, method, path, protocol, status,
// received, sent, took, user_agent and authority. A handler that panics has
// answered with what it had begun.
func Middleware(l *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began, target, agent := time.Now(), r.RequestURI, r.UserAgent()
			body := &counted{ReadCloser: r.Body}
			if r = r.Clone(r.Context()); r.Body != nil && r.Body != http.NoBody {
				r.Body = body
			}
			seen := &watched{ResponseWriter: w, head: r.Method == http.MethodHead}
			defer func() {
				l.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelInfo, "request",
					slog.Time(keyBegan, began), slog.String(keyMethod, r.Method), slog.String(keyPath, target), slog.String(keyProtocol, r.Proto),
					slog.Int(keyStatus, seen.final()), slog.Int64(keyReceived, body.count()), slog.Int64(keySent, seen.sent),
					slog.Duration(keyTook, time.Since(began)), slog.String(keyAgent, agent), slog.String(keyAuthority, r.Host))
			}()
			next.ServeHTTP(seen, r)
		})
	}
}

// counted counts what is read of a request's body.
type counted struct {
	io.ReadCloser
	mu sync.Mutex // a transport may still read when its handler has returned
	n  int64
}

// Read counts.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += int64(n)
	return n, err
}

func (c *counted) count() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// watched notes the status of a response, and counts its body.
type watched struct {
	http.ResponseWriter
	head   bool // whose body is not sent
	status int
	sent   int64
}

// WriteHeader notes the first final status.
func (w *watched) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts.
func (w *watched) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	if !w.head {
		w.sent += int64(n)
	}
	return n, err
}

// Unwrap lets http.ResponseController reach what is below.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watched) final() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// NewHandler writes Middleware's records as lines of the common format, each
// with one Write. Other records, groups and attributes are not meant for it.
func NewHandler(w io.Writer) slog.Handler { return &lines{w: w} }

type lines struct {
	mu sync.Mutex
	w  io.Writer
}

// Enabled is true from info on.
func (*lines) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// WithAttrs has no place in the format for more attributes.
func (l *lines) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup has no place in the format for groups.
func (l *lines) WithGroup(string) slog.Handler { return l }

// Handle writes one line.
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	given := map[string]slog.Value{}
	r.Attrs(func(a slog.Attr) bool {
		given[a.Key] = a.Value
		return true
	})
	text := func(key string) string {
		if v := given[key].String(); given[key].Kind() == slog.KindString && v != "" {
			return v
		}
		return "-"
	}
	number := func(key string) string {
		if v := given[key]; v.Kind() == slog.KindInt64 {
			return strconv.FormatInt(v.Int64(), 10)
		}
		return "-"
	}
	began, took := r.Time, time.Duration(0)
	if v := given[keyBegan]; v.Kind() == slog.KindTime {
		began = v.Time()
	}
	if v := given[keyTook]; v.Kind() == slog.KindDuration {
		took = v.Duration()
	}
	line := fmt.Sprintf("[%s] \"%s %s %s\" %s %s %s %d \"%s\" \"%s\" \"-\"\n", began.UTC().Format("2006-01-02T15:04:05.000Z"),
		text(keyMethod), text(keyPath), text(keyProtocol), number(keyStatus), number(keyReceived), number(keySent), took.Milliseconds(),
		text(keyAgent), text(keyAuthority))
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := io.WriteString(l.w, line)
	return err
}
