package embedded

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/internal/protofield"
)

// honouredOfClusters is what is done of clusters and their endpoints.
var honouredOfClusters = protofield.Honoured{
	"envoy.config.cluster.v3.Cluster": {
		"name", "type", "eds_cluster_config", "connect_timeout", "lb_policy", "circuit_breakers",
		"transport_socket", "typed_extension_protocol_options",
	},
	"envoy.config.cluster.v3.Cluster.EdsClusterConfig": {"eds_config"},
	"envoy.config.cluster.v3.CircuitBreakers":          {"thresholds"},
	"envoy.config.cluster.v3.CircuitBreakers.Thresholds": {
		"max_connections", "max_pending_requests", "max_requests", "max_retries",
	},
	"envoy.config.endpoint.v3.ClusterLoadAssignment": {"cluster_name", "endpoints"},
	"envoy.config.endpoint.v3.LocalityLbEndpoints":   {"lb_endpoints"},
	"envoy.config.endpoint.v3.LbEndpoint":            {"endpoint"},
	"envoy.config.endpoint.v3.Endpoint":              {"address"},
}

// fewest is the smallest circuit breaker limit that is taken: this plane has
// none, so a limit that might fire is refused.
const fewest = 1 << 16

type clusterSpec struct {
	name string
	by   carriageSpec
}

func decodeCluster(a *anypb.Any) (clusterSpec, error) {
	c, err := check(a, &clusterv3.Cluster{})
	s := clusterSpec{name: c.GetName()}
	if err != nil {
		return s, err
	}
	if s.by, err = decodeCarriage(c); err != nil {
		return s, err
	}
	if c.GetType() != clusterv3.Cluster_EDS {
		return s, fmt.Errorf("field type: %v is not supported, EDS is", c.GetType())
	}
	if c.GetLbPolicy() != clusterv3.Cluster_ROUND_ROBIN {
		return s, fmt.Errorf("field lb_policy: %v is not supported, ROUND_ROBIN is", c.GetLbPolicy())
	}
	for _, t := range c.GetCircuitBreakers().GetThresholds() {
		if err := generous(t); err != nil {
			return s, err
		}
	}
	if d := c.GetConnectTimeout(); d != nil && d.AsDuration() != connectTimeout {
		return s, fmt.Errorf("field connect_timeout: %v is not supported, %v is", d.AsDuration(), connectTimeout)
	}
	return s, ads("field eds_cluster_config.eds_config", c.GetEdsClusterConfig().GetEdsConfig())
}

func generous(t *clusterv3.CircuitBreakers_Thresholds) error {
	var err error
	t.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		value := v.Message().Get(f.Message().Fields().ByName("value")).Uint()
		if value < fewest {
			err = fmt.Errorf("field circuit_breakers.thresholds.%s: %d is not supported, at least %d is, since there are no circuit breakers", f.Name(), value, fewest)
		}
		return err == nil
	})
	return err
}

func decodeAssignment(a *anypb.Any) (name string, addrs []string, err error) {
	cla, err := check(a, &endpointv3.ClusterLoadAssignment{})
	if err != nil {
		return cla.GetClusterName(), nil, err
	}
	for _, group := range cla.GetEndpoints() {
		for _, e := range group.GetLbEndpoints() {
			addr, err := hostport(e.GetEndpoint().GetAddress())
			if err != nil {
				return cla.GetClusterName(), nil, fmt.Errorf("field endpoints: %w", err)
			}
			addrs = append(addrs, addr)
		}
	}
	return cla.GetClusterName(), addrs, nil
}
