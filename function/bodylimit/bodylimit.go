package bodylimit

import (
	"net/http"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns the limit of request bodies.
func Function() function.Function {
	return function.Function{
		Name:    "body-limit",
		Doc:     "limit of request bodies: one that is too long gives 413 and does not reach the service",
		Decode:  Decode,
		Library: &function.Library{Middleware: library},
		Native:  &function.Native{Config: config, Types: []function.FilterType{{URL: filterURL, New: newFilter}}},
		Example: `{"bytes": 65536}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      "not built: scripts of the embedded data plane do not see bodies; in Envoy one could wait for the whole body and count it",
			study.FormWasm:     "not built: a module could count the body as it comes, hold it back, and answer 413",
			study.FormWasmGo:   "not built: a module could count the body as it comes, hold it back, and answer 413",
			study.FormDynmod:   "not built: a module could count the body as it comes, hold it back, and answer 413",
			study.FormDynmodGo: "not built: a module could count the body as it comes, hold it back, and answer 413",
			study.FormExternal: "not built: a service would be sent every body to count it (ext_proc, buffered)",
		},
	}
}

func library(spec function.Spec) (func(http.Handler) http.Handler, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return Middleware(int64(s.Bytes)), nil
}

func trials() []function.Trial {
	post := func(n int, chunked bool) function.Request {
		return function.Request{Method: http.MethodPost, Body: strings.Repeat("0123456789", n/10+1)[:n], Chunked: chunked}
	}
	spoilBody := func(i int, change func([]byte) []byte) func(*function.Evidence) {
		return func(e *function.Evidence) {
			for k, d := range e.Deliveries {
				if d.Of == i {
					e.Deliveries[k].Message.Body = change(d.Message.Body)
				}
			}
		}
	}
	return []function.Trial{{
		Name:   "around the limit",
		Params: `{"bytes": 1000}`,
		Requests: []function.Request{
			{}, post(0, false), post(1, false), post(999, false), post(1000, false), post(1001, false), post(1000, true), post(1001, true),
			post(50_000, false), post(50_000, true), post(1000, false), {Method: http.MethodPut, Body: strings.Repeat("x", 1001)},
		},
		Mutants: []function.Mutant{
			{Name: "one more", Params: `{"bytes": 1001}`},
			{Name: "one less", Params: `{"bytes": 999}`},
			{Name: "no limit", Params: `{"bytes": 1000000}`},
			{Name: "another status", Spoil: func(e *function.Evidence) { e.Observations[5].Response.Status = http.StatusBadRequest }},
			{Name: "only lengths that are told", Spoil: func(e *function.Evidence) {
				e.Deliveries = append(e.Deliveries, function.Delivery{Of: 7, Answered: http.StatusOK, Message: *e.Observations[7].Request})
				e.Observations[7].Response.Status = http.StatusOK
			}},
			{Name: "refused, and done all the same", Spoil: func(e *function.Evidence) {
				e.Deliveries = append(e.Deliveries, function.Delivery{Of: 8, Answered: http.StatusOK})
			}},
			{Name: "cut to the limit", Spoil: spoilBody(6, func(b []byte) []byte { return b[:len(b)-1] })},
			{Name: "without its body", Spoil: spoilBody(3, func([]byte) []byte { return nil })},
			{Name: "the next one is harmed", Spoil: func(e *function.Evidence) { e.Observations[10].Response = nil }},
		},
	}}
}
