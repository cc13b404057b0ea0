package xds

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/internal/process"
)

// Instance is a proxy process that a Server configures: what the planes return.
type Instance struct {
	*process.Process
	node   string
	server *Server
	grace  time.Duration // that the process has to end by itself
	forget sync.Once     // a later proxy may have the name of one that was stopped
}

// Start starts the process of a proxy that connects as the node. A name that a
// running proxy has is refused: each would be given the other's configuration.
func (s *Server) Start(l *process.Launcher, c process.Command, node string, grace time.Duration) (*Instance, error) {
	if err := s.claim(node); err != nil {
		return nil, err
	}
	p, err := l.Start(c)
	if err != nil {
		s.Forget(node)
		return nil, err
	}
	return &Instance{Process: p, node: node, server: s, grace: grace}, nil
}

// Configure hands the configuration over. A proxy that dies meanwhile ends it.
// With a refusal comes what the proxy has written to its log meanwhile: Envoy
// says only there what a proxy-wasm module found wrong.
func (i *Instance) Configure(ctx context.Context, p dataplane.Proxy) error {
	before := i.Said()
	err := i.whileItLives(ctx, "configure", func(ctx context.Context) error { return i.server.Set(ctx, i.node, p) })
	if !errors.As(err, new(*Refusal)) {
		return err
	}
	if said := strings.TrimSpace(i.saidSince(before)); said != "" {
		return fmt.Errorf("%w; its log:\n  %s", err, strings.ReplaceAll(said, "\n", "\n  "))
	}
	return err
}

// logLag is how long a log may be behind the stream that the refusal came by.
const logLag = 100 * time.Millisecond

// saidSince returns what the process has said after what it had said before.
func (i *Instance) saidSince(before string) string {
	late := time.After(logLag)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-late:
			return ""
		}
		if said := i.Said(); said != before {
			return strings.TrimPrefix(said, before)
		}
	}
}

// Connected waits until the proxy has its stream open.
func (i *Instance) Connected(ctx context.Context) error {
	return i.whileItLives(ctx, "start", func(ctx context.Context) error { return i.server.Connected(ctx, i.node) })
}

func (i *Instance) whileItLives(ctx context.Context, doing string, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	select {
	case err := <-done:
		return err
	case <-i.Done():
		cancel()
		<-done
		if err := i.Err(); err != nil {
			return fmt.Errorf("%s proxy %s: %w", doing, i.node, err)
		}
		return fmt.Errorf("%s proxy %s: it has been stopped", doing, i.node)
	}
}

// Stop ends the process and forgets its configuration. It may be called again.
func (i *Instance) Stop() error {
	i.Process.Stop(i.grace)
	i.forget.Do(func() { i.server.Forget(i.node) })
	return nil
}
