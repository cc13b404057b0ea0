package noop

import (
	"fmt"

	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
)

const (
	filterName = "envoy.filters.http.header_mutation"
	filterURL  = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
)

// native is Envoy's filter that changes headers, told to change none: it is
// called at the head of a request and of its response.
func native() *function.Native {
	return &function.Native{
		Config: func(function.Spec) (function.FilterConfig, error) {
			config, err := anypb.New(&headermutationv3.HeaderMutation{})
			if err != nil {
				return function.FilterConfig{}, fmt.Errorf("pack the filter that does nothing: %w", err)
			}
			return function.FilterConfig{Name: filterName, Config: config}, nil
		},
		Types: []function.FilterType{{URL: filterURL, New: newFilter}},
	}
}

// nothing lets every request on.
type nothing struct{}

func (nothing) Handle(function.Exchange) bool { return true }

// newFilter refuses, by the field, a message that asks for anything.
func newFilter(config *anypb.Any) (function.Filter, error) {
	var m headermutationv3.HeaderMutation
	if err := config.UnmarshalTo(&m); err != nil {
		return nil, fmt.Errorf("read %s: %w", filterURL, err)
	}
	if err := protofield.Check(&m, protofield.Honoured{}); err != nil {
		return nil, fmt.Errorf("the filter that does nothing: %w", err)
	}
	return nothing{}, nil
}
