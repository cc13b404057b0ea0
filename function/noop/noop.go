package noop

import (
	_ "embed"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/guest"
	"github.com/taremesh/tare/study"
)

// Function returns the function that does nothing.
func Function() function.Function {
	return function.Function{
		Name:   "noop",
		Doc:    "nothing: what a filter costs by being there",
		Decode: decode,
		Native: native(),
		Lua:    lua(),
		Wasm: &function.Wasm{
			Module: module,
			Config: func(function.Spec) ([]byte, error) { return nil, nil },
		},
		WasmGo:   &function.Wasm{Module: guest.Module, Config: guestConfig},
		Dynmod:   &function.Dynmod{Module: "tare_noop", Config: func(function.Spec) ([]byte, error) { return nil, nil }},
		DynmodGo: &function.Dynmod{Module: guest.Dynamic, Config: guestConfig},
		External: external(),
		Forecast: forecast,
		Judge:    judge,
		Trials:   trials(),
		Example:  `{}`,
		Without: map[study.Form]string{
			study.FormLibrary: "none: a middleware that does nothing is a call that the compiler may leave out",
		},
	}
}

// module is built from the Rust source beside it by "make wasm".
//
//go:embed filter/noop.wasm
var module []byte

// Spec is no parameters.
type Spec struct{}

func decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	return s, nil
}

// forecast: nobody is refused.
func forecast(function.Spec, []function.Arrival) (function.Forecast, error) {
	return function.Forecast{Lowest: 1}, nil
}
