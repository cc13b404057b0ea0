package noop

import (
	_ "embed"
	"fmt"

	"github.com/taremesh/tare/function"
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
		Forecast: forecast,
		Judge:    judge,
		Without: map[study.Form]string{
			study.FormLibrary:  "none: a middleware that does nothing is a call that the compiler may leave out",
			study.FormWasmGo:   "not built: needs a proxy-wasm module from Go",
			study.FormDynmodGo: "not built: needs a dynamic module of Envoy's",
			study.FormDynmod:   "not built: needs a dynamic module of Envoy's",
			study.FormExternal: "not built: needs a service that the proxy asks",
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

// judge: whoever was refused was refused wrongly, and the service got every
// request that was allowed.
func judge(_ function.Spec, e function.Evidence) error {
	var count [function.Refused + 1]int
	for i, o := range e.Observations {
		if o.Outcome > function.Refused {
			return fmt.Errorf("noop: observation %d has no outcome: %d", i, o.Outcome)
		}
		if o.Outcome == function.Refused {
			return fmt.Errorf("noop: a request for %s at %v was refused: nothing is limited", o.Path, o.Earliest)
		}
		count[o.Outcome]++
	}
	if least, most := count[function.Allowed], len(e.Observations); e.Served >= 0 && (e.Served < least || e.Served > most) {
		return fmt.Errorf("noop: the service served %d requests, but %d were answered as allowed and %d not at all",
			e.Served, least, count[function.Unknown])
	}
	return nil
}
