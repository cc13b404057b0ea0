package split

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns traffic splitting.
func Function() function.Function {
	return function.Function{
		Name:     "split",
		Doc:      "traffic splitting: services share requests by weight, by value of a header if wanted",
		Decode:   Decode,
		Library:  &function.Library{Transport: transport},
		Native:   &function.Native{Shape: shape},
		Replicas: Services,
		Routes:   true,
		Example:  `{"weights": [90, 10]}`,
		Judge:    judge,
		Trials:   trials(),
		Without: map[study.Form]string{
			study.FormLua:      "not built: a script could draw a service and set a header that routes match, as route-context does in this form",
			study.FormWasm:     "not built: a module could draw a service and set a header that routes match, as route-context does in this form",
			study.FormWasmGo:   "not built: as wasm",
			study.FormDynmod:   "not built: as wasm",
			study.FormDynmodGo: "not built: as wasm",
			study.FormExternal: "not built: a service could draw and set a header that routes match, as route-context does in this form",
		},
	}
}

func transport(spec function.Spec, services []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return NewTransport(s, services)
}
