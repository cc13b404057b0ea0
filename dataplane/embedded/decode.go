package embedded

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/internal/protofield"
)

// honoured is what this plane does of Envoy's messages; anything else that is
// set is refused by name, since to ignore it would be to run another proxy
// than the one that was asked for. Each part says what it honours of its own.
var honoured = together(protofield.Honoured{
	"envoy.config.core.v3.Address":                {"socket_address"},
	"envoy.config.core.v3.SocketAddress":          {"address", "port_value"},
	"envoy.config.core.v3.ConfigSource":           {"ads", "resource_api_version"},
	"envoy.config.core.v3.AggregatedConfigSource": {},
}, honouredOfTLS, honouredOfCarriage, honouredOfListeners, honouredOfRoutes, honouredOfClusters, honouredOfBalance)

// together is all of what the parts honour.
func together(parts ...protofield.Honoured) protofield.Honoured {
	all := protofield.Honoured{}
	for _, p := range parts {
		for message, fields := range p {
			all[message] = append(all[message], fields...)
		}
	}
	return all
}

// filterSpec is one filter's configuration.
type filterSpec struct {
	name     string
	config   *anypb.Any
	disabled bool // where no route says otherwise
}

func check[M proto.Message](a *anypb.Any, m M) (M, error) {
	if err := a.UnmarshalTo(m); err != nil {
		return m, fmt.Errorf("read %s: %w", a.GetTypeUrl(), err)
	}
	return m, protofield.Check(m, honoured)
}

func ads(field string, c *corev3.ConfigSource) error {
	if c.GetAds() == nil {
		return fmt.Errorf("%s: only ads is supported", field)
	}
	return nil
}

func hostport(a *corev3.Address) (string, error) {
	s := a.GetSocketAddress()
	if s.GetAddress() == "" || s.GetPortValue() == 0 || s.GetPortValue() > 65535 {
		return "", errors.New("field address: an IP address and a port are required")
	}
	if net.ParseIP(s.GetAddress()) == nil {
		return "", fmt.Errorf("field address: %q is not an IP address", s.GetAddress())
	}
	return net.JoinHostPort(s.GetAddress(), strconv.Itoa(int(s.GetPortValue()))), nil
}
