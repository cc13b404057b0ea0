package balancehash

import (
	"fmt"
	"net/http"

	"github.com/taremesh/tare/function"
)

// keys are requests of many keys, each twice, and some without a key.
func keys(n int, with func(key string, r *function.Request)) (all []function.Request) {
	for round := range 2 {
		for i := range n {
			var r function.Request
			with(fmt.Sprintf("key-%d", (i*7+round)%n), &r)
			all = append(all, r)
		}
		all = append(all, function.Request{Target: "/none"})
	}
	return all
}

func header(key string, r *function.Request) { r.Header = http.Header{"x-user": {key}} }

func trials() []function.Trial {
	four := make([]function.Replica, Replicas)
	// moving makes each delivery reach a replica by its number and the one it reached.
	moving := func(to func(of, was int) int) func(*function.Evidence) {
		return func(e *function.Evidence) {
			for i := range e.Deliveries {
				if of := e.Deliveries[i].Of; of >= 0 {
					e.Deliveries[i].Replica = to(of, e.Deliveries[i].Replica)
				}
			}
		}
	}
	var all []function.Trial
	for _, table := range []string{Ring, Maglev} {
		own := fmt.Sprintf(`{"table": %q, "header": "x-user"}`, table)
		all = append(all, function.Trial{
			Name:     table + ", by header",
			Params:   own,
			Replicas: four,
			Requests: keys(400, header),
			Mutants: []function.Mutant{
				{Name: "another header", Params: fmt.Sprintf(`{"table": %q, "header": "x-other"}`, table)},
				{Name: "in turn", Spoil: moving(func(of, _ int) int { return of % Replicas })},
				{Name: "all on one", Spoil: moving(func(int, int) int { return 2 })},
				{Name: "one is left out", Params: fmt.Sprintf(`{"table": %q, "header": "x-user", "without": [1]}`, table)},
				{Name: "twice delivered", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[3]) }},
			},
		})
		gone := fmt.Sprintf(`{"table": %q, "header": "x-user", "without": [1]}`, table)
		half := keys(300, header)
		requests := append(append(append([]function.Request{}, half...), function.Request{Times: 2, Change: gone}), half...)
		all = append(all, function.Trial{
			Name:     table + ", one leaves",
			Only:     function.InProxy,
			Params:   own,
			Replicas: four,
			Requests: requests,
			Mutants: []function.Mutant{
				{Name: "all keys move", Spoil: moving(func(of, was int) int {
					if of < len(half) {
						return was
					}
					return map[int]int{0: 2, 2: 3, 3: 0}[was]
				})},
				{Name: "it does not leave", Spoil: moving(func(of, was int) int {
					if of == len(half)+20 {
						return 1
					}
					return was
				})},
			},
		})
	}
	return append(all, function.Trial{
		Name:     "by cookie",
		Params:   `{"table": "maglev", "cookie": "session"}`,
		Replicas: four,
		Requests: keys(120, func(key string, r *function.Request) {
			r.Header = http.Header{"Cookie": {"other=x; session=" + key + "; last=y"}}
		}),
		Mutants: []function.Mutant{{Name: "another cookie", Params: `{"table": "maglev", "cookie": "other"}`}},
	}, function.Trial{
		Name:     "by query",
		Params:   `{"table": "ring", "query": "user"}`,
		Replicas: four,
		Requests: keys(120, func(key string, r *function.Request) { r.Target = "/a?x=1&user=" + key + "&y=2" }),
		Mutants:  []function.Mutant{{Name: "another parameter", Params: `{"table": "ring", "query": "x"}`}},
	})
}
