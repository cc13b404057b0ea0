package healthcheck

import (
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

const noFilter = "cannot: a filter runs before an endpoint is chosen, and cannot take one out of the choice"

// Function returns active health checking.
func Function() function.Function {
	return function.Function{
		Name:     "health-check",
		Doc:      "active health checks: every replica is asked for its health, and gets requests only while it is well",
		Decode:   Decode,
		Library:  &function.Library{Transport: transport},
		Native:   &function.Native{Shape: shape},
		Replicas: Replicas,
		Example:  `{"path": "/", "interval": "1s"}`,
		Judge:    judge,
		Trials:   trials(),
		Without: map[study.Form]string{
			study.FormLua:      noFilter,
			study.FormWasm:     noFilter,
			study.FormWasmGo:   noFilter,
			study.FormDynmod:   noFilter,
			study.FormDynmodGo: noFilter,
			study.FormExternal: "cannot: the service that is asked takes no endpoint out of the choice; one that serves EDS would be a control plane",
		},
	}
}

// answering answers checks so many times each, and the last from there on.
func answering(answers ...function.Answer) function.Replica {
	return function.Replica{Paths: map[string][]function.Answer{"/healthz": answers}}
}

func repeated(code, times int) (all []function.Answer) {
	for range times {
		all = append(all, function.Answer{Status: code})
	}
	return all
}

func join(parts ...[]function.Answer) (all []function.Answer) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// steady is requests one after the other, so far apart.
func steady(n int, apart time.Duration) (all []function.Request) {
	for range n {
		all = append(all, function.Request{After: apart})
	}
	return all
}

func trials() []function.Trial {
	const params = `{"interval": "60ms", "timeout": "100ms", "healthy_after": 4, "unhealthy_after": 2}`
	// to makes requests from one on reach another replica.
	to := func(from int, to func(was int) int) func(*function.Evidence) {
		return func(e *function.Evidence) {
			for i := range e.Deliveries {
				if d := &e.Deliveries[i]; d.Of >= from {
					d.Replica = to(d.Replica)
				}
			}
		}
	}
	sick := answering(join(repeated(200, 3), repeated(503, 5), repeated(200, 1))...)
	return []function.Trial{{
		Name:     "it leaves and comes back",
		Params:   params,
		Replicas: []function.Replica{sick, {}, {}},
		Requests: steady(75, 15*time.Millisecond),
		Mutants: []function.Mutant{
			{Name: "it never leaves", Spoil: to(0, func(int) int { return 0 })},
			{Name: "it never comes back", Spoil: to(0, func(was int) int { return max(was, 1) })},
			{Name: "more often", Params: `{"interval": "20ms", "timeout": "100ms", "healthy_after": 4, "unhealthy_after": 2}`},
			{Name: "another path", Spoil: func(e *function.Evidence) {
				for i := range e.Deliveries {
					if d := &e.Deliveries[i]; d.Of < 0 {
						d.Message.Target = "/"
					}
				}
			}},
			{Name: "back at once", Params: `{"interval": "60ms", "timeout": "100ms", "healthy_after": 1, "unhealthy_after": 2}`},
			{Name: "nobody is checked", Spoil: func(e *function.Evidence) {
				var own []function.Delivery
				for _, d := range e.Deliveries {
					if d.Of >= 0 {
						own = append(own, d)
					}
				}
				e.Deliveries = own
			}},
		},
	}, {
		Name:     "one takes no connections, one is too slow",
		Params:   params,
		Replicas: []function.Replica{{Down: true}, answering(function.Answer{Delay: 400 * time.Millisecond}), {}},
		Requests: steady(50, 12*time.Millisecond),
		Mutants: []function.Mutant{
			{Name: "the slow one too", Params: `{"interval": "60ms", "timeout": "600ms", "healthy_after": 4, "unhealthy_after": 2}`},
			{Name: "in turn all the same", Spoil: to(10, func(int) int { return 0 })},
		},
	}}
}
