package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// stand is what stands for one treatment.
type stand struct {
	logs     []*os.File         // of proxies
	services []*testbed.Service // the replicas
	others   []*testbed.Service // the relay, and what proxies ask
	proxies  []dataplane.Instance
	addr     string // where requests go
}

// start starts a treatment's processes, what is called before what calls it.
func (b *Testbed) start(ctx context.Context, t testbed.Topology, s *setup, i int) error {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	st := &s.stands[i]
	replicas := max(t.Replicas, 1)
	if replicas > 1 && t.Last() == nil && t.Relay == nil {
		return fmt.Errorf("start %s: nothing balances over its %d services without a proxy or a relay", t.Name, replicas)
	}
	var addrs []string // of what the next one calls
	for range replicas {
		service, err := testbed.StartService(ctx, b.launcher, t)
		if service != nil {
			st.services = append(st.services, service)
		}
		if err != nil {
			return err
		}
		s.Add(i, testbed.ServiceRole, service)
		addrs = append(addrs, service.Addr)
	}
	asked, err := b.startAsked(ctx, t, s, i)
	if err != nil {
		return err
	}
	for _, hop := range way(t) {
		o, err := b.startProxy(ctx, t, hop, st)
		if err != nil {
			return err
		}
		if err := b.configure(ctx, o, addrs, asked); err != nil {
			return err
		}
		s.Add(i, testbed.HopRole(hop.Site), o.Instance)
		addrs = []string{o.listen}
	}
	if t.Relay != nil {
		relay, err := testbed.StartRelay(ctx, b.launcher, t, addrs)
		if relay != nil {
			st.others = append(st.others, relay)
		}
		if err != nil {
			return err
		}
		s.Add(i, testbed.RelayRole, relay)
		addrs = []string{relay.Addr}
	}
	st.addr = addrs[0]
	// A proxy acknowledges a listener just before it accepts.
	words := fmt.Sprintf("probe %s at %s", t.Name, st.addr)
	return s.Await(ctx, i, words, func(ctx context.Context) error { return t.Probe.Send(ctx, st.addr) })
}

// way lists the proxies, the one next to the service first.
func way(t testbed.Topology) []testbed.Hop {
	all := slices.Clone(t.Hops)
	if t.Proxy != nil {
		all = append(all, testbed.Hop{Site: study.SiteServer, Proxy: t.Proxy})
	}
	slices.Reverse(all)
	return all
}

// startAsked starts what proxies ask and says where it listens; nowhere without it.
func (b *Testbed) startAsked(ctx context.Context, t testbed.Topology, s *setup, i int) (addr string, err error) {
	if t.Asked == nil {
		return "", nil
	}
	asked, err := testbed.StartAsked(ctx, b.launcher, t)
	if asked != nil {
		s.stands[i].others = append(s.stands[i].others, asked)
	}
	if err != nil {
		return "", err
	}
	s.Add(i, testbed.ExternalRole, asked)
	return asked.Addr, nil
}

// running is a proxy that has been started.
type running struct {
	dataplane.Instance
	wanted dataplane.Proxy
	name   string // for errors
	listen string
}

func (b *Testbed) startProxy(ctx context.Context, t testbed.Topology, hop testbed.Hop, st *stand) (*running, error) {
	r := &running{wanted: *hop.Proxy, name: fmt.Sprintf("the proxy of %s at site %s", t.Name, hop.Site)}
	plane, err := dataplane.Get(b.planes, t.DataPlane)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", r.name, err)
	}
	o := dataplane.Options{Name: fmt.Sprintf("%s-%d", t.Name, b.started.Add(1)), Workers: max(t.Workers, 1), Cores: t.Cores}
	if log := r.wanted.AccessLog; log != nil {
		file, err := unlinked()
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", r.name, err)
		}
		st.logs, o.Files = append(st.logs, file), []*os.File{file}
		r.wanted.AccessLog = &dataplane.AccessLog{Path: inherited, Format: log.Format}
	}
	if r.Instance, err = plane.Start(ctx, o); err != nil {
		return nil, fmt.Errorf("start %s: %w", r.name, err)
	}
	st.proxies = append(st.proxies, r.Instance)
	return r, nil
}

// configure tells a proxy what to do, where to listen, and what it calls.
func (b *Testbed) configure(ctx context.Context, r *running, addrs []string, asked string) (err error) {
	r.wanted.Clusters = []dataplane.Cluster{{Name: testbed.ServiceCluster, Endpoints: addrs}}
	if asked != "" {
		r.wanted.Clusters = append(r.wanted.Clusters, dataplane.Cluster{Name: function.ExternalCluster, Endpoints: []string{asked}, HTTP2: true})
	}
	for range listenTries {
		if r.wanted.Listen, err = b.freeAddr(); err != nil {
			return fmt.Errorf("start %s: %w", r.name, err)
		}
		if err = r.Configure(ctx, r.wanted); err == nil {
			r.listen = r.wanted.Listen
			return nil
		}
		if !taken(r.wanted.Listen) {
			break
		}
	}
	return fmt.Errorf("configure %s: %w", r.name, err)
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

// stop ends a treatment's processes, those that call before those that are called.
func (st *stand) stop() error {
	var errs []error
	for _, p := range slices.Backward(st.proxies) {
		errs = append(errs, p.Stop())
	}
	for _, s := range slices.Concat(st.others, st.services) {
		s.Stop(stopGrace)
	}
	for _, f := range st.logs {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
