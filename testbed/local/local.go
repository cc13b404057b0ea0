// Package local is the testbed on this machine: every treatment gets a service
// process and, on the mesh, a proxy process of its own, on loopback.
//
// All are children of tare and die with it (see internal/process). Nothing is
// written to disk. It knows no workload and no data plane by name: both come
// with the topology and the set that New is given.
package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
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

// statsTimeout bounds how long a service may take to tell its count.
const statsTimeout = 10 * time.Second

// stopGrace is how long a process may take to end by itself.
const stopGrace = 500 * time.Millisecond

// Up starts the topologies in the given order, as many at a time as there are
// cores.
func (b *Testbed) Up(ctx context.Context, ts []testbed.Topology, order []int) (testbed.Setup, error) {
	s := &setup{stands: make([]stand, len(ts)), died: make(chan struct{}), down: make(chan struct{})}
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
				if errs[i] = b.start(ctx, ts[i], &s.stands[i]); errs[i] != nil {
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
	s.watch(ts)
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
	service *process.Process
	proxy   dataplane.Instance
	addr    string // where requests go
	direct  string // the service's own address
}

func (b *Testbed) start(ctx context.Context, t testbed.Topology, st *stand) error {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	if err := b.startService(ctx, t, st); err != nil {
		return err
	}
	st.addr = st.direct
	if t.Proxy != nil {
		if err := b.startProxy(ctx, t, st); err != nil {
			return err
		}
	}
	return st.probe(ctx, t)
}

func (b *Testbed) startService(ctx context.Context, t testbed.Topology, st *stand) error {
	config := t.Service
	if config.Listen == "" {
		config.Listen = "127.0.0.1:0"
	}
	text, err := json.Marshal(config)
	if err != nil {
		return fmt.Errorf("write the configuration of the service of %s: %w", t.Name, err)
	}
	st.service, err = b.launcher.Start(process.Command{Name: "the service of " + t.Name, Args: t.Workload.Command, Input: text})
	if err != nil {
		return err
	}
	line, err := st.service.Ready(ctx)
	if err != nil {
		return err
	}
	var ready workload.Ready
	if err := json.Unmarshal([]byte(line), &ready); err != nil || ready.Addr == "" {
		return fmt.Errorf("start the service of %s: its first line is no address: %q", t.Name, line)
	}
	st.direct = ready.Addr
	return nil
}

func (b *Testbed) startProxy(ctx context.Context, t testbed.Topology, st *stand) error {
	plane, err := b.planes.Get(t.DataPlane)
	if err != nil {
		return fmt.Errorf("start the proxy of %s: %w", t.Name, err)
	}
	if st.proxy, err = plane.Start(ctx, dataplane.Options{Name: fmt.Sprintf("%s-%d", t.Name, b.started.Add(1)), Workers: max(t.Workers, 1)}); err != nil {
		return fmt.Errorf("start the proxy of %s: %w", t.Name, err)
	}
	p := *t.Proxy
	p.Clusters = []dataplane.Cluster{{Name: testbed.ServiceCluster, Endpoints: []string{st.direct}}}
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

// probe sends the topology's probe until it is answered: a proxy acknowledges
// a listener just before it accepts. A process that ends meanwhile ends it, in
// its last words.
func (st *stand) probe(ctx context.Context, t testbed.Topology) error {
	var answer error // the last that was not cut off
	for {
		err := probeOnce(ctx, st.addr, t.Probe)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || answer == nil {
			answer = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("probe %s at %s until %w: %w", t.Name, st.addr, ctx.Err(), answer)
		case <-st.service.Done():
			return fmt.Errorf("probe %s at %s: %w", t.Name, st.addr, st.service.Err())
		case <-st.proxyDone():
			return fmt.Errorf("probe %s at %s: %w", t.Name, st.addr, st.proxy.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// proxyDone is closed when the proxy has ended; without one it never is.
func (st *stand) proxyDone() <-chan struct{} {
	if st.proxy == nil {
		return nil
	}
	return st.proxy.Done()
}

func probeOnce(ctx context.Context, addr string, r testbed.Request) error {
	req, err := http.NewRequestWithContext(ctx, r.Method, "http://"+addr+r.Path, nil)
	if err != nil {
		return err
	}
	req.Host = r.Host
	for _, h := range r.Header {
		req.Header.Set(h[0], h[1])
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 200))
	if err != nil {
		return err
	}
	if res.StatusCode >= 400 {
		return fmt.Errorf("%s %s answered %s: %s", r.Method, r.Path, res.Status, body)
	}
	return nil
}

// setup is a block's apparatus.
type setup struct {
	stands []stand

	died chan struct{} // closed when something ended by itself
	err  error         // set before died is closed
	down chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

// watch closes died at the first process that ends by itself.
func (s *setup) watch(ts []testbed.Topology) {
	var first sync.Once
	for i, st := range s.stands {
		report := func(err error) {
			first.Do(func() { s.err = fmt.Errorf("treatment %s: %w", ts[i].Name, err); close(s.died) })
		}
		s.wg.Go(func() {
			select {
			case <-st.service.Done():
				if err := st.service.Err(); err != nil {
					report(err)
				}
			case <-s.down:
			}
		})
		if st.proxy == nil {
			continue
		}
		s.wg.Go(func() {
			select {
			case <-st.proxy.Done():
				if err := st.proxy.Err(); err != nil {
					report(err)
				}
			case <-s.down:
			}
		})
	}
}

func (s *setup) Addr(i int) string { return s.stands[i].addr }

func (s *setup) Processes(i int) []testbed.Process {
	ps := []testbed.Process{{Role: testbed.ServiceRole, PID: s.stands[i].service.PID()}}
	if p := s.stands[i].proxy; p != nil {
		ps = append(ps, testbed.Process{Role: testbed.ProxyRole, PID: p.PID()})
	}
	return ps
}

func (s *setup) Stats(ctx context.Context, i int) (workload.Stats, error) {
	var st workload.Stats
	url := "http://" + s.stands[i].direct + workload.StatsPath
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return st, fmt.Errorf("ask %s: %w", url, err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return st, fmt.Errorf("ask the service for its count: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return st, fmt.Errorf("ask the service for its count: %s answered %s", url, res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&st); err != nil {
		return st, fmt.Errorf("read the service's count from %s: %w", url, err)
	}
	return st, nil
}

func (s *setup) Pause(is ...int) error  { return s.signal(syscall.SIGSTOP, is) }
func (s *setup) Resume(is ...int) error { return s.signal(syscall.SIGCONT, is) }

// signal reaches every process even if one of them fails. One that has ended
// is left out: its id may be another's by now, and Died tells of it.
func (s *setup) signal(sig syscall.Signal, is []int) error {
	var errs []error
	for _, i := range is {
		st := &s.stands[i]
		errs = append(errs, st.service.Signal(sig))
		if st.proxy == nil || ended(st.proxy.Done()) {
			continue
		}
		if err := syscall.Kill(st.proxy.PID(), sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("send %v to the proxy of treatment %d: %w", sig, i, err))
		}
	}
	return errors.Join(errs...)
}

func ended(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func (s *setup) Died() <-chan struct{} { return s.died }

func (s *setup) Err() error {
	select {
	case <-s.died:
		return s.err
	default:
		return nil
	}
}

// Down ends every process and returns when all are gone.
func (s *setup) Down() error {
	var errs []error
	s.once.Do(func() {
		close(s.down)
		s.wg.Wait()
		var wg sync.WaitGroup
		errs = make([]error, len(s.stands))
		for i, st := range s.stands {
			wg.Go(func() {
				if st.proxy != nil {
					errs[i] = st.proxy.Stop()
				}
				if st.service != nil {
					st.service.Stop(stopGrace)
				}
			})
		}
		wg.Wait()
	})
	return errors.Join(errs...)
}
