package dataplane

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// ServiceCluster is the cluster of a Proxy whose endpoints are the service's
// replicas.
const ServiceCluster = "service"

// Resources are what one proxy is told, as Envoy's v3 messages: the tongue that
// every data plane understands.
type Resources struct {
	Listener    *listenerv3.Listener
	Routes      *routev3.RouteConfiguration
	Clusters    []*clusterv3.Cluster
	Assignments []*endpointv3.ClusterLoadAssignment // one for each cluster, in its order
	Secrets     []*tlsv3.Secret
}

// Shape changes what a proxy is told. It is applied after the proxy's own
// values have been translated, endpoints among them, and before anything is
// sent.
type Shape func(*Resources) error

// Cluster returns the cluster of that name and its endpoints.
func (r *Resources) Cluster(name string) (*clusterv3.Cluster, *endpointv3.ClusterLoadAssignment, error) {
	for i, c := range r.Clusters {
		if c.GetName() == name {
			return c, r.Assignments[i], nil
		}
	}
	return nil, nil, fmt.Errorf("there is no cluster %q", name)
}

// Subset adds a cluster like the one of the name from, under the name to, with
// those of its endpoints (by place, from 0, over all its localities). A place
// that it does not have is an error.
func (r *Resources) Subset(from, to string, places ...int) (*clusterv3.Cluster, *endpointv3.ClusterLoadAssignment, error) {
	c, a, err := r.Cluster(from)
	if err != nil {
		return nil, nil, err
	}
	var all []*endpointv3.LbEndpoint
	for _, group := range a.GetEndpoints() {
		all = append(all, group.GetLbEndpoints()...)
	}
	group := &endpointv3.LocalityLbEndpoints{}
	for _, i := range places {
		if i < 0 || i >= len(all) {
			return nil, nil, fmt.Errorf("cluster %s has %d endpoints, and number %d of them is wanted for %s", from, len(all), i+1, to)
		}
		group.LbEndpoints = append(group.LbEndpoints, proto.CloneOf(all[i]))
	}
	cc := proto.CloneOf(c)
	cc.Name = to
	ca := &endpointv3.ClusterLoadAssignment{ClusterName: to, Endpoints: []*endpointv3.LocalityLbEndpoints{group}}
	r.Clusters, r.Assignments = append(r.Clusters, cc), append(r.Assignments, ca)
	return cc, ca, nil
}

// Panic sets the share of healthy hosts, in percent, below which a cluster takes
// them all for healthy; 0 never does. Changes of health then count at once:
// Envoy would else hold back what changes within a second of another change.
func Panic(c *clusterv3.Cluster, percent float64) {
	if c.CommonLbConfig == nil {
		c.CommonLbConfig = &clusterv3.Cluster_CommonLbConfig{}
	}
	c.CommonLbConfig.HealthyPanicThreshold = &typev3.Percent{Value: percent}
	c.CommonLbConfig.UpdateMergeWindow = durationpb.New(0)
}

// EachManager hands every HTTP connection manager of the listener to change,
// and packs it again.
func (r *Resources) EachManager(change func(*hcmv3.HttpConnectionManager) error) error {
	for _, chain := range r.Listener.GetFilterChains() {
		for _, f := range chain.GetFilters() {
			m := &hcmv3.HttpConnectionManager{}
			if !f.GetTypedConfig().MessageIs(m) {
				continue
			}
			if err := f.GetTypedConfig().UnmarshalTo(m); err != nil {
				return fmt.Errorf("read the connection manager: %w", err)
			}
			if err := change(m); err != nil {
				return err
			}
			packed, err := Pack(m)
			if err != nil {
				return err
			}
			f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: packed}
		}
	}
	return nil
}

// EachRoute hands every route that forwards to change.
func (r *Resources) EachRoute(change func(*routev3.Route, *routev3.RouteAction) error) error {
	for _, h := range r.Routes.GetVirtualHosts() {
		for _, route := range h.GetRoutes() {
			if a := route.GetRoute(); a != nil {
				if err := change(route, a); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Pack marshals deterministically, so that equal messages give equal bytes.
func Pack(m proto.Message) (*anypb.Any, error) {
	a := new(anypb.Any)
	if err := anypb.MarshalFrom(a, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		return nil, fmt.Errorf("pack %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return a, nil
}
