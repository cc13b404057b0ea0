package tracing

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/collect"
	"github.com/taremesh/tare/study"
)

// Function returns tracing.
func Function() function.Function {
	return function.Function{
		Name:    "trace",
		Doc:     "tracing: a server span for each sampled request, in its caller's trace, told to a collector over OTLP; W3C context, and B3 in the library",
		Decode:  Decode,
		Library: &function.Library{Middleware: middleware},
		Native:  &function.Native{Shape: shape, Types: []function.FilterType{{URL: typeURL, Join: join}}},
		Example: `{"collector": "127.0.0.1:4317", "sample": 100}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      "not built: a script can write the headers; it sees the response's head, and not the exchange's end",
			study.FormWasm:     "not built: a module could tell of spans in on_log, by gRPC in Envoy alone",
			study.FormWasmGo:   "not built: as wasm",
			study.FormDynmod:   "not built: a module can make spans of Envoy's own tracer",
			study.FormDynmodGo: "not built: as dynmod",
			study.FormExternal: "not built: a service asked by ext_authz does not learn of the exchange's end",
		},
	}
}

// flush is how many spans Envoy tells of at once, at the least: sooner it waits
// for seconds.
const flush = 5

func trials() []function.Trial {
	parent := func(n int, flags string, more ...string) function.Request {
		h := http.Header{"Traceparent": {fmt.Sprintf("00-%s%02x-%s%02x-%s", strings.Repeat("ab", 15), n, strings.Repeat("cd", 7), n, flags)}}
		for i := 0; i+1 < len(more); i += 2 {
			h.Add(more[i], more[i+1])
		}
		return function.Request{Target: "/", Header: h}
	}
	b3 := func(n int, sampled string) function.Request {
		return function.Request{Target: "/", Header: http.Header{"X-B3-Traceid": {fmt.Sprintf("%s%02x", strings.Repeat("ab", 15), n)},
			"X-B3-Spanid": {fmt.Sprintf("%s%02x", strings.Repeat("cd", 7), n)}, "X-B3-Sampled": {sampled}}}
	}
	settled := func(e function.Evidence) bool { return len(e.Collected.Spans) >= flush }
	spoil := func(name string, f func(*function.Evidence)) function.Mutant {
		return function.Mutant{Name: name, Spoil: f}
	}
	spans := []function.Mutant{
		spoil("a span is lost", func(e *function.Evidence) { e.Collected.Spans = e.Collected.Spans[1:] }),
		spoil("a span twice", func(e *function.Evidence) { e.Collected.Spans = append(e.Collected.Spans, e.Collected.Spans[0]) }),
		spoil("a second span", func(e *function.Evidence) {
			s := e.Collected.Spans[0]
			s.ID = "00000000000000aa"
			e.Collected.Spans = append(e.Collected.Spans, s)
		}),
		spoil("another trace", func(e *function.Evidence) { e.Collected.Spans[0].Trace = strings.Repeat("e", 32) }),
		spoil("another parent", func(e *function.Evidence) { e.Collected.Spans[0].Parent = strings.Repeat("e", 16) }),
		spoil("another kind", func(e *function.Evidence) { e.Collected.Spans[0].Kind = collect.Client }),
		spoil("ends before it begins", func(e *function.Evidence) { e.Collected.Spans[0].End = e.Collected.Spans[0].Start.Add(-1) }),
		spoil("nothing is told", func(e *function.Evidence) { delete(e.Deliveries[0].Message.Header, "Traceparent") }),
	}
	joins := append([]function.Mutant{
		spoil("the caller's span is passed on", func(e *function.Evidence) {
			e.Deliveries[0].Message.Header["Traceparent"] = e.Observations[0].Request.Header["Traceparent"]
		}),
		spoil("the flag is lost", func(e *function.Evidence) { cut(e.Deliveries[0].Message.Header, "00") }),
		spoil("the flag is set", func(e *function.Evidence) { cut(e.Deliveries[5].Message.Header, "01") }),
		spoil("the state is lost", func(e *function.Evidence) { delete(e.Deliveries[2].Message.Header, "Tracestate") }),
	}, spans...)
	return []function.Trial{{
		Name: "joins the caller's trace", Params: `{"collector": "${collector}", "sample": 0}`, Settled: settled,
		Requests: []function.Request{parent(0, "01"), parent(1, "01"), parent(2, "01", "Tracestate", "a=b,c=d"), parent(3, "01"), parent(4, "01"),
			parent(5, "00"), parent(6, "00"), {Target: "/"}},
		Mutants: joins,
	}, {
		Name: "begins traces", Params: `{"collector": "${collector}", "sample": 100, "service": "shop"}`, Settled: settled,
		Requests: []function.Request{{Target: "/", Times: flush}, parent(7, "00")},
		Mutants:  spans,
	}, {
		Name: "b3", Params: `{"collector": "${collector}", "sample": 0, "propagation": "b3"}`, Settled: settled, Only: function.InApplication,
		Requests: []function.Request{b3(0, "1"), b3(1, "1"), b3(2, "1"), b3(3, "1"),
			{Target: "/", Header: http.Header{"B3": {strings.Repeat("ab", 16) + "-" + strings.Repeat("cd", 8) + "-1"}}}, b3(5, "0"), {Target: "/"}},
		Mutants: []function.Mutant{spans[0], spans[1], spans[3], spans[4],
			{Name: "the caller's span is passed on", Spoil: func(e *function.Evidence) {
				e.Deliveries[0].Message.Header["X-B3-Spanid"] = e.Observations[0].Request.Header["X-B3-Spanid"]
			}}},
	}}
}

// cut replaces the flags of a context.
func cut(h http.Header, flags string) {
	text := h.Get("Traceparent")
	h.Set("Traceparent", text[:len(text)-2]+flags)
}
