package metrics

import (
	"bytes"
	"net/http"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns counters of requests.
func Function() function.Function {
	return function.Function{
		Name:    "metrics",
		Doc:     "metrics: requests by path and class of status, and a histogram of how long they took, in Prometheus' format",
		Decode:  Decode,
		Library: &function.Library{Middleware: middleware},
		Example: `{"path": "/metrics"}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormNative:   "not built: proxies count by themselves, by class and not by path; telemetry holds those counters against the requests",
			study.FormLua:      "not built: a script has no counters, and state in its worker alone",
			study.FormWasm:     "not built: the ABI has counters, whose figures leave the proxy with its own",
			study.FormWasmGo:   "not built: as wasm",
			study.FormDynmod:   "not built: the ABI has counters, whose figures leave the proxy with its own",
			study.FormDynmodGo: "not built: as dynmod",
			study.FormExternal: "not built: a service asked by ext_authz does not learn of the exchange's end",
		},
	}
}

func trials() []function.Trial {
	const params = `{"paths": ["/a", "/missing"], "buckets": [0.001, 0.02, 5]}`
	change := func(name, old, other string) function.Mutant {
		return function.Mutant{Name: name, Spoil: func(e *function.Evidence) {
			r := e.Observations[len(e.Observations)-1].Response
			r.Body = bytes.Replace(r.Body, []byte(old), []byte(other), 1)
		}}
	}
	scrape := function.Request{Target: "/metrics"}
	return []function.Trial{{
		Name: "counts what was answered", Params: params,
		Replicas: []function.Replica{{Paths: map[string][]function.Answer{"/missing": {{Status: http.StatusNotFound}}, "/broken": {{Status: http.StatusBadGateway}},
			"/slow": {{Delay: 30 * time.Millisecond}}, "/moved": {{Status: http.StatusFound, Header: http.Header{"Location": {"/"}}}}}}},
		Requests: []function.Request{
			scrape, {Target: "/a?b=c", Times: 3}, {Target: "/a", Method: http.MethodPost, Body: "text"}, {Target: "/missing"}, scrape,
			{Target: "/broken"}, {Target: "/slow"}, {Target: "/moved"}, {Target: "/a/"}, {Target: "/a", Times: 5, AtOnce: 4}, scrape,
		},
		Mutants: []function.Mutant{
			{Name: "a path has no label", Params: `{"paths": ["/a"], "buckets": [0.001, 0.02, 5]}`},
			{Name: "another path has a label", Params: `{"paths": ["/a", "/missing", "/slow"], "buckets": [0.001, 0.02, 5]}`},
			{Name: "other buckets", Params: `{"paths": ["/a", "/missing"], "buckets": [0.001, 0.03, 5]}`},
			{Name: "elsewhere", Params: `{"path": "/stats", "paths": ["/a", "/missing"], "buckets": [0.001, 0.02, 5]}`},
			change("one more", `path="/a"} 24`, `path="/a"} 25`), change("one less", `path="/missing"} 1`, `path="/missing"} 0`),
			change("another class", `class="5xx"`, `class="2xx"`), change("a series is missing", `tare_requests_total{class="3xx"`, `other_total{class="3xx"`),
			change("the histogram lags", `tare_request_seconds_count{path="/a"} 24`, `tare_request_seconds_count{path="/a"} 23`),
			change("a bucket is empty", `path="/a",le="5"} 24`, `path="/a",le="5"} 0`),
			change("no bucket for the rest", `path="other",le="+Inf"`, `path="other",le="6"`),
			{Name: "counts scrapes", Spoil: func(e *function.Evidence) {
				e.Observations[0].Response.Body = []byte(`tare_requests_total{class="2xx",path="other"} 1`)
			}},
			{Name: "asked the service", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, function.Delivery{Of: 0}) }},
		},
	}}
}
