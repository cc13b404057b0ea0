package embedded

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/internal/protofield"
)

// honouredOfClusters is what is done of clusters and their endpoints.
var honouredOfClusters = protofield.Honoured{
	"envoy.config.cluster.v3.Cluster": {
		"name", "type", "eds_cluster_config", "connect_timeout", "lb_policy", "circuit_breakers",
		"transport_socket", "typed_extension_protocol_options",
		"least_request_lb_config", "ring_hash_lb_config", "maglev_lb_config", "common_lb_config",
		"outlier_detection", "health_checks", "ignore_health_on_host_removal",
	},
	"envoy.config.cluster.v3.Cluster.EdsClusterConfig": {"eds_config"},
}

type clusterSpec struct {
	name string
	by   carriageSpec
	how  balanceSpec
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
	if s.how, err = decodeBalance(c); err != nil {
		return s, err
	}
	if d := c.GetConnectTimeout(); d != nil && d.AsDuration() != connectTimeout {
		return s, fmt.Errorf("field connect_timeout: %v is not supported, %v is", d.AsDuration(), connectTimeout)
	}
	return s, ads("field eds_cluster_config.eds_config", c.GetEdsClusterConfig().GetEdsConfig())
}

func decodeAssignment(a *anypb.Any) (name string, to assignment, err error) {
	cla, err := check(a, &endpointv3.ClusterLoadAssignment{})
	if err != nil {
		return cla.GetClusterName(), to, err
	}
	to.overprovision = number(cla.GetPolicy().GetOverprovisioningFactor(), overprovision)
	for i, group := range cla.GetEndpoints() {
		for _, e := range group.GetLbEndpoints() {
			if err := to.add(i, group, e); err != nil {
				return cla.GetClusterName(), to, fmt.Errorf("field endpoints: %w", err)
			}
		}
	}
	return cla.GetClusterName(), to, nil
}
