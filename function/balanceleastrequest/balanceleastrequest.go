package balanceleastrequest

import (
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

const noFilter = "cannot: a filter runs before an endpoint is chosen, and does not see what each has under way"

// Function returns least request.
func Function() function.Function {
	return function.Function{
		Name:     "balance-least-request",
		Doc:      "least request: of a few replicas drawn at random the one with the fewest requests under way gets the next",
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
			study.FormExternal: "cannot: the service that is asked is told of no endpoints and does not see what they have under way",
		},
	}
}

func trials() []function.Trial {
	slow := []function.Replica{{Answers: []function.Answer{{Delay: 60 * time.Millisecond}}}, {}, {}}
	load := []function.Request{{Times: 50, AtOnce: 8}}
	// order makes every request reach the replica that the pattern says.
	order := func(pattern ...int) func(*function.Evidence) {
		return func(e *function.Evidence) {
			for i := range e.Deliveries {
				if of := e.Deliveries[i].Of; of >= 0 {
					e.Deliveries[i].Replica = pattern[of%len(pattern)]
				}
			}
		}
	}
	return []function.Trial{{
		Name:     "one is slow",
		Params:   `{}`,
		Replicas: slow,
		Requests: load,
		Mutants: []function.Mutant{
			{Name: "in turn", Spoil: order(0, 1, 2)},
			{Name: "the first of the idle", Spoil: func(e *function.Evidence) {
				for i := range e.Deliveries {
					if e.Deliveries[i].Replica == 2 {
						e.Deliveries[i].Replica = 1
					}
				}
			}},
			{Name: "the busiest", Spoil: order(0)},
			{Name: "twice delivered", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[3]) }},
		},
	}, {
		Name:     "many choices",
		Params:   `{"choices": 12}`,
		Replicas: slow,
		Requests: load,
		Mutants: []function.Mutant{
			{Name: "two choices", Params: `{}`},
			{Name: "in turn", Spoil: order(0, 1, 2)},
		},
	}}
}
