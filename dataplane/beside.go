package dataplane

import (
	"fmt"
	"net/netip"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	upstreamsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// httpOptions is Envoy's name of a cluster's HTTP options.
const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// Beside adds a cluster of one gRPC service without TLS at an address
// (host:port) that the proxy tells what it does, such as a collector. Where a
// cluster of the name is already, nothing happens.
func (r *Resources) Beside(name, addr string) error {
	if _, _, err := r.Cluster(name); err == nil {
		return nil
	}
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("add cluster %s: %q: want an IP address and a port", name, addr)
	}
	c, a, err := r.Subset(ServiceCluster, name)
	if err != nil {
		return fmt.Errorf("add cluster %s: %w", name, err)
	}
	http2, err := Pack(&upstreamsv3.HttpProtocolOptions{UpstreamProtocolOptions: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig_{
		ExplicitHttpConfig: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{}},
		},
	}})
	if err != nil {
		return err
	}
	c.TransportSocket = nil
	c.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpOptions: http2}
	a.Endpoints[0].LbEndpoints = []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
		Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: at.Addr().String(), PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(at.Port())}}}}}}}}
	return nil
}
