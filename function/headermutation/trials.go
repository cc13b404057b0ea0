package headermutation

import (
	"net/http"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// headers are those of the lines, each "name: value".
func headers(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		h.Add(name, strings.TrimPrefix(value, " "))
	}
	return h
}

// at is what a service got of request i.
func at(e *function.Evidence, i int) http.Header { return e.Reached(i)[0].Message.Header }

// told is evidence of the function under other parameters: headers are what its
// model makes of them. Some forms take seconds to stand, so that only one mutant
// of all is run.
func told(params string) func(*function.Evidence) {
	return func(e *function.Evidence) {
		p, err := study.JSONParams("mutant", []byte(params))
		if err != nil {
			return // the mutant is then not found, which fails
		}
		decoded, err := Decode(p)
		if err != nil {
			return
		}
		s, err := function.SpecAs[Spec](decoded)
		if err != nil {
			return
		}
		for i, d := range e.Deliveries {
			o := e.Observations[d.Of]
			e.Deliveries[i].Message.Header = apply(s.Request, o.Request.Header)
			o.Response.Header = apply(s.Response, e.Trial.Replicas[d.Replica].Answers[0].Header)
		}
	}
}

func trials() []function.Trial {
	return []function.Trial{onRequest(), onResponse()}
}

func onRequest() function.Trial {
	const rest = `, {"op": "set", "name": "x-empty", "value": ""}, {"op": "set", "name": "x-percent", "value": "100% %REQ(x-in)% %%"}, {"op": "append", "name": "x-list", "value": "last"},` +
		` {"op": "append", "name": "x-order", "value": "a"}, {"op": "append", "name": "x-order", "value": "b"}, {"op": "set", "name": "x-order2", "value": "c"}, {"op": "append", "name": "x-order2", "value": "d"},` +
		` {"op": "set", "name": "x-gone", "value": "1"}, {"op": "remove", "name": "x-gone"}, {"op": "remove", "name": "x-back"}, {"op": "append", "name": "x-back", "value": "new"}]}`
	const all = `{"request": [{"op": "set", "name": "X-Set", "value": "one, two"}, {"op": "remove", "name": "X-Secret"}` + rest
	return function.Trial{
		Name:     "request",
		Params:   all,
		Replicas: []function.Replica{{Answers: []function.Answer{{Body: "served"}}}},
		Requests: []function.Request{
			{},
			{Header: headers("X-Set: mine", "X-Secret: 1", "X-List: first", "X-Gone: 2", "X-Back: old", "X-In: in", "X-Order2: z"), Method: "POST", Body: "body"},
			{Header: headers("x-set: a", "x-set: b", "x-secret: 1", "x-secret: 2", "x-list: a", "x-list: b", "x-back: 1", "x-back: 2", "x-other: 1", "x-other: 2")},
			{Header: headers("X-Secret:", "X-Empty: full", "X-List:", "X-Secrets: kept", "X-Set-2: kept"), Target: "/a%2Fb//c?"},
		},
		Mutants: []function.Mutant{
			{Name: "adds for set", Spoil: told(`{"request": [{"op": "append", "name": "X-Set", "value": "one, two"}, {"op": "remove", "name": "X-Secret"}` + rest)},
			{Name: "another value", Spoil: told(`{"request": [{"op": "set", "name": "X-Set", "value": "one, three"}, {"op": "remove", "name": "X-Secret"}` + rest)},
			{Name: "does not remove", Spoil: told(`{"request": [{"op": "set", "name": "X-Set", "value": "one, two"}` + rest)},
			{Name: "removes more", Spoil: told(`{"request": [{"op": "remove", "name": "x-other"}, {"op": "set", "name": "X-Set", "value": "one, two"}, {"op": "remove", "name": "X-Secret"}` + rest)},
			{Name: "on the response", Spoil: told(`{"response": [{"op": "set", "name": "X-Set", "value": "one, two"}, {"op": "remove", "name": "X-Secret"}` + rest)},
			{Name: "another order", Spoil: told(strings.Replace(all, `{"op": "set", "name": "x-gone", "value": "1"}, {"op": "remove", "name": "x-gone"}`, `{"op": "remove", "name": "x-gone"}, {"op": "set", "name": "x-gone", "value": "1"}`, 1))},
			{Name: "set for append", Spoil: told(strings.Replace(all, `{"op": "append", "name": "x-list"`, `{"op": "set", "name": "x-list"`, 1))},
			{Name: "drops what is empty", Spoil: func(e *function.Evidence) { at(e, 0).Del("X-Empty") }},
			{Name: "takes text for a command", Spoil: func(e *function.Evidence) { at(e, 1).Set("X-Percent", "100% in %") }},
			{Name: "appends before", Spoil: func(e *function.Evidence) { at(e, 1)["X-List"] = []string{"last", "first"} }},
			{Name: "removes the first copy", Spoil: func(e *function.Evidence) { at(e, 2).Set("X-Secret", "2") }},
			{Name: "removes by prefix", Spoil: func(e *function.Evidence) { at(e, 3).Del("X-Secrets") }},
			{Name: "only when there is something to replace", Spoil: func(e *function.Evidence) { at(e, 0).Del("X-Set") }},
			{Name: "twice", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[0]) }},
			{Name: "answered by itself", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
		},
	}
}

func onResponse() function.Trial {
	const rest = `, {"op": "append", "name": "set-cookie", "value": "b=2; Path=/"}, {"op": "append", "name": "cache-control", "value": "no-transform"}, {"op": "set", "name": "x-empty", "value": ""}, {"op": "remove", "name": "content-type"},` +
		` {"op": "set", "name": "x-side", "value": "response"}], "request": [{"op": "set", "name": "x-side", "value": "request"}]}`
	const all = `{"response": [{"op": "set", "name": "X-Set", "value": "one"}, {"op": "remove", "name": "x-powered-by"}` + rest
	answer := func(status int, lines ...string) function.Replica {
		return function.Replica{Answers: []function.Answer{{Status: status, Header: headers(lines...), Body: "served"}}}
	}
	trial := function.Trial{
		Name:     "response",
		Params:   all,
		Replicas: []function.Replica{answer(http.StatusNotFound, "X-Powered-By: go", "X-Powered-By: rust", "X-Set: a", "X-Set: b", "Set-Cookie: a=1; Path=/", "Set-Cookie: c=3", "Cache-Control: private", "Content-Type: text/plain", "X-Kept: 1", "X-Kept: 2", "X-Side: service")},
		Requests: []function.Request{{}, {Method: "POST", Body: "body", Header: headers("X-Set: mine", "X-Powered-By: me", "X-Side: client")}, {Times: 3, AtOnce: 3}},
		Mutants: []function.Mutant{
			{Name: "adds for set", Spoil: told(`{"response": [{"op": "append", "name": "X-Set", "value": "one"}, {"op": "remove", "name": "x-powered-by"}` + rest)},
			{Name: "does not remove", Spoil: told(`{"response": [{"op": "set", "name": "X-Set", "value": "one"}` + rest)},
			{Name: "removes more", Spoil: told(`{"response": [{"op": "remove", "name": "x-kept"}, {"op": "set", "name": "X-Set", "value": "one"}, {"op": "remove", "name": "x-powered-by"}` + rest)},
			{Name: "sides exchanged", Spoil: told(strings.NewReplacer(`"value": "request"`, `"value": "response"`, `"value": "response"`, `"value": "request"`).Replace(all))},
			{Name: "on the request", Params: strings.NewReplacer(`"request"`, `"response"`, `"response"`, `"request"`).Replace(all)},
			{Name: "response alone", Spoil: told(strings.Split(all, `, "request": `)[0] + `}`)},
			{Name: "request alone", Spoil: told(`{"request": [{"op": "set", "name": "x-side", "value": "request"}]}`)},
			{Name: "set for append", Spoil: told(strings.Replace(all, `{"op": "append", "name": "set-cookie"`, `{"op": "set", "name": "set-cookie"`, 1))},
			{Name: "drops what is empty", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Header.Del("X-Empty") }},
			{Name: "makes up a type", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Header.Set("Content-Type", "text/plain") }},
			{Name: "another status", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Status = 200 }},
			{Name: "another body", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Body = nil }},
		},
	}
	return trial
}
