package noop

import (
	"context"
	"fmt"
	"net"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/extproc"
)

// external is a service that is asked for both heads and changes neither. In
// the embedded data plane the filter of header-mutation asks it.
func external() *function.External {
	nothing := func(extproc.Head) (none extproc.Changes) { return none }
	process := extproc.Process{Request: nothing, Response: nothing}
	return &function.External{
		Serve: func(ctx context.Context, _ function.Spec, l net.Listener) error {
			return extproc.Serve(ctx, l, process)
		},
		Config: func(function.Spec) (function.FilterConfig, error) {
			packed, err := dataplane.Pack(extproc.Config(function.ExternalCluster, process))
			if err != nil {
				return function.FilterConfig{}, fmt.Errorf("noop: %w", err)
			}
			return function.FilterConfig{Name: extproc.FilterName, Config: packed}, nil
		},
	}
}
