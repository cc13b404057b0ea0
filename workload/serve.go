package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// Middleware is a function in library form, ready to wrap a handler.
type Middleware = func(http.Handler) http.Handler

// Wrap puts middlewares around a handler, the first one outermost.
func Wrap(h http.Handler, middlewares []Middleware) http.Handler {
	for i := len(middlewares) - 1; i >= 0; i-- {
		h = middlewares[i](h)
	}
	return h
}

// Service is what a service process serves, and its own count of it.
type Service struct {
	Handler http.Handler
	Stats   func() Stats // answered at StatsPath, before Handler
}

// ReadConfig reads a service's configuration, strictly.
func ReadConfig(r io.Reader) (Config, error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	var cfg Config
	if err := d.Decode(&cfg); err != nil {
		return Config{}, fmt.Errorf("read service configuration: %w", err)
	}
	if cfg.Workers < 0 {
		return Config{}, fmt.Errorf("read service configuration: workers is %d, below 0", cfg.Workers)
	}
	return cfg, nil
}

// Announce returns a ready function that writes the Ready as the first line of
// w, the process's standard output. Nobody is left to be told when that fails:
// whoever started the process reads the other end.
func Announce(w io.Writer) func(Ready) {
	return func(r Ready) { _ = json.NewEncoder(w).Encode(r) }
}

// Run is the main part of a service process of a study: it sets GOMAXPROCS to
// the configured workers for as long as it runs, and serves.
func Run(ctx context.Context, cfg Config, s Service, ready func(Ready)) error {
	before := runtime.GOMAXPROCS(max(cfg.Workers, 1))
	defer runtime.GOMAXPROCS(before)
	return Serve(ctx, cfg.Listen, s, ready)
}

// The time that a client has for its headers and its body, that an idle
// connection is kept, and that running requests have at the end. Idle is long,
// since the connections of a study wait while other treatments have their turn.
const (
	headerTime = 10 * time.Second
	bodyTime   = 30 * time.Second
	idleTime   = 10 * time.Minute
	endTime    = 5 * time.Second
	maxHeader  = 16 << 10
)

// Serve listens on addr, calls ready once connections are accepted, and serves
// until the context is done or SIGTERM or SIGINT arrives; running requests are
// then finished. Ending so is no error.
func Serve(ctx context.Context, addr string, s Service, ready func(Ready)) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	server := &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       bodyTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		Protocols:         new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	connections := newListener(l)
	server.RegisterOnShutdown(connections.closeUnused)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(connections) }()
	ready(Ready{Addr: l.Addr().String()})
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	return shutDown(server, failed)
}

func shutDown(server *http.Server, failed <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(fmt.Errorf("requests were still running %s after the end was asked for", endTime), server.Close())
	}
	return errors.Join(err, ended(<-failed))
}

// ended takes away the error that says that the server was asked to end.
func ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s Service) routes() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != StatsPath {
			s.Handler.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// A client that is gone need not be told.
		_ = json.NewEncoder(w).Encode(s.Stats())
	})
}
