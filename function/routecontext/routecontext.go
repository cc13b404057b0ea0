package routecontext

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/guest"
)

// Function returns context-based routing.
func Function() function.Function {
	return function.Function{
		Name:     "route-context",
		Doc:      "context-based routing: which service gets a request, by header, cookie, query, method, claim or caller's identity",
		Decode:   Decode,
		Library:  &function.Library{Transport: transport},
		Native:   &function.Native{Shape: shape},
		Lua:      &function.Lua{Script: luaScript},
		Wasm:     &function.Wasm{Module: module, Config: guestConfig},
		WasmGo:   &function.Wasm{Module: guest.Module, Config: guestConfig},
		Dynmod:   &function.Dynmod{Module: "tare_routecontext", Config: guestConfig},
		DynmodGo: &function.Dynmod{Module: guest.Dynamic, Config: guestConfig},
		External: external(),
		Prepare:  prepare,
		Replicas: Services,
		Routes:   true,
		Example: `{"rules": [{"when": [{"from": "header", "name": "x-tier", "value": "gold"}], "service": 1},` +
			` {"when": [{"from": "cookie", "name": "lab", "match": "present"}], "service": 2},` +
			` {"when": [{"from": "query", "name": "v", "value": "2"}, {"from": "method", "value": "GET"}], "service": 1}]}`,
		Judge:  judge,
		Trials: trials(),
		Decide: &function.Decide{Params: apart, Model: decide},
	}
}

func transport(spec function.Spec, services []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return NewTransport(s, services)
}
