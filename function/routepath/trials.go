package routepath

import (
	"net/http"
	"strings"

	"github.com/taremesh/tare/function"
)

func get(targets ...string) (all []function.Request) {
	for _, t := range targets {
		all = append(all, function.Request{Target: t})
	}
	return all
}

// elsewhere moves the i-th request of a trial to a service.
func elsewhere(i, service int) func(*function.Evidence) {
	return func(e *function.Evidence) {
		for k := range e.Deliveries {
			if e.Deliveries[k].Of == i {
				e.Deliveries[k].Replica = service
			}
		}
	}
}

func trials() []function.Trial {
	return []function.Trial{exactAndPrefix(), expressions(), asWritten(), unchanged(), pairs()}
}

func exactAndPrefix() function.Trial {
	return function.Trial{
		Name:     "exact and prefix, first rule first",
		Params:   `{"rules": [{"path": "/a", "service": 1}, {"prefix": "/a", "service": 2}]}`,
		Replicas: make([]function.Replica, Services),
		Requests: get("/a", "/a/", "/a?x=/b", "/ab", "/b", "/", "/A", "/a/b/c"),
		Mutants: []function.Mutant{
			{Name: "another order", Params: `{"rules": [{"prefix": "/a", "service": 2}, {"path": "/a", "service": 1}]}`},
			{Name: "prefix for exact", Params: `{"rules": [{"prefix": "/a", "service": 1}, {"prefix": "/a", "service": 2}]}`},
			{Name: "another service", Params: `{"rules": [{"path": "/a", "service": 2}, {"prefix": "/a", "service": 1}]}`},
			{Name: "prefixes end with a part", Spoil: elsewhere(3, 0)},
			{Name: "case does not count", Spoil: elsewhere(6, 1)},
			{Name: "twice", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[0]) }},
			{Name: "answered by itself", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
		},
	}
}

func expressions() function.Trial {
	return function.Trial{
		Name:     "regular expressions of the whole path",
		Params:   `{"rules": [{"regex": "/v[0-9]+/tags", "service": 1}, {"regex": "/a|/b.*", "service": 2}, {"regex": "/(?i:up)", "service": 1}]}`,
		Replicas: make([]function.Replica, Services),
		Requests: get("/v1/tags", "/v12/tags?x=1", "/v1/tags/", "/x/v1/tags", "/v/tags", "/V1/tags", // 0–5
			"/a", "/a/", "/ab", "/b", "/b/c", "/xb", "/up", "/UP", "/ups", "/?/v1/tags", "/v1/tags%3Fx"), // 6–16
		Mutants: []function.Mutant{
			{Name: "a part is enough", Params: `{"rules": [{"regex": ".*/v[0-9]+/tags.*", "service": 1}, {"regex": "/a|/b.*", "service": 2}, {"regex": "/(?i:up)", "service": 1}]}`},
			{Name: "the beginning is enough", Params: `{"rules": [{"regex": "/v[0-9]+/tags", "service": 1}, {"regex": "/a.*|/b.*", "service": 2}, {"regex": "/(?i:up)", "service": 1}]}`},
			{Name: "letters for digits", Params: `{"rules": [{"regex": "/v[0-9]*/tags", "service": 1}, {"regex": "/a|/b.*", "service": 2}, {"regex": "/(?i:up)", "service": 1}]}`},
			{Name: "case counts", Params: `{"rules": [{"regex": "/v[0-9]+/tags", "service": 1}, {"regex": "/a|/b.*", "service": 2}, {"regex": "/up", "service": 1}]}`},
			{Name: "anchors bind closer than |", Spoil: elsewhere(8, 2)},
			{Name: "the query is part of the path", Spoil: elsewhere(1, 0)},
			{Name: "the last rule wins", Params: `{"rules": [{"regex": "/(?i:up)", "service": 1}, {"regex": "/.*", "service": 2}, {"regex": "/v[0-9]+/tags", "service": 1}]}`},
		},
	}
}

// asWritten: no form decodes, joins or cleans a path before it looks.
func asWritten() function.Trial {
	return function.Trial{
		Name:     "paths as they are written",
		Params:   `{"rules": [{"path": "/a/b", "service": 1}, {"prefix": "/c/", "service": 2}, {"path": "/%64", "service": 1}, {"prefix": "//", "service": 2}]}`,
		Replicas: make([]function.Replica, Services),
		Requests: get("/a/b", "/a%2Fb", "/a%2fb", "/%61/b", "/a//b", "/a/b/", "/a/b?", "/a/b;x=1", // 0–7
			"/c/", "/c", "/c%2F", "/c/../a/b", "/x/../c/", "/c/%2e%2e/a", "/%64", "/d", "/%44", "//a/b", "/./a/b", "/a/b?/c/"), // 8–19
		Mutants: []function.Mutant{
			{Name: "decodes a slash", Spoil: elsewhere(1, 1)},
			{Name: "decodes a letter", Spoil: elsewhere(3, 1)},
			{Name: "merges slashes", Spoil: elsewhere(4, 1)},
			{Name: "a slash at the end does not count", Spoil: elsewhere(5, 1)},
			{Name: "an empty query is part of the path", Spoil: elsewhere(6, 0)},
			{Name: "cuts parameters of a path", Spoil: elsewhere(7, 1)},
			{Name: "follows dots", Spoil: elsewhere(11, 1)},
			{Name: "follows dots into a prefix", Spoil: elsewhere(12, 2)},
			{Name: "a prefix without its slash", Params: `{"rules": [{"path": "/a/b", "service": 1}, {"prefix": "/c", "service": 2}, {"path": "/%64", "service": 1}, {"prefix": "//", "service": 2}]}`},
			{Name: "reads rules decoded", Params: `{"rules": [{"path": "/a/b", "service": 1}, {"prefix": "/c/", "service": 2}, {"path": "/d", "service": 1}, {"prefix": "//", "service": 2}]}`},
			{Name: "sends it on cleaned", Spoil: func(e *function.Evidence) { e.Deliveries[4].Message.Target = "/a/b" }},
			{Name: "drops an empty query", Spoil: func(e *function.Evidence) { e.Deliveries[6].Message.Target = "/a/b" }},
		},
	}
}

func unchanged() function.Trial {
	return function.Trial{
		Name:     "methods, bodies and answers as they are",
		Params:   `{"rules": [{"prefix": "/a", "service": 1}]}`,
		Replicas: []function.Replica{{}, {Answers: []function.Answer{{Status: http.StatusNotFound, Body: "none"}}}, {}},
		Requests: []function.Request{{Target: "/a", Method: "POST", Body: "body"}, {Target: "/a", Method: "HEAD"}, {Target: "/b", Method: "PUT", Body: "x"}, {Target: "/a/b", Times: 4, AtOnce: 4}},
		Mutants: []function.Mutant{
			{Name: "loses the body", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Body = nil }},
			{Name: "changes the method", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Method = "GET" }},
			{Name: "another answer", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Status = http.StatusOK }},
			{Name: "no answer", Spoil: func(e *function.Evidence) { e.Observations[0].Response = nil }},
			{Name: "another service", Params: `{"rules": [{"prefix": "/a", "service": 2}]}`},
		},
	}
}

// pairs are the published ones: what is counted of the model holds for every form.
func pairs() function.Trial {
	t := function.Trial{
		Name: "the published pairs of requests", Params: apart, Replicas: make([]function.Replica, Services),
		Mutants: []function.Mutant{
			{Name: "tells nothing apart", Params: `{"rules": [{"prefix": "/", "service": 0}]}`},
			{Name: "one less", Params: strings.Replace(apart, `{"path": "/pull", "service": 1}, `, "", 1)},
			{Name: "by turns", Spoil: func(e *function.Evidence) {
				for k := range e.Deliveries {
					e.Deliveries[k].Replica = k % Services
				}
			}},
		},
	}
	for _, p := range function.Pairs() {
		t.Requests = append(t.Requests, p.A, p.B)
	}
	return t
}
