package outlierdetection

import (
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

const noFilter = "cannot: a filter runs before an endpoint is chosen, and cannot take one out of the choice"

// Function returns outlier detection.
func Function() function.Function {
	return function.Function{
		Name:     "outlier-detection",
		Doc:      "outlier detection: a replica that fails several times in a row is left out for a while",
		Decode:   Decode,
		Library:  &function.Library{Transport: transport},
		Native:   &function.Native{Shape: shape},
		Replicas: Replicas,
		Example:  `{}`,
		Judge:    judge,
		Trials:   trials(),
		Without: map[study.Form]string{
			study.FormLua:      noFilter,
			study.FormWasm:     noFilter,
			study.FormWasmGo:   noFilter,
			study.FormDynmod:   noFilter,
			study.FormDynmodGo: noFilter,
			study.FormExternal: "cannot: the service that is asked sees no answers and takes no endpoint out of the choice; one that serves EDS would be a control plane",
		},
	}
}

// failing answers so, and then well.
func failing(statuses ...int) function.Replica {
	var r function.Replica
	for _, s := range statuses {
		r.Answers = append(r.Answers, function.Answer{Status: s, Reset: s == 0})
	}
	r.Answers = append(r.Answers, function.Answer{})
	return r
}

func trials() []function.Trial {
	const params = `{"failures": 3, "ejection": "1s", "review": "100ms"}`
	// Failures, then requests while it must be out, then when it must be back.
	requests := []function.Request{{Times: 12}, {Times: 12, After: 250 * time.Millisecond}, {Times: 15, After: 1200 * time.Millisecond}}
	short := []function.Request{{Times: 12}, {Times: 24, After: 250 * time.Millisecond}}
	// visit makes the requests from one to another reach other replicas.
	visit := func(from, to int, replica func(was int) int) func(*function.Evidence) {
		return func(e *function.Evidence) {
			for i := range e.Deliveries {
				if d := &e.Deliveries[i]; d.Of >= from && d.Of < to {
					d.Replica = replica(d.Replica)
				}
			}
		}
	}
	return []function.Trial{{
		Name:     "out and back",
		Params:   params,
		Replicas: []function.Replica{failing(500, 503, 500), {}, {}},
		Requests: requests,
		Mutants: []function.Mutant{
			{Name: "never out", Spoil: visit(12, 24, func(int) int { return 0 })},
			{Name: "back too soon", Params: `{"failures": 3, "ejection": "50ms", "review": "50ms"}`},
			{Name: "never back", Spoil: visit(24, 39, func(int) int { return 1 })},
			{Name: "a request while it is out", Spoil: visit(20, 21, func(int) int { return 0 })},
		},
	}, {
		Name:     "a success between",
		Params:   params,
		Replicas: []function.Replica{failing(500, 500, 200, 500, 500), {}, {}},
		Requests: short,
		Mutants: []function.Mutant{
			{Name: "two failures are enough", Params: `{"failures": 2, "ejection": "1s", "review": "100ms"}`},
		},
	}, {
		Name:     "answers that are no failures",
		Params:   params,
		Replicas: []function.Replica{failing(404, 429, 499, 404, 403), {}, {}},
		Requests: short,
		Mutants: []function.Mutant{
			{Name: "any bad answer", Spoil: visit(12, 36, func(int) int { return 2 })},
		},
	}, {
		Name:     "connections that break",
		Params:   params,
		Replicas: []function.Replica{failing(0, 0, 0), {}, {}},
		Requests: requests,
		Only:     function.InProxy, // the client of net/http sends some requests once more
		Mutants: []function.Mutant{
			{Name: "never out", Spoil: visit(12, 24, func(int) int { return 0 })},
		},
	}, {
		Name:     "not too many",
		Params:   `{"failures": 2, "ejection": "1s", "review": "100ms", "most_out": 40}`,
		Replicas: []function.Replica{failing(500, 500, 500, 500), failing(500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500), {}},
		Requests: short,
		Mutants: []function.Mutant{
			{Name: "all may be out", Params: `{"failures": 2, "ejection": "1s", "review": "100ms"}`},
			{Name: "none may be out", Params: `{"failures": 2, "ejection": "1s", "review": "100ms", "most_out": 20}`},
		},
	}}
}
