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
		Dynmod:   &function.Dynmod{Module: "tare_ratelimit", Config: wasmConfiguration},
		DynmodGo: &function.Dynmod{Module: guest.Dynamic, Config: guestConfig},
		External: external(),
		Example:  `{"limits": {"Personal": "1000000/s", "Team": "1000000/s", "Enterprise": "1000000/s"}, "others": "1000000/s", "paths": ["/"]}`,
		Headers:  study.Headers{function.UserHeader: "image", function.SubscriptionHeader: "Team"},
		Forecast: forecast,
		Judge:    judge,
	}
}
