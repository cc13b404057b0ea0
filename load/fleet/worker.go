package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/taremesh/tare/load"
)

// A connection that says nothing is asked every keepaliveTime whether it is
// there, and lost keepaliveTimeout later.
const (
	keepaliveTime    = 10 * time.Second // the least that grpc grants to a client
	keepaliveTimeout = 5 * time.Second
)

// WorkerConfig says who works. Generator must be set.
type WorkerConfig struct {
	Name      string         // as the coordinator reports it; empty: the host's name
	Generator load.Generator // its sessions must say their Epoch
	// Check refuses targets that this machine will not offer load to; nil: none.
	Check func(load.Target) error
	// Clock is the clock that the generator's Epoch is of; nil: CLOCK_MONOTONIC.
	Clock func() time.Duration
}

// Work joins the coordinator, waiting for it if it is not there yet, and does
// what it orders until it ends the session, the connection is lost or ctx ends.
func Work(ctx context.Context, i Invitation, c WorkerConfig) error {
	if c.Clock == nil {
		c.Clock = monotonic
	}
	if c.Name == "" {
		c.Name, _ = os.Hostname() // without one the coordinator numbers it
	}
	config, err := i.clientTLS()
	if err != nil {
		return err
	}
	if err := reach(ctx, i.Addr); err != nil {
		return fmt.Errorf("join the coordinator at %s: %w", i.Addr, err)
	}
	conn, err := grpc.NewClient("passthrough:///"+i.Addr, grpc.WithTransportCredentials(credentials.NewTLS(config)), grpc.WithDisableServiceConfig(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}))
	if err != nil {
		return fmt.Errorf("join the coordinator at %s: %w", i.Addr, err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, &joinStream, "/"+serviceName+"/"+methodName, grpc.MaxCallRecvMsgSize(maxMessage))
	if err != nil {
		return fmt.Errorf("join the coordinator at %s (is the invitation the one that it wrote?): %w", i.Addr, err)
	}
	w := &worker{config: c, wire: &wire{stream: stream}}
	defer w.close()
	if err := w.wire.tell(kindHello, hello{Protocol, c.Name}); err != nil {
		return fmt.Errorf("join the coordinator at %s: %w", i.Addr, err)
	}
	if err := w.serve(ctx); err != nil {
		return fmt.Errorf("work for the coordinator at %s: %w", i.Addr, err)
	}
	return nil
}

// knock is how often a coordinator that is not there yet is tried.
const knock = 500 * time.Millisecond

// reach waits until something listens at the address.
func reach(ctx context.Context, addr string) error {
	again := time.NewTicker(knock)
	defer again.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		if !errors.Is(err, unix.ECONNREFUSED) {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("nothing listens there: %w", ctx.Err())
		}
	}
}

// monotonic is CLOCK_MONOTONIC, as the generator's epoch.
func monotonic() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0 // the clock always exists on Linux
	}
	return time.Duration(t.Nano())
}

// worker is one end of the stream, with a session while one is open.
type worker struct {
	config  WorkerConfig
	wire    *wire
	session epochal
	cancel  context.CancelFunc // of the load that runs; nil without one
	done    chan struct{}      // closed when it has ended
}

// epochal is a session that says since when its times count.
type epochal interface {
	load.Session
	Epoch() time.Duration
}

// serve carries out orders one after the other.
func (w *worker) serve(ctx context.Context) error {
	for {
		m, err := w.wire.receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.kind == kindClose {
			return nil
		}
		if err := w.carryOut(ctx, m); err != nil {
			return err
		}
	}
}

func (w *worker) carryOut(ctx context.Context, m message) error {
	switch m.kind {
	case kindPing:
		return w.wire.tell(kindPing, ping{w.config.Clock()})
	case kindOpen:
		return w.open(ctx, m)
	case kindGenerate:
		return w.generate(ctx, m)
	case kindCancel:
		if w.cancel != nil {
			w.cancel()
		}
		return nil
	}
	return fmt.Errorf("message %q is not of %s", m.kind, Protocol)
}

func (w *worker) fault(err error) error { return w.wire.tell(kindFault, fault{err.Error()}) }

func (w *worker) open(ctx context.Context, m message) error {
	order, err := as[openOrder](m, kindOpen)
	if err != nil {
		return err
	}
	if w.config.Check != nil {
		for _, t := range order.Targets {
			if err := w.config.Check(t); err != nil {
				return w.fault(err)
			}
		}
	}
	session, err := w.config.Generator.Open(ctx, order.Targets, order.Population)
	if err != nil {
		return w.fault(err)
	}
	var ok bool
	if w.session, ok = session.(epochal); !ok {
		return errors.Join(w.fault(fmt.Errorf("the generator %s does not say since when its times count", w.config.Generator.Name())), session.Close())
	}
	return w.wire.tell(kindReady, ready{w.session.Epoch()})
}

// generate starts a load; what comes of it is sent as it comes.
func (w *worker) generate(ctx context.Context, m message) error {
	l, err := as[load.Load](m, kindGenerate)
	if err != nil {
		return err
	}
	if w.session == nil {
		return w.fault(errors.New("no pools stand"))
	}
	w.endLoad()
	ctx, w.cancel = context.WithCancel(ctx)
	w.done = make(chan struct{})
	go w.run(ctx, l, w.done)
	return nil
}

func (w *worker) run(ctx context.Context, l load.Load, done chan struct{}) {
	defer close(done)
	stats, err := w.session.Generate(ctx, l, load.Sink{
		Samples: func(part []load.Sample) error {
			if len(part) == 0 {
				return nil
			}
			var set bytes.Buffer
			if err := load.EncodeSamples(&set, part); err != nil {
				return err
			}
			return w.wire.send(kindSamples, set.Bytes())
		},
		Progress: func(p load.Progress) { _ = w.wire.tell(kindProgress, p) }, // a connection that is lost shows elsewhere
	})
	canceled := err != nil && ctx.Err() != nil
	if err != nil && !canceled {
		_ = w.fault(err)
		return
	}
	_ = w.wire.tell(kindStats, ended{stats, canceled})
}

// endLoad waits for the load that runs, if any: the coordinator has its end
// before it orders the next.
func (w *worker) endLoad() {
	if w.cancel == nil {
		return
	}
	w.cancel()
	<-w.done
	w.cancel = nil
}

func (w *worker) close() {
	w.endLoad()
	if w.session != nil {
		_ = w.session.Close() // its processes are gone; nothing is left to do
	}
}
