package routepath

import (
	"net/http"
	"strings"

	"github.com/taremesh/tare/dataplane"
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
		Routes:   true,
		Example:  `{"rules": [{"path": "/login", "service": 1}, {"prefix": "/static/", "service": 2}, {"regex": "/v[0-9]+/.*", "service": 1}]}`,
		Judge:    judge,
		Trials:   trials(),
		Decide:   &function.Decide{Params: apart, Model: decide},
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
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return NewTransport(s, services)
}

// apart tells as many of the published pairs apart as paths can.
const apart = `{"rules": [{"path": "/pull", "service": 1}, {"prefix": "/images/", "service": 1}, {"regex": "/repo/[^/]+", "service": 1}, {"regex": "/v[0-9]+/list", "service": 1},` +
	` {"path": "/catalog", "service": 1}, {"path": "/search", "service": 1}, {"path": "/x/y", "service": 1}]}`

// decide is the model as a decision.
func decide(spec function.Spec) func(function.Request) string {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return func(function.Request) string { return "" }
	}
	return func(q function.Request) string {
		path, _, _ := strings.Cut(q.Target, "?")
		if path == "" {
			path = "/"
		}
		return dataplane.ServiceOf(s.service(path))
	}
}
