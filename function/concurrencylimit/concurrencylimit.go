package concurrencylimit

import (
	"net/http"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns the concurrency limit.
func Function() function.Function {
	return function.Function{
		Name:    "concurrency-limit",
		Doc:     "concurrency limit: at most so many requests under way through this hop, one more is refused at once",
		Decode:  Decode,
		Library: &function.Library{Middleware: library},
		Native:  &function.Native{Config: config, Types: []function.FilterType{{URL: filterURL, New: newFilter}}},
		Example: `{"limit": 1000000}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      "cannot: a script's table is of one worker, so that each would have a limit of its own, and it is not told of requests that end without a response",
			study.FormWasm:     "not built: a module could count in data that workers share, and give places back when the exchange is logged",
			study.FormWasmGo:   "not built: a module could count in data that workers share, and give places back when the exchange is logged",
			study.FormDynmod:   "not built: a module could count in a variable of the process, and give places back when the stream is destroyed",
			study.FormDynmodGo: "not built: a module could count in a variable of the process, and give places back when the stream is destroyed",
			study.FormExternal: "cannot: the service that is asked does not learn when a request has ended",
		},
	}
}

func library(spec function.Spec) (func(http.Handler) http.Handler, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return Middleware(s.Limit, s.Status), nil
}

// slow is the path that the trials' service holds requests for, as long as held.
const (
	slow = "/slow"
	held = 300 * time.Millisecond
)

func trials() []function.Trial {
	service := []function.Replica{{Paths: map[string][]function.Answer{
		slow:       {{Delay: held}},
		"/failing": {{Status: http.StatusInternalServerError}},
		"/cut":     {{Reset: true}},
	}}}
	// refuse makes it look as if the request had been refused.
	refuse := func(e *function.Evidence, i int) {
		e.Observations[i].Response = &function.Message{Status: http.StatusServiceUnavailable}
		e.Observations[i].Outcome = function.Refused
		kept := e.Deliveries[:0]
		for _, d := range e.Deliveries {
			if d.Of != i {
				kept = append(kept, d)
			}
		}
		e.Deliveries = kept
	}
	first := func(e *function.Evidence, reached bool) int {
		for i := range e.Observations {
			if (len(e.Reached(i)) > 0) == reached {
				return i
			}
		}
		return 0
	}
	return []function.Trial{{
		Name:     "full",
		Params:   `{"limit": 3}`,
		Replicas: service,
		Requests: []function.Request{{Target: slow, AtOnce: 9}},
		Mutants: []function.Mutant{
			{Name: "one more", Params: `{"limit": 4}`},
			{Name: "one less", Params: `{"limit": 2}`},
			{Name: "another status", Params: `{"limit": 3, "status": 429}`},
			{Name: "refused late", Spoil: func(e *function.Evidence) { e.Observations[first(e, false)].Latest += time.Second }},
			{Name: "refused after it was done", Spoil: func(e *function.Evidence) {
				i := first(e, false)
				e.Deliveries = append(e.Deliveries, function.Delivery{Of: i, Answered: http.StatusOK})
			}},
		},
	}, {
		Name:     "places come back",
		Params:   `{"limit": 2, "status": 429}`,
		Replicas: service,
		Requests: []function.Request{
			{Times: 5}, {Target: "/failing", Times: 3}, {Target: "/cut", Method: http.MethodPost, Times: 3},
			{Target: slow, AtOnce: 2, Abandon: 50 * time.Millisecond},
			{After: 2 * slack, AtOnce: 2, Target: slow},
			{After: 2 * slack, AtOnce: 3, Target: slow},
			{After: 2 * slack},
		},
		Mutants: []function.Mutant{
			{Name: "not after a request", Spoil: func(e *function.Evidence) { refuse(e, 1) }},
			{Name: "not after a failure", Spoil: func(e *function.Evidence) { refuse(e, 8) }},
			{Name: "not after callers gave up", Spoil: func(e *function.Evidence) { refuse(e, 13) }},
			{Name: "not after refusals", Spoil: func(e *function.Evidence) { refuse(e, 18) }},
			{Name: "not the last one", Params: `{"limit": 3, "status": 429}`},
		},
	}}
}
