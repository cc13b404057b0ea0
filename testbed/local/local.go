// Package local is the testbed on this machine: every treatment gets a service
// process (as many as it has replicas) and, on the mesh, a proxy process of its
// own, on loopback.
//
// All are children of tare and die with it (see internal/process). Nothing is
// written to disk but what is wanted of a proxy as its access log: a file
// without a name, which ends with its processes. It knows no workload and no data plane by name: both come
// with the topology and the set that New is given.
package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/internal/named"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
)

// Testbed starts topologies on this machine.
type Testbed struct {
	launcher *process.Launcher
	planes   named.Set[dataplane.DataPlane]
	started  atomic.Int64           // proxies, for names that no two ever share
	freeAddr func() (string, error) // for a proxy to listen on
	abreast  int                    // topologies that start at a time
}

// New makes the testbed; it starts nothing.
func New(l *process.Launcher, planes named.Set[dataplane.DataPlane]) *Testbed {
	return &Testbed{launcher: l, planes: planes, freeAddr: process.FreeAddr, abreast: runtime.NumCPU()}
}

// Name is "local".
func (*Testbed) Name() string { return "local" }

// upTimeout bounds how long one treatment may take to serve its probe.
const upTimeout = 20 * time.Second

// stopGrace is how long a process may take to end by itself.
const stopGrace = 500 * time.Millisecond

// Up starts the topologies in the given order, as many at a time as there are
// cores.
func (b *Testbed) Up(ctx context.Context, ts []testbed.Topology, order []int) (testbed.Setup, error) {
	s := &setup{Standing: testbed.NewStanding(ts), stands: make([]stand, len(ts))}
	queue := make(chan int, len(order))
	for _, i := range order {
		queue <- i
	}
	close(queue)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(ts))
	var wg sync.WaitGroup
	for range min(b.abreast, len(order)) {
		wg.Go(func() {
			for i := range queue {
				if ctx.Err() != nil {
					return
				}
				if errs[i] = b.start(ctx, ts[i], s, i); errs[i] != nil {
					cancel()
				}
			}
		})
	}
	wg.Wait()
	err := firstCause(errs)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, s.Down())
	}
	s.Watch()
	return s, nil
}

// firstCause prefers the error that made the others give up.
func firstCause(errs []error) error {
	var first error
	for _, err := range errs {
		if err != nil && (first == nil || errors.Is(first, context.Canceled)) {
			first = err
		}
	}
	return first
}

// stand is what stands for one treatment.
type stand struct {
	log      *os.File           // of the proxy; nil: none
	services []*testbed.Service // the replicas
	proxy    dataplane.Instance
	addr     string // where requests go
}

func (b *Testbed) start(ctx context.Context, t testbed.Topology, s *setup, i int) error {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	st := &s.stands[i]
	replicas := max(t.Replicas, 1)
	if replicas > 1 && t.Proxy == nil {
		return fmt.Errorf("start %s: nothing balances over its %d services without a proxy", t.Name, replicas)
	}
	for range replicas {
		service, err := testbed.StartService(ctx, b.launcher, t)
		if service != nil {
			st.services = append(st.services, service)
		}
		if err != nil {
			return err
		}
		s.Add(i, testbed.ServiceRole, service)
	}
	st.addr = st.services[0].Addr
	if t.Proxy != nil {
		if err := b.startProxy(ctx, t, st); err != nil {
			return err
		}
		s.Add(i, testbed.ProxyRole, st.proxy)
	}
	// A proxy acknowledges a listener just before it accepts.
	words := fmt.Sprintf("probe %s at %s", t.Name, st.addr)
	return s.Await(ctx, i, words, func(ctx context.Context) error { return t.Probe.Send(ctx, st.addr) })
}

func (b *Testbed) startProxy(ctx context.Context, t testbed.Topology, st *stand) error {
	plane, err := dataplane.Get(b.planes, t.DataPlane)
	if err != nil {
		return fmt.Errorf("start the proxy of %s: %w", t.Name, err)
	}
	p := *t.Proxy
	o := dataplane.Options{Name: fmt.Sprintf("%s-%d", t.Name, b.started.Add(1)), Workers: max(t.Workers, 1), Cores: t.Cores}
	if p.AccessLog != nil {
		if st.log, err = unlinked(); err != nil {
			return fmt.Errorf("start the proxy of %s: %w", t.Name, err)
		}
		o.Files = []*os.File{st.log}
		p.AccessLog = &dataplane.AccessLog{Path: inherited, Format: p.AccessLog.Format}
	}
	if st.proxy, err = plane.Start(ctx, o); err != nil {
		return fmt.Errorf("start the proxy of %s: %w", t.Name, err)
	}
	replicas := dataplane.Cluster{Name: testbed.ServiceCluster}
	for _, service := range st.services {
		replicas.Endpoints = append(replicas.Endpoints, service.Addr)
	}
	p.Clusters = []dataplane.Cluster{replicas}
	for range listenTries {
		if p.Listen, err = b.freeAddr(); err != nil {
			return fmt.Errorf("start the proxy of %s: %w", t.Name, err)
		}
		if err = st.proxy.Configure(ctx, p); err == nil {
			st.addr = p.Listen
			return nil
		}
		if !taken(p.Listen) {
			break
		}
	}
	return fmt.Errorf("configure the proxy of %s: %w", t.Name, err)
}

// inherited is the path by which a proxy opens the first file that it was
// started with.
const inherited = "/dev/fd/3"

// unlinked makes a file in the directory for temporary files that has no name
// there any more: it is gone when the last process that has it open is, however
// that ends.
func unlinked() (*os.File, error) {
	f, err := os.CreateTemp("", "tare-access-log-")
	if err != nil {
		return nil, fmt.Errorf("make a file for its access log: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("make a file for its access log: %w", err), f.Close())
	}
	return f, nil
}

// listenTries is how many ports a proxy is offered: another program may take
// one between the choice and its use.
const listenTries = 3

// taken reports whether something listens on the address.
func taken(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return true
	}
	l.Close()
	return false
}

// setup is a block's apparatus.
type setup struct {
	*testbed.Standing
	stands []stand
	once   sync.Once
}

func (s *setup) Addr(i int) string { return s.stands[i].addr }

// Stats is the sum over the replicas.
func (s *setup) Stats(ctx context.Context, i int) (workload.Stats, error) {
	var sum workload.Stats
	for _, service := range s.stands[i].services {
		one, err := service.Stats(ctx)
		if err != nil {
			return sum, err
		}
		sum = sum.Plus(one)
	}
	return sum, nil
}

// Down ends every process and returns when all are gone.
func (s *setup) Down() error {
	var errs []error
	s.once.Do(func() {
		s.Release()
		var wg sync.WaitGroup
		errs = make([]error, len(s.stands))
		for i, st := range s.stands {
			wg.Go(func() {
				if st.proxy != nil {
					errs[i] = st.proxy.Stop()
				}
				for _, service := range st.services {
					service.Stop(stopGrace)
				}
				if st.log != nil {
					errs[i] = errors.Join(errs[i], st.log.Close())
				}
			})
		}
		wg.Wait()
	})
	return errors.Join(errs...)
}
