package ratelimit

import (
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/guest"
	"github.com/taremesh/tare/study"
)

// Function returns the rate limit.
func Function() function.Function {
	return function.Function{
		Name:    "ratelimit",
		Doc:     "a token bucket per user, capacity and refill by subscription",
		Decode:  Decode,
		Library: &function.Library{Middleware: middleware},
		Native: &function.Native{
			Config: config,
			Types:  []function.FilterType{{URL: typeURL, New: newFilter}},
			Check:  checkUsers,
		},
		Lua:      &function.Lua{Script: luaScript},
		Wasm:     &function.Wasm{Module: module, Config: wasmConfiguration},
		WasmGo:   &function.Wasm{Module: guest.Module, Config: guestConfig},
		DynmodGo: &function.Dynmod{Module: guest.Dynamic, Config: guestConfig},
		External: external(),
		Forecast: forecast,
		Judge:    judge,
		Without: map[study.Form]string{
			study.FormDynmod: "not built: needs a dynamic module of Envoy's",
		},
	}
}
