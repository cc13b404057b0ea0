package telemetry

import (
	"net/http"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/collect"
	"github.com/taremesh/tare/study"
)

// Function returns telemetry out of band.
func Function() function.Function {
	return function.Function{
		Name:    "telemetry",
		Doc:     "telemetry out of band: proxies stream an entry for each request to a collector over gRPC, whose figures equal the requests",
		Decode:  Decode,
		Native:  &function.Native{Shape: shape, Types: []function.FilterType{{URL: typeURL, Join: join}}},
		Example: `{"collector": "127.0.0.1:18090"}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLibrary:  "not built: it is the proxies that are asked; an application has access-log, metrics and trace",
			study.FormLua:      "not built: a script sees the response's head, and not the exchange's end",
			study.FormWasm:     "not built: a module could tell in on_log, by gRPC in Envoy alone",
			study.FormWasmGo:   "not built: as wasm",
			study.FormDynmod:   "not built: a module can be an access logger",
			study.FormDynmodGo: "not built: as dynmod",
			study.FormExternal: "not built: a service asked by ext_authz does not learn of the exchange's end",
		},
	}
}

func trials() []function.Trial {
	spoil := func(name string, f func([]collect.Entry) []collect.Entry) function.Mutant {
		return function.Mutant{Name: name, Spoil: func(e *function.Evidence) { e.Collected.Entries = f(e.Collected.Entries) }}
	}
	first := func(name string, f func(*collect.Entry)) function.Mutant {
		return spoil(name, func(all []collect.Entry) []collect.Entry { f(&all[0]); return all })
	}
	mutants := []function.Mutant{
		spoil("an entry is lost", func(all []collect.Entry) []collect.Entry { return all[1:] }),
		spoil("an entry twice", func(all []collect.Entry) []collect.Entry { return append(all, all[0]) }),
		spoil("nothing comes", func([]collect.Entry) []collect.Entry { return nil }),
		first("another status", func(e *collect.Entry) { e.Status++ }),
		first("another path", func(e *collect.Entry) { e.Path += "?" }),
		first("another method", func(e *collect.Entry) { e.Method = http.MethodPatch }),
		first("bytes are missing", func(e *collect.Entry) { e.Sent-- }),
		first("request bodies are not counted", func(e *collect.Entry) { e.Received++ }),
		first("no service behind", func(e *collect.Entry) { e.Upstream = "" }),
		first("took no time", func(e *collect.Entry) { e.Took = 0 }),
		first("took too long", func(e *collect.Entry) { e.Took *= 1000 }),
		{Name: "a counter is one less", Spoil: func(e *function.Evidence) { count(e, "2xx", -1) }},
		{Name: "a counter is one more", Spoil: func(e *function.Evidence) { count(e, "total", 1) }},
		{Name: "no counters", Spoil: func(e *function.Evidence) { e.Collected.Counters = nil }},
		first("of nobody", func(e *collect.Entry) { e.Node = "" }),
	}
	paths := map[string][]function.Answer{"/missing": {{Status: http.StatusNotFound, Body: "not here"}}, "/broken": {{Status: http.StatusInternalServerError}},
		"/long": {{Body: strings.Repeat("x", 100_000)}}}
	all := func(n int) func(function.Evidence) bool {
		return func(e function.Evidence) bool {
			ended := 0.0
			for _, class := range []string{"2xx", "3xx", "4xx", "5xx"} {
				ended += counted(e.Collected, class)
			}
			return len(e.Collected.Entries) >= n && ended >= float64(n)
		}
	}
	return []function.Trial{{
		Name: "an entry for each request", Params: `{"collector": "${collector}", "flush": "50ms"}`, Settled: all(7 + 200),
		Replicas: []function.Replica{{Paths: paths}},
		Requests: []function.Request{
			{Target: "/?a=b%20c"}, {Target: "/missing"}, {Target: "/broken", Host: "hub.test"}, {Target: "/long"}, {Target: "/long", Method: http.MethodHead},
			{Target: "/up", Method: http.MethodPost, Body: strings.Repeat("y", 70_000)}, {Target: "/up", Method: http.MethodDelete},
			{Target: "/many", Times: 25, AtOnce: 8},
		},
		Mutants: mutants,
	}, {
		Name: "two proxies", Params: `{"collector": "${collector}", "flush": "50ms"}`, Settled: all(40), Proxies: 2,
		Requests: []function.Request{{Target: "/one", Times: 5, AtOnce: 4}, {Target: "/two", Times: 5, AtOnce: 4, Proxy: 1}},
		Mutants:  mutants[:3],
	}}
}

// count changes a counter of one of the proxies.
func count(e *function.Evidence, class string, by float64) {
	for _, counters := range e.Collected.Counters {
		counters["http.ingress.downstream_rq_"+class] += by
		return
	}
}
