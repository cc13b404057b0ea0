package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/taremesh/tare/load"
)

// Rule says what becomes of a load whose worker is lost.
type Rule string

// The rules.
const (
	Void Rule = "void"  // the load has failed
	GoOn Rule = "go-on" // the others carry on
)

// Config says how a fleet is gathered.
type Config struct {
	Listen  string // host:port; port 0: a free one
	Workers int    // how many are waited for; 1 or more
	Rule    Rule   // empty: Void
	// Joined is told of every worker that joins; nil: nobody is.
	Joined func(name string, count int)
}

// Fleet is a coordinator. It implements load.Generator.
type Fleet struct {
	config    Config
	authority *authority
	listener  net.Listener
	server    *grpc.Server
	arrived   chan *member
	closed    chan struct{}
	end       sync.Once
}

// Listen starts to take workers.
func Listen(c Config) (*Fleet, error) {
	if c.Rule == "" {
		c.Rule = Void
	}
	switch {
	case c.Workers < 1:
		return nil, fmt.Errorf("gather %d workers: 1 or more are needed", c.Workers)
	case c.Rule != Void && c.Rule != GoOn:
		return nil, fmt.Errorf("the rule for lost workers is %q, not %q or %q", c.Rule, Void, GoOn)
	}
	a, err := newAuthority()
	if err != nil {
		return nil, fmt.Errorf("make the fleet's certificates: %w", err)
	}
	config, err := a.serverTLS()
	if err != nil {
		return nil, fmt.Errorf("make the fleet's certificates: %w", err)
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for workers: %w", err)
	}
	f := &Fleet{config: c, authority: a, listener: l, arrived: make(chan *member), closed: make(chan struct{})}
	f.server = grpc.NewServer(grpc.Creds(credentials.NewTLS(config)), grpc.MaxRecvMsgSize(maxMessage),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveTime / 2}))
	stream := joinStream
	stream.Handler = func(_ any, s grpc.ServerStream) error { return f.join(s) }
	f.server.RegisterService(&grpc.ServiceDesc{ServiceName: serviceName, HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{stream}}, f)
	go func() { _ = f.server.Serve(l) }() // ends with Close
	return f, nil
}

// Name is "fleet".
func (*Fleet) Name() string { return "fleet" }

// Invite makes the invitation that all workers join with. Addr is where they
// reach the coordinator; empty: where it listens.
func (f *Fleet) Invite(addr string) (Invitation, error) {
	if addr == "" {
		addr = f.listener.Addr().String()
	}
	i, err := f.authority.invite(addr)
	if err != nil {
		return Invitation{}, fmt.Errorf("make the invitation: %w", err)
	}
	return i, nil
}

// Close turns the workers away that have not been taken, and ends.
func (f *Fleet) Close() error {
	f.end.Do(func() {
		close(f.closed)
		cut := time.AfterFunc(closeGrace, f.server.Stop)
		f.server.GracefulStop() // the last word to each worker is on its way
		cut.Stop()
	})
	return nil
}

// closeGrace is how long workers may take to go.
const closeGrace = 2 * time.Second

// join is a worker's stream: it lasts as long as the worker is of use.
func (f *Fleet) join(s grpc.ServerStream) error {
	w := &wire{stream: s}
	m, err := w.receive()
	if err != nil {
		return err
	}
	h, err := as[hello](m, kindHello)
	if err != nil {
		return err
	}
	if h.Protocol != Protocol {
		return fmt.Errorf("the worker speaks %q, the coordinator %q: use the same version of tare", h.Protocol, Protocol)
	}
	member := newMember(h.Name, w)
	go member.read()
	select {
	case f.arrived <- member:
	case <-f.closed:
		return errors.New("the coordinator has ended")
	case <-s.Context().Done():
		return s.Context().Err()
	}
	select {
	case <-member.dismissed:
		return nil
	case <-s.Context().Done():
		return s.Context().Err()
	}
}

// Open waits until the workers have joined and all of their pools stand.
func (f *Fleet) Open(ctx context.Context, targets []load.Target, p load.Population) (load.Session, error) {
	n := f.config.Workers
	for _, t := range targets {
		if t.Connections < n {
			return nil, fmt.Errorf("open the fleet: target %s has %d connections for %d workers: each needs one", t.Name, t.Connections, n)
		}
	}
	s := &Session{rule: f.config.Rule, epoch: monotonic(), targets: len(targets), population: p}
	for len(s.members) < n {
		m, err := f.next(ctx, len(s.members))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open the fleet: %w", err), s.Close())
		}
		if m.Name == "" {
			m.Name = fmt.Sprintf("worker %d", len(s.members)+1)
		}
		s.members = append(s.members, m)
		if f.config.Joined != nil {
			f.config.Joined(m.Name, len(s.members))
		}
	}
	if err := s.open(ctx, targets, p); err != nil {
		return nil, errors.Join(fmt.Errorf("open the fleet: %w", err), s.Close())
	}
	return s, nil
}

func (f *Fleet) next(ctx context.Context, so int) (*member, error) {
	select {
	case m := <-f.arrived:
		return m, nil
	case <-f.closed:
		return nil, errors.New("it was closed")
	case <-ctx.Done():
		return nil, fmt.Errorf("%d of %d workers had joined: %w", so, f.config.Workers, ctx.Err())
	}
}

// split is the targets with a worker's share of their connections.
func split(targets []load.Target, share load.Share) []load.Target {
	own := make([]load.Target, len(targets))
	for i, t := range targets {
		t.Connections, t.MaxConnections = share.Of(t.Connections), share.Of(t.MaxConnections)
		own[i] = t
	}
	return own
}

// least is the time that a load's beginning is put off, so that its order
// reaches every worker and is prepared there.
const least = 500 * time.Millisecond
