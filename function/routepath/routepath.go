package routepath

import (
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns path-based routing.
func Function() function.Function {
	return function.Function{
		Name:     "route-path",
		Doc:      "path-based routing: which service gets a request, by exact path, prefix or regular expression",
		Decode:   Decode,
		Native:   &function.Native{Shape: shape},
		Replicas: Services,
		Example:  `{"rules": [{"path": "/login", "service": 1}, {"prefix": "/static/", "service": 2}, {"regex": "/v[0-9]+/.*", "service": 1}]}`,
		Judge:    judge,
		Trials:   trials(),
		Without: map[study.Form]string{
			study.FormLibrary:  "not built",
			study.FormLua:      "not built",
			study.FormWasm:     "not built",
			study.FormWasmGo:   "not built",
			study.FormDynmod:   "not built",
			study.FormDynmodGo: "not built",
			study.FormExternal: "not built",
		},
	}
}

func trials() []function.Trial {
	three := make([]function.Replica, Services)
	get := func(targets ...string) (all []function.Request) {
		for _, t := range targets {
			all = append(all, function.Request{Target: t})
		}
		return all
	}
	return []function.Trial{{
		Name:     "exact and prefix, first rule first",
		Params:   `{"rules": [{"path": "/a", "service": 1}, {"prefix": "/a", "service": 2}]}`,
		Replicas: three,
		Requests: get("/a", "/a/", "/a?x=/b", "/ab", "/b", "/", "/A", "/a/b/c"),
		Mutants: []function.Mutant{
			{Name: "another order", Params: `{"rules": [{"prefix": "/a", "service": 2}, {"path": "/a", "service": 1}]}`},
			{Name: "prefix for exact", Params: `{"rules": [{"prefix": "/a", "service": 1}, {"prefix": "/a", "service": 2}]}`},
			{Name: "another service", Params: `{"rules": [{"path": "/a", "service": 2}, {"prefix": "/a", "service": 1}]}`},
			{Name: "twice", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[0]) }},
			{Name: "answered by itself", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
		},
	}}
}
