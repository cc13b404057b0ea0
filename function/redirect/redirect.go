package redirect

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns redirects.
func Function() function.Function {
	return function.Function{
		Name:    "redirect",
		Doc:     "redirects: answers that lead to another scheme, host, port or path",
		Decode:  Decode,
		Library: &function.Library{Middleware: middleware},
		Native:  &function.Native{Shape: shape},
		// A redirected request is answered without a service: what is weighed is
		// that each request is held against the rules.
		Example: `{"rules": [{"path": "/moved", "to": "/", "status": 308}, {"prefix": "/old/", "to": "/new/", "scheme": "https"}]}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      "not built: a script could answer with a location",
			study.FormWasm:     "not built: a module could answer with a location",
			study.FormWasmGo:   "not built: as wasm",
			study.FormDynmod:   "not built: as wasm",
			study.FormDynmodGo: "not built: as wasm",
			study.FormExternal: "not built: a service could refuse with a status and a location",
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
