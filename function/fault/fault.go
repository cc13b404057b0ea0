package fault

import (
	"net/http"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns fault injection.
func Function() function.Function {
	return function.Function{
		Name:    "fault",
		Doc:     "fault injection: requests are held up or aborted, a fixed share of them or those that ask for it by a header",
		Decode:  Decode,
		Library: &function.Library{Middleware: library},
		Native:  &function.Native{Config: config, Types: []function.FilterType{{URL: filterURL, New: newFilter}}},
		Example: `{"delay": {"by_header": true}, "abort": {"by_header": true}}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      "cannot: a script has no timer to delay by; it could abort, which is half of the function",
			study.FormWasm:     "not built: a module has to park the request and wake it at a tick of its own",
			study.FormWasmGo:   "not built: a module has to park the request and wake it at a tick of its own",
			study.FormDynmod:   "not built: a module has to park the request and wake it by a timer of its own",
			study.FormDynmodGo: "not built: a module has to park the request and wake it by a timer of its own",
			study.FormExternal: "not built: a service that is asked could answer late, or deny",
		},
	}
}

func library(spec function.Spec) (func(http.Handler) http.Handler, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return Middleware(s), nil
}

func trials() []function.Trial {
	asks := func(pairs ...string) function.Request {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return function.Request{Header: h}
	}
	reached := func(e *function.Evidence, status int) { // everything aborted reaches the service after all
		for i := range e.Observations {
			if len(e.Reached(i)) == 0 {
				e.Deliveries = append(e.Deliveries, function.Delivery{Of: i, At: e.Observations[i].Latest, Answered: status})
			}
		}
	}
	return []function.Trial{{
		Name:     "a share is aborted",
		Params:   `{"abort": {"status": 503, "percent": 50}}`,
		Requests: []function.Request{{Times: 40, AtOnce: 5}},
		Mutants: []function.Mutant{
			{Name: "none", Params: `{"abort": {"status": 503, "percent": 0}}`},
			{Name: "all", Params: `{"abort": {"status": 503, "percent": 100}}`},
			{Name: "too few", Params: `{"abort": {"status": 503, "percent": 10}}`},
			{Name: "another status", Params: `{"abort": {"status": 500, "percent": 50}}`},
			{Name: "after the service has it", Spoil: func(e *function.Evidence) { reached(e, http.StatusServiceUnavailable) }},
		},
	}, {
		Name:     "all are delayed and aborted",
		Params:   `{"delay": {"time": "100ms", "percent": 100}, "abort": {"status": 429, "percent": 100}}`,
		Requests: []function.Request{{AtOnce: 4}},
		Mutants: []function.Mutant{
			{Name: "not delayed", Params: `{"abort": {"status": 429, "percent": 100}}`},
			{Name: "not aborted", Params: `{"delay": {"time": "100ms", "percent": 100}}`},
			{Name: "too long", Params: `{"delay": {"time": "1100ms", "percent": 100}, "abort": {"status": 429, "percent": 100}}`},
		},
	}, {
		Name:     "a share is delayed",
		Params:   `{"delay": {"time": "300ms", "percent": 50}}`,
		Requests: []function.Request{{AtOnce: 60}},
		Mutants: []function.Mutant{
			{Name: "none", Params: `{"delay": {"time": "300ms", "percent": 0}}`},
			{Name: "all", Params: `{"delay": {"time": "300ms", "percent": 100}}`},
			{Name: "too short", Params: `{"delay": {"time": "10ms", "percent": 50}}`},
			{Name: "after the service has it", Spoil: func(e *function.Evidence) {
				for i, d := range e.Deliveries {
					e.Deliveries[i].At = e.Observations[d.Of].Earliest
				}
			}},
		},
	}, {
		Name:   "by header",
		Params: `{"delay": {"by_header": true}, "abort": {"by_header": true}}`,
		Requests: []function.Request{
			asks(), asks(DelayHeader, "100"), asks(AbortHeader, "418"), asks(AbortHeader, "404", DelayHeader, "100"),
			asks(AbortHeader, "199"), asks(AbortHeader, "600"), asks(AbortHeader, "none"), asks(AbortHeader, "500", AbortPercentHeader, "0"),
			asks(DelayHeader, "-1"), asks(DelayHeader, "200", DelayPercentHeader, "0"), asks(AbortHeader, "200"),
			{Header: http.Header{http.CanonicalHeaderKey(AbortHeader): {"503"}, http.CanonicalHeaderKey(AbortPercentHeader): {"50"}}, Times: 20, AtOnce: 5},
		},
		Mutants: []function.Mutant{
			{Name: "no delays", Params: `{"abort": {"by_header": true}}`},
			{Name: "no aborts", Params: `{"delay": {"by_header": true}}`},
			{Name: "all aborted", Params: `{"abort": {"status": 418, "percent": 100}}`},
			{Name: "an answer that was not asked for", Spoil: func(e *function.Evidence) { e.Observations[4].Response.Status = 199 }},
			{Name: "aborted at 0 %", Spoil: func(e *function.Evidence) {
				e.Observations[7].Response.Status = http.StatusInternalServerError
				kept := e.Deliveries[:0]
				for _, d := range e.Deliveries {
					if d.Of != 7 {
						kept = append(kept, d)
					}
				}
				e.Deliveries = kept
			}},
			{Name: "delayed too late", Spoil: func(e *function.Evidence) { e.Observations[3].Latest += time.Minute }},
		},
	}}
}
