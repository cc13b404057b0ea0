package failover

import (
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

const noFilter = "cannot: a filter runs before an endpoint is chosen, and does not know which are healthy"

// Function returns failover.
func Function() function.Function {
	return function.Function{
		Name:     "failover",
		Doc:      "failover: replicas of a later priority get requests only as far as those of the earlier ones cannot bear them",
		Decode:   Decode,
		Library:  &function.Library{Transport: transport},
		Native:   &function.Native{Shape: shape},
		Replicas: Replicas,
		Example:  `{"unhealthy": [0]}`,
		Judge:    judge,
		Trials:   trials(),
		Without: map[study.Form]string{
			study.FormLua:      noFilter,
			study.FormWasm:     noFilter,
			study.FormWasmGo:   noFilter,
			study.FormDynmod:   noFilter,
			study.FormDynmodGo: noFilter,
			study.FormExternal: "cannot: the service that is asked is told of no endpoints; one that serves EDS would be a control plane",
		},
	}
}

func trials() []function.Trial {
	four := make([]function.Replica, Replicas)
	some, many := []function.Request{{Times: 40}}, []function.Request{{Times: 100, AtOnce: 4}}
	// moved makes each delivery reach another replica.
	moved := func(to [Replicas]int) func(*function.Evidence) {
		return func(e *function.Evidence) {
			for i := range e.Deliveries {
				if d := &e.Deliveries[i]; d.Of >= 0 {
					d.Replica = to[d.Replica]
				}
			}
		}
	}
	return []function.Trial{{
		Name:     "all are healthy",
		Params:   `{}`,
		Replicas: four,
		Requests: some,
		Mutants: []function.Mutant{
			{Name: "the other way round", Params: `{"priorities": [1, 1, 0, 0]}`},
			{Name: "without priorities", Params: `{"priorities": [0, 0, 0, 0]}`},
			{Name: "one for all", Spoil: moved([...]int{0, 0, 2, 3})},
			{Name: "twice delivered", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[3]) }},
		},
	}, {
		Name:     "the first cannot bear all of it",
		Params:   `{"unhealthy": [1]}`,
		Replicas: four,
		Requests: many,
		Mutants: []function.Mutant{
			{Name: "another factor", Params: `{"unhealthy": [1], "overprovisioning": 100}`},
			{Name: "the rest bear all", Params: `{"unhealthy": [1], "overprovisioning": 200}`},
			{Name: "the unhealthy one too", Spoil: moved([...]int{1, 1, 2, 3})},
			{Name: "all goes to the next", Spoil: moved([...]int{2, 2, 2, 3})},
		},
	}, {
		Name:     "the first has failed",
		Params:   `{"unhealthy": [0, 1]}`,
		Replicas: four,
		Requests: some,
		Mutants: []function.Mutant{
			{Name: "it is asked all the same", Params: `{"unhealthy": [1]}`},
			{Name: "in panic", Params: `{"unhealthy": [0, 1, 2, 3], "panic": 50}`},
		},
	}, {
		Name:     "nobody is healthy",
		Params:   `{"unhealthy": [0, 1, 2, 3]}`,
		Replicas: four,
		Requests: some,
		Mutants:  []function.Mutant{{Name: "in panic", Params: `{"unhealthy": [0, 1, 2, 3], "panic": 50}`}},
	}, {
		Name:     "panic",
		Params:   `{"unhealthy": [0, 1, 2, 3], "panic": 50}`,
		Replicas: four,
		Requests: many,
		Mutants: []function.Mutant{
			{Name: "no panic", Params: `{"unhealthy": [0, 1, 2, 3]}`},
			{Name: "in the first alone", Spoil: moved([...]int{0, 1, 0, 1})},
		},
	}, {
		Name:     "it fails and comes back under load",
		Params:   `{}`,
		Only:     function.InProxy,
		Replicas: four,
		Requests: []function.Request{
			{Times: 60, AtOnce: 4, Change: `{"unhealthy": [0, 1]}`}, {Times: 30, After: slack + slack/2},
			{Times: 60, AtOnce: 4, Change: `{}`}, {Times: 30, After: slack + slack/2},
		},
		Mutants: []function.Mutant{
			{Name: "it does not come back", Spoil: func(e *function.Evidence) {
				for i := range e.Deliveries {
					if e.Deliveries[i].Of == 4*120+30+10 {
						e.Deliveries[i].Replica = 3
					}
				}
			}},
			{Name: "one request is lost", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
		},
	}}
}
