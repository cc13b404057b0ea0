package circuitbreaker

import (
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

const ownCount = "not built: a filter could count what it has let on and refuse more, which is concurrency-limit; it knows no connections of a cluster and nobody waits there"

// Function returns the circuit breaker.
func Function() function.Function {
	return function.Function{
		Name:    "circuit-breaker",
		Doc:     "circuit breaker: a bound on the requests or connections that a service has under way, above which 503 comes at once",
		Decode:  Decode,
		Library: &function.Library{Transport: transport},
		Native:  &function.Native{Shape: shape},
		Example: `{"most_requests": 1000}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      ownCount,
			study.FormWasm:     ownCount,
			study.FormWasmGo:   ownCount,
			study.FormDynmod:   ownCount,
			study.FormDynmodGo: ownCount,
			study.FormExternal: "cannot: the service that is asked does not see the end of what it has let on",
		},
	}
}

func trials() []function.Trial {
	slow := []function.Replica{{Paths: map[string][]function.Answer{
		"/slow": {{Delay: 500 * time.Millisecond}}, "/warm": {{Delay: 50 * time.Millisecond}},
	}}}
	// flood sends ten at once, and one when they are done.
	flood := []function.Request{{Target: "/slow", AtOnce: 10}, {Target: "/"}}
	return []function.Trial{{
		Name:     "requests",
		Params:   `{"most_requests": 3}`,
		Replicas: slow,
		Requests: flood,
		Mutants: []function.Mutant{
			{Name: "one fewer", Params: `{"most_requests": 2}`},
			{Name: "one more", Params: `{"most_requests": 4}`},
			{Name: "they wait instead", Spoil: func(e *function.Evidence) { e.Deliveries[2].At += time.Second }},
			{Name: "another answer", Spoil: func(e *function.Evidence) {
				for _, o := range e.Observations {
					if o.Response.Status == 503 {
						o.Response.Status = 429
					}
				}
			}},
			{Name: "not at once", Spoil: func(e *function.Evidence) {
				for i := range e.Observations {
					if o := &e.Observations[i]; o.Outcome == function.Refused {
						o.Latest += 500 * time.Millisecond
					}
				}
			}},
		},
	}, {
		Name:     "connections, and who waits",
		Params:   `{"most_connections": 2, "most_waiting": 2}`,
		Replicas: slow,
		// Two connections are open before the flood.
		Requests: []function.Request{{Target: "/warm", AtOnce: 2}, {Target: "/slow", AtOnce: 10, After: 200 * time.Millisecond}, {Target: "/"}},
		Mutants: []function.Mutant{
			{Name: "one more", Spoil: func(e *function.Evidence) { e.Deliveries[4].At = e.Deliveries[3].At }},
			{Name: "more wait", Params: `{"most_connections": 2, "most_waiting": 3}`},
			{Name: "fewer wait", Params: `{"most_connections": 2, "most_waiting": 1}`},
		},
	}}
}
