package embedded

import (
	"fmt"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/dataplane/embedded/route"
)

// honouredOfRoutes is what is done of route configurations.
var honouredOfRoutes = route.Honoured()

// decodeRoutes reads a route configuration.
func decodeRoutes(a *anypb.Any) (*route.Config, error) {
	rc, err := check(a, &routev3.RouteConfiguration{})
	if err != nil {
		return nil, err
	}
	c, err := route.Decode(rc)
	if err != nil {
		return nil, err
	}
	// What is left of Envoy's own checks of its messages.
	if err := rc.Validate(); err != nil {
		return nil, fmt.Errorf("field %w", err)
	}
	return c, nil
}

const filterConfigURL = "type.googleapis.com/envoy.config.route.v3.FilterConfig"

// decodeOverride takes what a filter does on one route out of the message that
// it may be wrapped in. Without a configuration it does what it does elsewhere.
func decodeOverride(name string, a *anypb.Any) (filterSpec, error) {
	if a.GetTypeUrl() != filterConfigURL {
		return filterSpec{name: name, config: a}, nil
	}
	m, err := check(a, &routev3.FilterConfig{})
	if err != nil {
		return filterSpec{}, err
	}
	if m.GetConfig() == nil && !m.GetDisabled() {
		return filterSpec{name: name}, nil
	}
	if m.GetIsOptional() {
		return filterSpec{}, fmt.Errorf("field is_optional: is not supported")
	}
	return filterSpec{name: name, config: m.GetConfig(), disabled: m.GetDisabled()}, nil
}
