package xds

import (
	"context"
	"fmt"
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
}

// NewInstance makes the instance of a process that has connected, or will, as
// the node.
func NewInstance(p *process.Process, node string, s *Server, grace time.Duration) *Instance {
	return &Instance{Process: p, node: node, server: s, grace: grace}
}

// Configure hands the configuration over. A proxy that dies meanwhile ends it.
func (i *Instance) Configure(ctx context.Context, p dataplane.Proxy) error {
	return i.whileItLives(ctx, "configure", func(ctx context.Context) error { return i.server.Set(ctx, i.node, p) })
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
	i.server.Forget(i.node)
	return nil
}
