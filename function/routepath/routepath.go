package routepath

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns path-based routing.
func Function() function.Function {
	return function.Function{
		Name:     "route-path",
		Doc:      "path-based routing: which service gets a request, by exact path, prefix or regular expression",
		Decode:   Decode,
		Library:  &function.Library{Transport: transport},
		Native:   &function.Native{Shape: shape},
		Replicas: Services,
		Example:  `{"rules": [{"path": "/login", "service": 1}, {"prefix": "/static/", "service": 2}, {"regex": "/v[0-9]+/.*", "service": 1}]}`,
		Judge:    judge,
		Trials:   trials(),
		Without: map[study.Form]string{
			study.FormLua:      "not built: a script could set a header that routes match, which is what route-context does in this form",
			study.FormWasm:     "not built: a module could set a header that routes match, which is what route-context does in this form",
			study.FormWasmGo:   "not built: as wasm",
			study.FormDynmod:   "not built: as wasm",
			study.FormDynmodGo: "not built: as wasm",
			study.FormExternal: "not built: a service could set a header that routes match, which is what route-context does in this form",
		},
	}
}

func transport(spec function.Spec, services []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := specOf(spec)
	if err != nil {
		return nil, err
	}
	return NewTransport(s, services)
}
