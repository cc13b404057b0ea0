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
				errs[i] = st.stop()
			})
		}
		wg.Wait()
	})
	return errors.Join(errs...)
}
