package balanceroundrobin

import (
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

const noFilter = "cannot: a filter runs before an endpoint is chosen, and chooses a cluster at most"

// Function returns round robin.
func Function() function.Function {
	return function.Function{
		Name:     "balance-round-robin",
		Doc:      "round robin: the replicas of a service get requests in turn, or by weights",
		Decode:   Decode,
		Library:  &function.Library{Transport: transport},
		Native:   &function.Native{Shape: shape},
		Replicas: Replicas,
		Example:  `{}`,
		Judge:    judge,
		Trials:   trials(),
		Decide:   &function.Decide{Params: `{}`, Model: decide},
		Without: map[study.Form]string{
			study.FormLua:      noFilter,
			study.FormWasm:     noFilter,
			study.FormWasmGo:   noFilter,
			study.FormDynmod:   noFilter,
			study.FormDynmodGo: noFilter,
			study.FormExternal: "cannot: the service that is asked is told of no endpoints and chooses none",
		},
	}
}

func trials() []function.Trial {
	three := make([]function.Replica, Replicas)
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
		Name:     "in turn",
		Params:   `{}`,
		Replicas: three,
		Requests: []function.Request{{Times: 30}},
		Mutants: []function.Mutant{
			{Name: "by weights", Params: `{"weights": [1, 1, 2]}`},
			{Name: "one for all", Spoil: order(1)},
			{Name: "one is left out", Spoil: order(0, 1)},
			{Name: "another order every time", Spoil: order(0, 1, 2, 2, 1, 0)},
			{Name: "each twice", Spoil: order(0, 0, 1, 1, 2, 2)},
			{Name: "twice delivered", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[3]) }},
			{Name: "answered by itself", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
		},
	}, {
		Name:     "in turn, many at once",
		Params:   `{}`,
		Replicas: three,
		Requests: []function.Request{{Times: 15, AtOnce: 8}},
		Mutants: []function.Mutant{
			{Name: "by weights", Params: `{"weights": [3, 3, 4]}`},
			{Name: "each client begins with the first", Spoil: order(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0)},
		},
	}, {
		Name:     "by weights",
		Params:   `{"weights": [1, 2, 5]}`,
		Replicas: three,
		Requests: []function.Request{{Times: 80}},
		Mutants: []function.Mutant{
			{Name: "in turn", Params: `{}`},
			{Name: "other weights", Params: `{"weights": [1, 2, 4]}`},
			{Name: "weights of others", Params: `{"weights": [2, 1, 5]}`},
			{Name: "by blocks", Spoil: order(0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2)},
		},
	}}
}
