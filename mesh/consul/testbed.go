package consul

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
)

// Name is what the testbed is called in study files.
const Name = "consul"

// plane is the data plane that Consul's sidecars are on.
const plane = "envoy"

// Testbed starts topologies on a Consul mesh.
type Testbed struct {
	launcher *process.Launcher
	consul   func() (string, error)
	envoy    func() (string, error)
	freeAddr func() (string, error)
	abreast  int // topologies that start at a time
}

// New makes the testbed; it starts nothing. The funcs give the programs' paths
// when something is started.
func New(l *process.Launcher, consul, envoy func() (string, error)) *Testbed {
	return &Testbed{launcher: l, consul: consul, envoy: envoy, freeAddr: process.FreeAddr, abreast: runtime.NumCPU()}
}

// Name is "consul".
func (*Testbed) Name() string { return Name }

// Check refuses what Consul cannot be told of.
func (*Testbed) Check(t testbed.Topology) error {
	switch {
	case len(t.Hops) > 0:
		return fmt.Errorf("it has the two sidecars of every treatment, and no proxy at site %s", t.Hops[0].Site)
	case t.Relay != nil:
		return errors.New("its front end is a proxy, and no application of ours calls the service")
	case t.Asked != nil:
		return fmt.Errorf("its proxies ask no service of ours, and %s is one", t.Asked.Function)
	case t.Proxy == nil:
		return nil
	}
	_, err := translate(t)
	return err
}

// upTimeout bounds how long one treatment may take to serve its probe.
const upTimeout = time.Minute

// upTries is how often everything is started where another program takes a
// port between its choice and its use.
const upTries = 3

// Up starts an agent, and under it the topologies in the given order, as many
// at a time as there are cores.
func (b *Testbed) Up(ctx context.Context, ts []testbed.Topology, order []int) (testbed.Setup, error) {
	for try := 1; ; try++ {
		s, err := b.up(ctx, ts, order)
		if err == nil {
			return s, nil
		}
		if try == upTries || ctx.Err() != nil || !strings.Contains(err.Error(), "ddress already in use") {
			return nil, err
		}
	}
}

func (b *Testbed) up(ctx context.Context, ts []testbed.Topology, order []int) (testbed.Setup, error) {
	consul, err := b.consul()
	if err != nil {
		return nil, err
	}
	envoy, err := b.envoy()
	if err != nil {
		return nil, err
	}
	s := &setup{Standing: testbed.NewStanding(ts), bed: b, envoy: envoy, stands: make([]stand, len(ts)), taken: map[string]bool{}}
	limited, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	if s.agent, err = startAgent(limited, b.launcher, consul, s.free); err != nil {
		return nil, err
	}
	if err := s.start(ctx, ts, order); err != nil {
		return nil, errors.Join(err, s.Down())
	}
	s.Watch(s.agent)
	return s, nil
}

// setup is a block's apparatus.
type setup struct {
	*testbed.Standing
	bed    *Testbed
	agent  *agent
	envoy  string
	stands []stand
	once   sync.Once

	mu    sync.Mutex
	taken map[string]bool // addresses given out, in use or about to be
}

// stand is what stands for one treatment.
type stand struct {
	addr     string // where requests go
	service  *testbed.Service
	api, web *sidecar // nil: off the mesh
	files    []*os.File
}

// free gives out addresses that nothing listens on, each once.
func (s *setup) free() (string, error) {
	for {
		addr, err := s.bed.freeAddr()
		if err != nil {
			return "", err
		}
		s.mu.Lock()
		given := s.taken[addr]
		s.taken[addr] = true
		s.mu.Unlock()
		if !given {
			return addr, nil
		}
	}
}

func (s *setup) start(ctx context.Context, ts []testbed.Topology, order []int) error {
	queue := make(chan int, len(order))
	for _, i := range order {
		queue <- i
	}
	close(queue)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range min(s.bed.abreast, len(order)) {
		wg.Go(func() {
			for i := range queue {
				if ctx.Err() != nil {
					return
				}
				if err := s.startOne(ctx, ts[i], i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (s *setup) startOne(ctx context.Context, t testbed.Topology, i int) error {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	st := &s.stands[i]
	var err error
	if st.service, err = testbed.StartService(ctx, s.bed.launcher, t); err != nil {
		return err
	}
	s.Add(i, testbed.ServiceRole, st.service)
	st.addr = st.service.Addr
	if t.Proxy == nil {
		return s.Await(ctx, i, "probe "+t.Name, func(ctx context.Context) error { return t.Probe.Send(ctx, st.addr) })
	}
	w, err := translate(t)
	if err != nil {
		return fmt.Errorf("put %s on the mesh: %w", t.Name, err)
	}
	if err := s.startSidecars(ctx, t, i, w); err != nil {
		return fmt.Errorf("put %s on the mesh: %w", t.Name, err)
	}
	return s.awaitMesh(ctx, t, i, w)
}

// startSidecars tells Consul of the treatment's services and starts the Envoys
// of both.
func (s *setup) startSidecars(ctx context.Context, t testbed.Topology, i int, w *wish) error {
	st := &s.stands[i]
	for _, e := range w.entries {
		if err := s.agent.write(ctx, e); err != nil {
			return err
		}
	}
	for _, m := range w.modules {
		f, err := process.MemoryFile("module.wasm", m)
		if err != nil {
			return err
		}
		st.files = append(st.files, f)
	}
	port, err := portOf(st.addr)
	if err != nil {
		return err
	}
	if st.api, err = s.startService(ctx, w.api, port, t.Workers, nil, st.files); err != nil {
		return err
	}
	s.Add(i, testbed.ProxyRole, st.api)
	if st.addr, err = s.free(); err != nil {
		return err
	}
	if port, err = portOf(st.addr); err != nil {
		return err
	}
	up := []upstream{{DestinationName: w.api, LocalBindAddress: loopback, LocalBindPort: port}}
	if st.web, err = s.startService(ctx, w.web, 0, t.Workers, up, nil); err != nil {
		return err
	}
	s.Add(i, testbed.ProxyRole, st.web)
	return nil
}

const loopback = "127.0.0.1"

// startService registers a service with its sidecar and starts the sidecar.
func (s *setup) startService(ctx context.Context, name string, port, workers int, ups []upstream, files []*os.File) (*sidecar, error) {
	c := &sidecar{}
	var err error
	for _, addr := range []*string{&c.public, &c.admin} {
		if *addr, err = s.free(); err != nil {
			return nil, err
		}
	}
	public, err := portOf(c.public)
	if err != nil {
		return nil, err
	}
	id := name + "-sidecar"
	for _, r := range []registration{
		{ID: name, Name: name, Address: loopback, Port: port},
		{Kind: "connect-proxy", ID: id, Name: id, Address: loopback, Port: public, Proxy: &proxyConfig{
			DestinationServiceName: name, DestinationServiceID: name, LocalServiceAddress: loopback, LocalServicePort: port,
			Upstreams: ups,
		}},
	} {
		if err := s.agent.register(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := c.start(ctx, s.agent, s.envoy, id, workers, files); err != nil {
		return nil, err
	}
	return c, nil
}

// awaitMesh returns when the sidecars carry what was wished, and the probe is
// served through them. Consul's configuration takes effect some time after it
// was written. What an Envoy refuses it will not take later.
func (s *setup) awaitMesh(ctx context.Context, t testbed.Topology, i int, w *wish) error {
	st := &s.stands[i]
	var refused error
	err := s.Await(ctx, i, fmt.Sprintf("probe %s at %s", t.Name, st.addr), func(ctx context.Context) error {
		err := st.api.carries(ctx, inbound, w.chain)
		if err == nil {
			err = st.web.carries(ctx, outbound, nil)
		}
		select {
		case <-s.agent.Done():
			refused = s.agent.Err()
			return nil
		default:
		}
		if errors.Is(err, errRefused) {
			refused = err
			return nil
		}
		if err != nil {
			return err
		}
		return t.Probe.Send(ctx, st.addr)
	})
	return errors.Join(err, refused)
}

// Addr is where requests of treatment i go: the upstream listener of its front
// end's sidecar, or its service.
func (s *setup) Addr(i int) string { return s.stands[i].addr }

// Stats asks service i, past its sidecar, for its own count.
func (s *setup) Stats(ctx context.Context, i int) (workload.Stats, error) {
	return s.stands[i].service.Stats(ctx)
}

// Down ends every process and returns when all are gone.
func (s *setup) Down() error {
	var errs []error
	s.once.Do(func() {
		s.Release()
		var wg sync.WaitGroup
		for _, st := range s.stands {
			for _, p := range st.processes() {
				wg.Go(func() { p.Stop(stopGrace) })
			}
		}
		wg.Wait()
		s.agent.Stop(stopGrace)
		for _, st := range s.stands {
			for _, f := range st.files {
				errs = append(errs, f.Close())
			}
		}
	})
	return errors.Join(errs...)
}

func (st *stand) processes() []*process.Process {
	var ps []*process.Process
	if st.web != nil {
		ps = append(ps, st.web.Process)
	}
	if st.api != nil {
		ps = append(ps, st.api.Process)
	}
	if st.service != nil {
		ps = append(ps, st.service.Process)
	}
	return ps
}
