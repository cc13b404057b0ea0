package xds

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/log"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"

	"github.com/taremesh/tare/dataplane"
)

// Server is a delta ADS server on a loopback port. One node id has one proxy.
type Server struct {
	addr   string
	grpc   *grpc.Server
	cache  cachev3.SnapshotCache
	cancel context.CancelFunc
	served chan struct{}
	close  sync.Once

	acks *ledger

	mu     sync.Mutex
	serial int                            // of the last snapshot
	nodes  map[string]bool                // that proxies run as
	turns  map[string]chan struct{}       // per node: one Set at a time
	taken  map[string]dataplane.Resources // per node: the last one it took
}

// NewServer listens on a free loopback port and serves until Close.
func NewServer() (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for xds: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		addr:   l.Addr().String(),
		grpc:   grpc.NewServer(),
		cache:  cachev3.NewSnapshotCache(true, cachev3.IDHash{}, log.LoggerFuncs{}),
		cancel: cancel,
		served: make(chan struct{}),
		acks:   newLedger(),
		nodes:  map[string]bool{},
		turns:  map[string]chan struct{}{},
		taken:  map[string]dataplane.Resources{},
	}
	callbacks := serverv3.CallbackFuncs{
		DeltaStreamClosedFunc: func(id int64, _ *corev3.Node) { s.acks.closed(id) },
		StreamDeltaRequestFunc: func(id int64, r *discoveryv3.DeltaDiscoveryRequest) error {
			s.acks.request(id, r)
			return nil
		},
		StreamDeltaResponseFunc: func(id int64, _ *discoveryv3.DeltaDiscoveryRequest, r *discoveryv3.DeltaDiscoveryResponse) {
			s.acks.response(id, r)
		},
	}
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(s.grpc, serverv3.NewServer(ctx, s.cache, callbacks))
	go func() {
		defer close(s.served)
		// Serve returns an error only when the listener fails, which a Set
		// then reports as types that were not acknowledged.
		_ = s.grpc.Serve(l)
	}()
	return s, nil
}

// Addr is the address that proxies fetch their configuration from.
func (s *Server) Addr() string { return s.addr }

// Close ends all streams and waits for them. It may be called again.
func (s *Server) Close() {
	s.close.Do(func() {
		s.cancel()
		s.grpc.Stop()
	})
	<-s.served
}

// Connected waits until the node has a stream open.
func (s *Server) Connected(ctx context.Context, node string) error {
	err := s.acks.wait(ctx, node, func(n *nodeState) (bool, error) { return n.streams > 0, nil })
	if err != nil {
		return fmt.Errorf("wait for proxy %s to connect: %w", node, err)
	}
	return nil
}

// claim takes a node id for one proxy.
func (s *Server) claim(node string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nodes[node] {
		return fmt.Errorf("start proxy %s: a proxy of that name runs; give it another", node)
	}
	s.nodes[node] = true
	return nil
}

// Forget drops what is kept of a node that has ended.
func (s *Server) Forget(node string) {
	s.cache.ClearSnapshot(node)
	s.acks.forget(node)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.nodes, node)
	delete(s.turns, node)
	delete(s.taken, node)
}

// Set hands a proxy's configuration to a node and returns when the node has
// acknowledged every resource of it and the removal of every other one. A
// refusal is an error with the node's own words; the node, which may have taken
// the other types, is then given back the configuration that it had. When the
// context ends first, the error names the types that were not acknowledged.
func (s *Server) Set(ctx context.Context, node string, p dataplane.Proxy) error {
	b, err := Resources(p)
	if err != nil {
		return err
	}
	done, err := s.turn(ctx, node)
	if err != nil {
		return fmt.Errorf("configure proxy %s: %w", node, err)
	}
	defer done()
	err = s.push(ctx, node, b)
	if err == nil {
		s.mu.Lock()
		s.taken[node] = b
		s.mu.Unlock()
		return nil
	}
	if back := s.goBack(ctx, node, err); back != nil {
		return fmt.Errorf("configure proxy %s: %w; give back what it had: %w", node, err, back)
	}
	return fmt.Errorf("configure proxy %s: %w", node, err)
}

// goBack undoes a configuration that was refused in part.
func (s *Server) goBack(ctx context.Context, node string, why error) error {
	s.mu.Lock()
	before, ok := s.taken[node]
	s.mu.Unlock()
	if !ok || !errors.As(why, new(*Refusal)) {
		return nil
	}
	return s.push(ctx, node, before)
}

// push sends a bundle and waits until the node has taken it.
func (s *Server) push(ctx context.Context, node string, b dataplane.Resources) error {
	snapshot, version, err := s.snapshot(b)
	if err != nil {
		return err
	}
	s.acks.expect(node, version, snapshot.VersionMap)
	if err := s.cache.SetSnapshot(ctx, node, snapshot); err != nil {
		return fmt.Errorf("push resources: %w", err)
	}
	return s.acks.wait(ctx, node, (*nodeState).settled)
}

// turn waits until no other Set of the node is under way.
func (s *Server) turn(ctx context.Context, node string) (done func(), err error) {
	s.mu.Lock()
	c, ok := s.turns[node]
	if !ok {
		c = make(chan struct{}, 1)
		s.turns[node] = c
	}
	s.mu.Unlock()
	done = func() { <-c }
	select {
	case c <- struct{}{}:
		return done, nil
	default:
	}
	select {
	case c <- struct{}{}:
		return done, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for an earlier configuration: %w", ctx.Err())
	}
}

// snapshot gives every resource the new snapshot's number as its version, so
// that all are sent and acknowledged each time. Versions by content would send
// no endpoints for a cluster that changed otherwise, which then never warms;
// and nothing would follow a refusal that is repeated.
func (s *Server) snapshot(b dataplane.Resources) (*cachev3.Snapshot, string, error) {
	s.mu.Lock()
	s.serial++
	version := strconv.Itoa(s.serial)
	s.mu.Unlock()
	byType := map[string][]types.Resource{
		resource.ListenerType: {b.Listener},
	}
	if b.Routes != nil { // a listener that hands on TCP has none
		byType[resource.RouteType] = []types.Resource{b.Routes}
	}
	for i, c := range b.Clusters {
		byType[resource.ClusterType] = append(byType[resource.ClusterType], c)
		byType[resource.EndpointType] = append(byType[resource.EndpointType], b.Assignments[i])
	}
	for _, secret := range b.Secrets {
		byType[resource.SecretType] = append(byType[resource.SecretType], secret)
	}
	snapshot, err := cachev3.NewSnapshot(version, byType)
	if err != nil {
		return nil, "", fmt.Errorf("make snapshot: %w", err)
	}
	if err := snapshot.Consistent(); err != nil {
		return nil, "", fmt.Errorf("make snapshot: %w", err)
	}
	snapshot.VersionMap = map[string]map[string]string{}
	for _, typ := range resourceTypes {
		names := map[string]string{}
		for name := range snapshot.GetResources(typ) {
			names[name] = version
		}
		snapshot.VersionMap[typ] = names
	}
	return snapshot, version, nil
}
