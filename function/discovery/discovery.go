package discovery

import (
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

const noFilter = "cannot: a filter takes what clusters there are as they are; endpoints come to the proxy from its control plane"

// Function returns service discovery.
func Function() function.Function {
	return function.Function{
		Name:     "discovery",
		Doc:      "service discovery: replicas come and go over EDS under load, without a failed request",
		Decode:   Decode,
		Native:   &function.Native{Shape: shape},
		Replicas: Replicas,
		Example:  `{}`,
		Judge:    judge,
		Trials:   trials(),
		Without: map[study.Form]string{
			study.FormLibrary:  "not built: an application would have to subscribe to a control plane itself, as grpc-go does with its xds resolver; there is none for net/http",
			study.FormLua:      noFilter,
			study.FormWasm:     noFilter,
			study.FormWasmGo:   noFilter,
			study.FormDynmod:   noFilter,
			study.FormDynmodGo: noFilter,
			study.FormExternal: "cannot: a service that says which endpoints there are is the control plane, which the native form has",
		},
	}
}

func trials() []function.Trial {
	three := make([]function.Replica, Replicas)
	for i := range three {
		three[i].Answers = []function.Answer{{Delay: 2 * time.Millisecond}}
	}
	// under is a change under load, and what comes after it.
	under := func(changes ...string) (all []function.Request) {
		for _, c := range changes {
			all = append(all, function.Request{Times: 30, AtOnce: 8, Change: c}, function.Request{Times: 12, After: slack + slack/2})
		}
		return all
	}
	const of = 8*30 + 12 // requests of one change
	// at makes the requests from one on reach a replica.
	at := func(from, replica int) func(*function.Evidence) {
		return func(e *function.Evidence) {
			for i := range e.Deliveries {
				if e.Deliveries[i].Of >= from {
					e.Deliveries[i].Replica = replica
				}
			}
		}
	}
	return []function.Trial{{
		Name:     "replicas come and go",
		Params:   `{"present": [0, 1]}`,
		Replicas: three,
		Requests: under(`{"present": [0, 1, 2]}`, `{"present": [2]}`, `{"present": [0, 1]}`),
		Mutants: []function.Mutant{
			{Name: "a new one gets nothing", Spoil: func(e *function.Evidence) {
				for i := range e.Deliveries {
					if d := &e.Deliveries[i]; d.Of < of+150 {
						d.Replica = min(d.Replica, 1)
					}
				}
			}},
			{Name: "an old one goes on", Spoil: at(of*2-3, 1)},
			{Name: "it began with others", Params: `{"present": [2]}`},
			{Name: "a request fails", Spoil: func(e *function.Evidence) { e.Observations[of].Outcome = function.Refused }},
			{Name: "a request gets no answer", Spoil: func(e *function.Evidence) { e.Observations[100].Response = nil }},
			{Name: "a request is lost", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
		},
	}}
}
