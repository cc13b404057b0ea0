package noop

import (
	"fmt"

	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/function"
)

const filterName = "envoy.filters.http.header_mutation"

// native is Envoy's filter that changes headers, told to change none: it is
// called at the head of a request and of its response. In the embedded data
// plane the function header-mutation answers to the message.
func native() *function.Native {
	return &function.Native{
		Config: func(function.Spec) (function.FilterConfig, error) {
			config, err := anypb.New(&headermutationv3.HeaderMutation{})
			if err != nil {
				return function.FilterConfig{}, fmt.Errorf("pack the filter that does nothing: %w", err)
			}
			return function.FilterConfig{Name: filterName, Config: config}, nil
		},
	}
}
