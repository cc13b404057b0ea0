package embedded

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/taremesh/tare/dataplane/embedded/script"
	"github.com/taremesh/tare/function"
)

// Options of a running proxy.
type Options struct {
	XDS     string // address of the delta ADS server
	Node    string // the id that the configuration is for
	Workers int    // threads that carry requests; 0 means 1
	Types   []function.FilterType
	// Admin is the loopback address of /metrics and /ready; empty for none,
	// port 0 for a free one.
	Admin string
	// Counters is the address of a collector that is told the proxy's counters;
	// empty: none.
	Counters string
	// Ready is called once, when the stream to the xDS server stands; admin is
	// the address that Admin became.
	Ready func(admin string)
	// Lost is called when the stream breaks, with the reason; the proxy goes on
	// as it was configured and connects again. It is called too when lines of an
	// access log are lost. It may be nil.
	Lost func(error)
}

// Serve runs a proxy until the context ends; requests under way then have two
// seconds to finish. It sets GOMAXPROCS of the process, which is meant to do
// nothing else.
func Serve(ctx context.Context, o Options) error {
	client, err := grpc.NewClient("passthrough:///"+o.XDS,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return fmt.Errorf("serve proxy %s: %w", o.Node, err)
	}
	defer client.Close()
	runtime.GOMAXPROCS(max(o.Workers, 1))
	p := newProxy(envoyLimits)
	p.lost = o.Lost
	made, err := newFilters(append(slices.Clone(o.Types), script.Type()), p)
	if err != nil {
		return fmt.Errorf("serve proxy %s: %w", o.Node, err)
	}
	defer made.close()
	defer p.close() // first, so that filters see the last requests end
	admin, stop, err := p.administer(o.Admin)
	if err != nil {
		return fmt.Errorf("serve proxy %s: %w", o.Node, err)
	}
	defer stop()
	if o.Counters != "" {
		if _, _, err := net.SplitHostPort(o.Counters); err != nil {
			return fmt.Errorf("serve proxy %s: tell counters: %w", o.Node, err)
		}
		told, cancel := context.WithCancel(ctx)
		var telling sync.WaitGroup
		telling.Go(func() { p.tellCounters(told, o.Counters, o.Node) })
		defer telling.Wait()
		defer cancel()
	}
	s := &subscription{node: o.Node, proxy: p, filters: made, config: newConfig()}
	f := follower{s: s, client: discoveryv3.NewAggregatedDiscoveryServiceClient(client), o: o, admin: admin}
	f.run(ctx)
	retire(s.clusters, nil)
	return nil
}

// follower keeps the subscription's stream open.
type follower struct {
	s      *subscription
	client discoveryv3.AggregatedDiscoveryServiceClient
	o      Options
	admin  string
	told   bool
}

// again is how long after a broken stream the next is tried.
const again = 200 * time.Millisecond

func (f *follower) run(ctx context.Context) {
	for {
		stream, err := f.client.DeltaAggregatedResources(ctx)
		if err == nil {
			err = f.s.run(stream, f.ready)
		}
		if ctx.Err() != nil {
			return
		}
		if f.o.Lost != nil {
			f.o.Lost(err)
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return
		}
	}
}

func (f *follower) ready() {
	if f.told {
		return
	}
	f.told = true
	giveBack()
	if f.o.Ready != nil {
		f.o.Ready(f.admin)
	}
}

// loopback refuses addresses that others than this machine could reach.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%q is no loopback address, such as 127.0.0.1 or [::1]", host)
	}
	return nil
}

// administer opens the admin listener, when there shall be one.
func (p *proxy) administer(addr string) (at string, stop func(), err error) {
	if addr == "" {
		return "", func() {}, nil
	}
	if err := loopback(addr); err != nil {
		return "", nil, fmt.Errorf("listen for admin on %s: %w", addr, err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("listen for admin: %w", err)
	}
	srv := &http.Server{Handler: p.admin(), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// It ends when stop closes it; until then its listener cannot fail.
		_ = srv.Serve(l)
	}()
	return l.Addr().String(), func() {
		srv.Close()
		<-done
	}, nil
}
