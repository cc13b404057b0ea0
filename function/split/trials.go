package split

import (
	"fmt"
	"net/http"

	"github.com/taremesh/tare/function"
)

func trials() []function.Trial {
	all := []function.Trial{tenth(), all(), none(), threeWays(), sticky()}
	for i := range all {
		all[i].Replicas = make([]function.Replica, Services)
	}
	return all
}

// draws are the requests of a trial, in eight lanes.
func draws(n int) []function.Request { return []function.Request{{Times: n / 8, AtOnce: 8}} }

func tenth() function.Trial {
	return function.Trial{
		Name: "90/10", Params: `{"weights": [90, 10]}`, Requests: draws(800),
		Mutants: []function.Mutant{
			{Name: "weights exchanged", Params: `{"weights": [10, 90]}`},
			{Name: "equal shares", Params: `{"weights": [1, 1]}`},
			{Name: "all to the first", Params: `{"weights": [1, 0]}`},
			{Name: "a tenth more to the third", Params: `{"weights": [80, 10, 10]}`},
			{Name: "twice the share", Spoil: func(e *function.Evidence) { shares(e, 5) }},
			{Name: "twice", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[0]) }},
			{Name: "answered by itself", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
			{Name: "no answer", Spoil: func(e *function.Evidence) { e.Observations[7].Response = nil }},
			{Name: "another answer", Spoil: func(e *function.Evidence) { e.Observations[7].Response.Status = http.StatusBadGateway }},
		},
	}
}

// shares gives every n-th request to the second service, the rest to the first.
func shares(e *function.Evidence, n int) {
	for i := range e.Deliveries {
		e.Deliveries[i].Replica = 0
		if i%n == 0 {
			e.Deliveries[i].Replica = 1
		}
	}
}

func all() function.Trial {
	return function.Trial{
		Name: "100/0", Params: `{"weights": [100, 0]}`, Requests: draws(80),
		Mutants: []function.Mutant{
			{Name: "to the other", Params: `{"weights": [0, 100]}`},
			{Name: "one in eighty", Spoil: func(e *function.Evidence) { e.Deliveries[40].Replica = 1 }},
		},
	}
}

func none() function.Trial {
	return function.Trial{
		Name: "0/100", Params: `{"weights": [0, 100]}`, Requests: draws(80),
		Mutants: []function.Mutant{
			{Name: "to the other", Params: `{"weights": [100, 0]}`},
			{Name: "one in eighty", Spoil: func(e *function.Evidence) { e.Deliveries[40].Replica = 0 }},
			{Name: "equal shares", Params: `{"weights": [1, 1]}`},
		},
	}
}

func threeWays() function.Trial {
	return function.Trial{
		Name: "2:1:1, whatever they add up to", Params: `{"weights": [2, 1, 1]}`, Requests: draws(800),
		Mutants: []function.Mutant{
			{Name: "equal shares", Params: `{"weights": [1, 1, 1]}`},
			{Name: "two of three", Params: `{"weights": [2, 2, 0]}`},
			{Name: "another order", Params: `{"weights": [1, 2, 1]}`},
			{Name: "as percents", Params: `{"weights": [98, 1, 1]}`},
		},
	}
}

// sticky has 200 users, each twice, and 80 requests of nobody.
func sticky() function.Trial {
	t := function.Trial{
		Name: "sticky by a header", Params: `{"weights": [75, 25], "sticky": "X-User"}`, Requests: draws(80),
		Mutants: []function.Mutant{
			{Name: "forgets", Params: `{"weights": [75, 25]}`},
			{Name: "by another header", Params: `{"weights": [75, 25], "sticky": "x-subscription"}`},
			{Name: "all users to one", Spoil: func(e *function.Evidence) {
				for i := range e.Deliveries {
					e.Deliveries[i].Replica = 0
				}
			}},
			{Name: "users by turns", Spoil: func(e *function.Evidence) { shares(e, 4) }},
			{Name: "weights exchanged", Params: `{"weights": [25, 75], "sticky": "x-user"}`},
		},
	}
	for i := range 200 {
		t.Requests = append(t.Requests, function.Request{
			Caller: function.Caller{User: fmt.Sprintf("user-%d", i), Subscription: "Personal"}, Times: 2,
			Target: fmt.Sprintf("/pull/%d", i), // what else differs does not count
		})
	}
	return t
}
