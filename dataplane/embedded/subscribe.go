package embedded

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/taremesh/tare/dataplane/embedded/route"
)

// subscription is one delta ADS stream and what came of it. One goroutine runs
// it; it outlives its stream, so that after a break the configuration goes on.
type subscription struct {
	node    string
	proxy   *proxy
	filters *filters
	config  *config

	stream   discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	asked    map[string]map[string]bool // names subscribed to, by type
	clusters map[string]*cluster        // in force
	addr     string                     // listened on
	// A listener is acknowledged when it listens, which is when what it refers
	// to has come: its answer waits here, and what it replaces.
	held     *discoveryv3.DeltaDiscoveryResponse
	replaced *listenerSpec
}

// run subscribes and takes what comes until the stream breaks.
func (s *subscription) run(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient, ready func()) error {
	s.stream, s.asked, s.held = stream, map[string]map[string]bool{}, nil
	for _, typ := range []string{resource.ClusterType, resource.ListenerType} {
		if err := s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typ}); err != nil {
			return err
		}
	}
	ready()
	for {
		r, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("receive configuration: %w", err)
		}
		if err := s.take(r); err != nil {
			return err
		}
	}
}

func (s *subscription) send(r *discoveryv3.DeltaDiscoveryRequest) error {
	r.Node = &corev3.Node{Id: s.node, UserAgentName: "tare"}
	if err := s.stream.Send(r); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("send to xds server: %w", err)
	}
	return nil
}

func (s *subscription) ack(r *discoveryv3.DeltaDiscoveryResponse) error {
	return s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce()})
}

func (s *subscription) nack(r *discoveryv3.DeltaDiscoveryResponse, why error) error {
	return s.send(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce(),
		ErrorDetail: &rpcstatus.Status{Code: int32(codes.InvalidArgument), Message: why.Error()},
	})
}

// take applies one response, whole or not at all, and answers it.
func (s *subscription) take(r *discoveryv3.DeltaDiscoveryResponse) error {
	if r.GetTypeUrl() == resource.ListenerType {
		return s.takeListener(r)
	}
	apply, err := s.read(r)
	if err != nil {
		return s.nack(r, err)
	}
	apply()
	if err := s.ask(resource.EndpointType, s.config.clusters); err != nil {
		return err
	}
	if err := s.ask(resource.SecretType, s.config.wantedSecrets()); err != nil {
		return err
	}
	if err := s.settle(); err != nil {
		return err
	}
	return s.ack(r)
}

// read checks a response and returns what would apply it.
func (s *subscription) read(r *discoveryv3.DeltaDiscoveryResponse) (apply func(), err error) {
	switch r.GetTypeUrl() {
	case resource.ClusterType:
		return s.readClusters(r)
	case resource.EndpointType:
		return s.readMembers(r)
	case resource.RouteType:
		return s.readRoutes(r)
	case resource.SecretType:
		return s.readSecrets(r)
	}
	return nil, fmt.Errorf("resource type %s is not supported", r.GetTypeUrl())
}

func (s *subscription) readClusters(r *discoveryv3.DeltaDiscoveryResponse) (func(), error) {
	var names []string
	by, how := map[string]carriageSpec{}, map[string]balanceSpec{}
	for _, res := range r.GetResources() {
		c, err := decodeCluster(res.GetResource())
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", res.GetName(), err)
		}
		names = append(names, c.name)
		by[c.name], how[c.name] = c.by, c.how
	}
	return func() {
		for _, name := range names {
			s.config.clusters[name] = true
			s.config.by[name], s.config.how[name] = by[name], how[name]
		}
		for _, name := range r.GetRemovedResources() {
			delete(s.config.clusters, name)
			delete(s.config.by, name)
			delete(s.config.how, name)
			delete(s.config.members, name)
		}
	}, nil
}

func (s *subscription) readMembers(r *discoveryv3.DeltaDiscoveryResponse) (func(), error) {
	members := map[string]assignment{}
	for _, res := range r.GetResources() {
		name, to, err := decodeAssignment(res.GetResource())
		if err != nil {
			return nil, fmt.Errorf("endpoints of %s: %w", res.GetName(), err)
		}
		members[name] = to
	}
	return func() {
		for name, to := range members {
			s.config.members[name] = to
		}
		for _, name := range r.GetRemovedResources() {
			delete(s.config.members, name)
		}
	}, nil
}

func (s *subscription) readRoutes(r *discoveryv3.DeltaDiscoveryResponse) (func(), error) {
	routes := map[string]*route.Config{}
	for _, res := range r.GetResources() {
		c, err := decodeRoutes(res.GetResource())
		if err == nil {
			err = s.addOverrides(c)
		}
		if err != nil {
			return nil, fmt.Errorf("route configuration %s: %w", res.GetName(), err)
		}
		routes[c.Name] = c
	}
	return func() {
		maps.Copy(s.config.routes, routes)
		for _, name := range r.GetRemovedResources() {
			delete(s.config.routes, name)
		}
	}, nil
}

func (s *subscription) readSecrets(r *discoveryv3.DeltaDiscoveryResponse) (func(), error) {
	secrets := map[string]secret{}
	for _, res := range r.GetResources() {
		name, one, err := decodeSecret(res.GetResource())
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", res.GetName(), err)
		}
		secrets[name] = one
	}
	return func() {
		maps.Copy(s.config.secrets, secrets)
		for _, name := range r.GetRemovedResources() {
			delete(s.config.secrets, name)
		}
	}, nil
}

func (s *subscription) addOverrides(c *route.Config) error {
	for _, e := range c.Entries {
		for _, name := range slices.Sorted(maps.Keys(e.Filters)) {
			o, err := decodeOverride(name, e.Filters[name].Config)
			if err == nil && o.config != nil {
				err = s.filters.add(e.Filters[name].Place, o)
			}
			if err != nil {
				return fmt.Errorf("%s: typed_per_filter_config[%q]: %w", e.Place, name, err)
			}
		}
	}
	return nil
}

func (s *subscription) takeListener(r *discoveryv3.DeltaDiscoveryResponse) error {
	next, err := s.readListener(r)
	if err != nil {
		return s.nack(r, err)
	}
	if s.held != nil {
		// Superseded before it could listen.
		if err := s.ack(s.held); err != nil {
			return err
		}
	} else {
		s.replaced = s.config.listener
	}
	s.held, s.config.listener = r, next
	wanted := map[string]bool{}
	if next != nil && next.tcp == "" {
		wanted[next.routes] = true
	}
	if err := s.ask(resource.RouteType, wanted); err != nil {
		return err
	}
	if err := s.ask(resource.SecretType, s.config.wantedSecrets()); err != nil {
		return err
	}
	return s.settle()
}

// readListener returns the listener that there shall be; nil for none.
func (s *subscription) readListener(r *discoveryv3.DeltaDiscoveryResponse) (*listenerSpec, error) {
	if len(r.GetResources()) > 1 {
		var names []string
		for _, res := range r.GetResources() {
			names = append(names, res.GetName())
		}
		return nil, fmt.Errorf("listeners %s: one listener is supported", strings.Join(names, ", "))
	}
	if len(r.GetResources()) == 1 {
		res := r.GetResources()[0]
		l, err := decodeListener(res.GetResource())
		if err != nil {
			return nil, fmt.Errorf("listener %s: %w", res.GetName(), err)
		}
		for _, f := range l.filters {
			if err := s.filters.add(chainPlace, f); err != nil {
				return nil, fmt.Errorf("listener %s: http_connection_manager: field http_filters: %w", res.GetName(), err)
			}
		}
		if err := s.proxy.openLog(l.log); err != nil {
			return nil, fmt.Errorf("listener %s: http_connection_manager: field access_log: %w", res.GetName(), err)
		}
		return &l, nil
	}
	for _, name := range r.GetRemovedResources() {
		if s.config.listener != nil && s.config.listener.name == name {
			return nil, nil
		}
	}
	return s.config.listener, nil
}

// ask subscribes to the wanted names of a type and no others.
func (s *subscription) ask(typ string, wanted map[string]bool) error {
	asked := s.asked[typ]
	if asked == nil {
		asked = map[string]bool{}
		s.asked[typ] = asked
	}
	r := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typ}
	for name := range wanted {
		if !asked[name] {
			r.ResourceNamesSubscribe = append(r.ResourceNamesSubscribe, name)
			asked[name] = true
		}
	}
	for name := range asked {
		if !wanted[name] {
			r.ResourceNamesUnsubscribe = append(r.ResourceNamesUnsubscribe, name)
			delete(asked, name)
		}
	}
	if len(r.ResourceNamesSubscribe)+len(r.ResourceNamesUnsubscribe) == 0 {
		return nil
	}
	return s.send(r)
}

// settle puts the configuration in force as far as it is whole. Until then the
// old one goes on, so that no request meets half of a change.
func (s *subscription) settle() error {
	if s.config.listener == nil {
		s.proxy.unlisten()
		s.addr = ""
		return s.release(nil)
	}
	if !s.config.complete() {
		return nil
	}
	s.proxy.carriagesOf(s.config.by, s.config.secrets)
	t, clusters, addrs := s.config.build(s.proxy, s.filters, s.clusters)
	if addr := s.config.listener.addr; addr != s.addr {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			s.config.listener = s.replaced
			retire(clusters, s.clusters)
			return s.release(fmt.Errorf("listener: cannot bind %s: %w", addr, err))
		}
		s.proxy.use(t, addrs)
		s.proxy.enterBy(s.config.listener, s.config.secrets)
		s.proxy.listen(l)
		s.addr = addr
	} else {
		s.proxy.use(t, addrs)
		s.proxy.enterBy(s.config.listener, s.config.secrets)
	}
	retire(s.clusters, clusters)
	s.clusters = clusters
	s.filters.prune(s.config)
	return s.release(nil)
}

// release answers the listener that was held.
func (s *subscription) release(err error) error {
	r := s.held
	if r == nil {
		return nil
	}
	s.held, s.replaced = nil, nil
	if err != nil {
		return s.nack(r, err)
	}
	return s.ack(r)
}
