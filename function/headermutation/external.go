package headermutation

import (
	"context"
	"fmt"
	"net"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/extproc"
)

// external is a service that the proxy asks for each head.
func external() *function.External {
	return &function.External{
		Serve: func(ctx context.Context, spec function.Spec, l net.Listener) error {
			s, err := function.SpecAs[Spec](spec)
			if err != nil {
				return err
			}
			return extproc.Serve(ctx, l, s.process())
		},
		Config: func(spec function.Spec) (function.FilterConfig, error) {
			s, err := function.SpecAs[Spec](spec)
			if err != nil {
				return function.FilterConfig{}, err
			}
			packed, err := dataplane.Pack(extproc.Config(function.ExternalCluster, s.process()))
			if err != nil {
				return function.FilterConfig{}, fmt.Errorf("header-mutation: %w", err)
			}
			return function.FilterConfig{Name: extproc.FilterName, Config: packed}, nil
		},
		Types: []function.FilterType{{URL: processorURL, Join: joinProcessor}},
	}
}

func (s Spec) process() extproc.Process {
	do := func(ms []Mutation) func(extproc.Head) extproc.Changes {
		return func(extproc.Head) (c extproc.Changes) {
			for _, m := range ms {
				switch m.Op {
				case Set:
					c.Set(m.Name, m.Value)
				case Append:
					c.Append(m.Name, m.Value)
				case Remove:
					c.Remove(m.Name)
				}
			}
			return c
		}
	}
	return extproc.Process{Request: do(s.Request), Response: do(s.Response)}
}
