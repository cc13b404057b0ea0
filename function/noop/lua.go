package noop

import "github.com/taremesh/tare/function"

// lua is a script that is called at both heads and touches neither.
func lua() *function.Lua {
	return &function.Lua{Script: func(function.Spec) (string, error) { return script, nil }}
}

const script = `function envoy_on_request(handle) end
function envoy_on_response(handle) end
`
