package rewrite

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns rewriting.
func Function() function.Function {
	return function.Function{
		Name:    "rewrite",
		Doc:     "rewriting: another path, by prefix or regular expression, and another host for requests that go on",
		Decode:  Decode,
		Library: &function.Library{Middleware: middleware},
		Native:  &function.Native{Shape: shape},
		Example: `{"rules": [{"prefix": "/", "to": "/v1/", "host": "images.internal"}]}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      "not built: a script could set :path and :authority",
			study.FormWasm:     "not built: a module could set :path and :authority",
			study.FormWasmGo:   "not built: as wasm",
			study.FormDynmod:   "not built: as wasm",
			study.FormDynmodGo: "not built: as wasm",
			study.FormExternal: "not built: a service could have :path and :authority set",
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
