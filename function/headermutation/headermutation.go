package headermutation

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/guest"
)

// Function returns header mutation.
func Function() function.Function {
	return function.Function{
		Name:     "header-mutation",
		Doc:      "header mutation: set, append and remove headers of requests and responses",
		Decode:   Decode,
		Library:  &function.Library{Middleware: middleware},
		Lua:      &function.Lua{Script: luaScript},
		Wasm:     &function.Wasm{Module: module, Config: guestConfig},
		WasmGo:   &function.Wasm{Module: guest.Module, Config: guestConfig},
		Dynmod:   &function.Dynmod{Module: "tare_headermutation", Config: guestConfig},
		DynmodGo: &function.Dynmod{Module: guest.Dynamic, Config: guestConfig},
		External: external(),
		Native:   &function.Native{Config: config, Types: []function.FilterType{{URL: typeURL, New: newFilter}}},
		Example: `{"request": [{"op": "set", "name": "x-mesh", "value": "tare"}, {"op": "remove", "name": "x-debug"}],` +
			` "response": [{"op": "append", "name": "x-via", "value": "tare"}, {"op": "remove", "name": "server"}]}`,
		Judge:  judge,
		Trials: trials(),
	}
}

func middleware(spec function.Spec) (func(http.Handler) http.Handler, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return NewMiddleware(s)
}
