package deadline

import (
	"net/http"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns deadlines.
func Function() function.Function {
	return function.Function{
		Name:    "deadline",
		Doc:     "deadlines: how long the caller still waits is handed on in a header, and held to",
		Decode:  Decode,
		Library: &function.Library{Transport: library},
		Native:  &function.Native{Shape: shape},
		Example: `{"most": "10s"}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      asks,
			study.FormWasm:     asks,
			study.FormWasmGo:   asks,
			study.FormDynmod:   asks,
			study.FormDynmodGo: asks,
			study.FormExternal: "cannot: the service that is asked has answered before the time begins, and does not see the request again",
		},
	}
}

const asks = "cannot: a filter has no time of its own to end a request at; it can cut the header to the most and ask Envoy's router for the time by x-envoy-upstream-rq-timeout-ms, which the embedded plane does not take"

func library(spec function.Spec, _ []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper { return Transport(s, next) }, nil
}

func trials() []function.Trial {
	service := []function.Replica{{Paths: map[string][]function.Answer{
		"/quick":   {{Body: "quick"}},
		"/failing": {{Status: http.StatusInternalServerError, Body: "failing"}},
		"/slow":    {{Delay: 2 * time.Second}},
	}}}
	ask := func(target, header, value string) function.Request {
		h := http.Header{"Content-Type": {"application/grpc"}}
		if value != "" {
			h.Set(header, value)
		}
		return function.Request{Target: target, Method: http.MethodPost, Header: h}
	}
	requests := func(header string) []function.Request {
		return []function.Request{
			ask("/quick", header, "300m"), ask("/slow", header, "300m"), ask("/quick", header, ""), ask("/quick", header, "10S"), ask("/slow", header, "10S"),
			ask("/quick", header, "99999999H"), ask("/quick", header, "500000u"), ask("/quick", header, "soon"), ask("/quick", header, "123456789m"), ask("/failing", header, "1S"),
		}
	}
	told := func(header, value string, i int) func(*function.Evidence) {
		return func(e *function.Evidence) {
			for k, d := range e.Deliveries {
				if d.Of == i {
					e.Deliveries[k].Message.Header.Set(header, value)
				}
			}
		}
	}
	mutants := func(header string) []function.Mutant {
		return []function.Mutant{
			{Name: "the caller's, and not what is allowed", Spoil: told(header, "10S", 3)},
			{Name: "nothing handed on", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Header.Del(header) }},
			{Name: "nothing left", Spoil: told(header, "0m", 0)},
			{Name: "another unit", Spoil: told(header, "300u", 0)},
			{Name: "always the most", Spoil: told(header, "800m", 0)},
			{Name: "not held to", Spoil: func(e *function.Evidence) { e.Observations[1].Response = e.Observations[0].Response }},
			{Name: "held to too late", Spoil: func(e *function.Evidence) { e.Observations[1].Latest += 2 * time.Second }},
			{Name: "the service works on", Spoil: func(e *function.Evidence) { e.Deliveries[1].Cancelled = 0 }},
			{Name: "over at once", Spoil: func(e *function.Evidence) { e.Observations[1].Latest = e.Observations[1].Earliest + time.Millisecond }},
			{Name: "an answer in time is lost", Spoil: func(e *function.Evidence) { e.Observations[2].Response = nil }},
		}
	}
	const own = "x-request-deadline"
	return []function.Trial{{
		Name:     "grpc-timeout",
		Params:   `{"most": "800ms"}`,
		Replicas: service,
		Requests: append(requests(GRPCHeader),
			function.Request{Target: "/quick", Header: http.Header{"Grpc-Timeout": {"1m"}}}), // no gRPC: it means nothing
		Mutants: append(mutants(GRPCHeader),
			function.Mutant{Name: "another most", Params: `{"most": "200ms"}`}),
	}, {
		Name:     "a header of its own",
		Params:   `{"header": "x-request-deadline", "most": "800ms"}`,
		Replicas: service,
		Requests: requests(own),
		Mutants: append(mutants(own),
			function.Mutant{Name: "another header", Params: `{"header": "x-other", "most": "800ms"}`}),
		Only: function.InApplication,
	}}
}
