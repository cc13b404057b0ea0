package headermutation

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/guest"
	"github.com/taremesh/tare/study"
)

// Function returns header mutation.
func Function() function.Function {
	return function.Function{
		Name:     "header-mutation",
		Doc:      "header mutation: set, append and remove headers of requests and responses",
		Decode:   Decode,
		Library:  &function.Library{Middleware: middleware},
		Lua:      &function.Lua{Script: luaScript},
		WasmGo:   &function.Wasm{Module: guest.Module, Config: guestConfig},
		DynmodGo: &function.Dynmod{Module: guest.Dynamic, Config: guestConfig},
		External: external(),
		Native:   &function.Native{Config: config, Types: []function.FilterType{{URL: typeURL, New: newFilter}}},
		Example: `{"request": [{"op": "set", "name": "x-mesh", "value": "tare"}, {"op": "remove", "name": "x-debug"}],` +
			` "response": [{"op": "append", "name": "x-via", "value": "tare"}, {"op": "remove", "name": "server"}]}`,
		Judge:  judge,
		Trials: trials(),
		Without: map[study.Form]string{
			study.FormWasm:   "not built",
			study.FormDynmod: "not built",
		},
	}
}

func middleware(spec function.Spec) (func(http.Handler) http.Handler, error) {
	s, err := specOf(spec)
	if err != nil {
		return nil, err
	}
	return NewMiddleware(s)
}
