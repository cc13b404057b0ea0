package cors

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns cross-origin resource sharing.
func Function() function.Function {
	return function.Function{
		Name:    "cors",
		Doc:     "cross-origin resource sharing: which pages of other origins may have a browser call, with what, and read the answers",
		Decode:  Decode,
		Library: &function.Library{Middleware: middleware},
		Native: &function.Native{Config: config, Shape: shape,
			Types: []function.FilterType{{URL: filterURL, New: newFilter}, {URL: policyURL, New: newPolicy}}},
		Example: `{"origins": ["https://images.test"], "origin_regex": ["https://[a-z]+[.]images[.]test"], "methods": ["PUT"], "headers": ["content-type"], "max_age": "10m"}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      "not built: a script could answer preflights and add headers to responses; it has no regular expressions",
			study.FormWasm:     "not built: a module could answer preflights and add headers to responses",
			study.FormWasmGo:   "not built: as wasm",
			study.FormDynmod:   "not built: as wasm",
			study.FormDynmodGo: "not built: as wasm",
			study.FormExternal: "not built: a service could answer preflights and have headers added to responses",
		},
	}
}

func middleware(spec function.Spec) (func(http.Handler) http.Handler, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return NewMiddleware(s)
}
