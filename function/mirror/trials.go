package mirror

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
)

func trials() []function.Trial {
	return []function.Trial{every(), some(), slow(), broken(), down()}
}

// second is a service whose answers can be told from the first one's.
func second(a function.Answer) function.Replica {
	a.Header = http.Header{whoseHeader: {"1"}}
	return function.Replica{Answers: []function.Answer{a}}
}

// where changes what reached a service of the i-th request.
func where(e *function.Evidence, i, service int) *function.Delivery {
	for k := range e.Deliveries {
		if d := &e.Deliveries[k]; d.Of == i && d.Replica == service {
			return d
		}
	}
	return &function.Delivery{} // there is none to spoil
}

// without drops what the condition holds for.
func without(e *function.Evidence, drop func(function.Delivery) bool) {
	e.Deliveries = slices.DeleteFunc(e.Deliveries, drop)
}

func every() function.Trial {
	requests := []function.Request{
		{}, {Target: "/a%2Fb//c?x=%20&y"}, {Method: "POST", Body: "body", Header: http.Header{"X-A": {"1", "2"}, "Content-Type": {"text/plain"}}},
		{Method: "PUT", Body: strings.Repeat("0123456789abcdef", 4096), Host: "images.test"}, {Method: "DELETE"}, {Method: "HEAD", Target: "/?"}, {Times: 4, AtOnce: 4},
	}
	return function.Trial{
		Name: "every request", Params: `{}`, Requests: requests, Await: 2 * (6 + 16),
		Replicas: []function.Replica{{Answers: []function.Answer{{Body: "served"}}}, second(function.Answer{Status: http.StatusNotFound, Body: "copy"})},
		Mutants: []function.Mutant{
			{Name: "one is not copied", Spoil: func(e *function.Evidence) {
				without(e, func(d function.Delivery) bool { return d.Of == 3 && d.Replica == 1 })
			}},
			{Name: "none is copied", Spoil: func(e *function.Evidence) {
				without(e, func(d function.Delivery) bool { return d.Replica == 1 })
			}},
			{Name: "only the copy is sent", Spoil: func(e *function.Evidence) {
				without(e, func(d function.Delivery) bool { return d.Of == 0 && d.Replica == 0 })
			}},
			{Name: "copied twice", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, *where(e, 2, 1)) }},
			{Name: "sent twice", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, *where(e, 2, 0)) }},
			{Name: "a copy without its body", Spoil: func(e *function.Evidence) { where(e, 2, 1).Message.Body = nil }},
			{Name: "a request without its body", Spoil: func(e *function.Evidence) { where(e, 3, 0).Message.Body = nil }},
			{Name: "a copy cut short", Spoil: func(e *function.Evidence) { d := where(e, 3, 1); d.Message.Body = d.Message.Body[:1<<15] }},
			{Name: "a copy without its query", Spoil: func(e *function.Evidence) { where(e, 1, 1).Message.Target = "/a%2Fb//c" }},
			{Name: "a copy with another method", Spoil: func(e *function.Evidence) { where(e, 4, 1).Message.Method = "GET" }},
			{Name: "a copy with another host", Spoil: func(e *function.Evidence) { where(e, 3, 1).Message.Host = "images.test-shadow" }},
			{Name: "a copy without headers", Spoil: func(e *function.Evidence) { where(e, 2, 1).Message.Header.Del("X-A") }},
			{Name: "the copy's status", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Status = http.StatusNotFound }},
			{Name: "the copy's answer", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Header.Set(whoseHeader, "1") }},
			{Name: "half of them", Params: `{"percent": 50}`},
		},
	}
}

func some() function.Trial {
	return function.Trial{
		Name: "a quarter of the requests", Params: `{"percent": 25}`, Requests: []function.Request{{Times: 50, AtOnce: 8}},
		// About 100 are copied: the last few may be missed, which matters little.
		Await:    400 + 50,
		Replicas: []function.Replica{{}, second(function.Answer{})},
		Mutants: []function.Mutant{
			{Name: "all", Params: `{"percent": 100}`},
			{Name: "half", Params: `{"percent": 50}`},
			{Name: "few", Spoil: func(e *function.Evidence) {
				without(e, func(d function.Delivery) bool { return d.Replica == 1 && d.Of%3 != 0 })
			}},
			{Name: "none", Spoil: func(e *function.Evidence) {
				without(e, func(d function.Delivery) bool { return d.Replica == 1 })
			}},
		},
	}
}

func slow() function.Trial {
	return function.Trial{
		Name: "copies that take long", Params: `{}`, Await: 8,
		Requests: []function.Request{{}, {Method: "POST", Body: "body"}, {AtOnce: 2}},
		Replicas: []function.Replica{{}, second(function.Answer{Delay: time.Second})},
		Mutants: []function.Mutant{
			{Name: "waits for the copy", Spoil: func(e *function.Evidence) { e.Observations[1].Latest += time.Second }},
			{Name: "gives up", Spoil: func(e *function.Evidence) { e.Observations[0].Response = nil }},
			{Name: "answers itself", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Status = http.StatusGatewayTimeout }},
		},
	}
}

func broken() function.Trial {
	return function.Trial{
		Name: "copies that are cut off", Params: `{}`, Await: 6,
		Requests: []function.Request{{}, {Method: "POST", Body: "body"}, {}},
		Replicas: []function.Replica{{Answers: []function.Answer{{Status: http.StatusCreated}}}, second(function.Answer{Reset: true})},
		Mutants: []function.Mutant{
			{Name: "the copy's failure", Spoil: func(e *function.Evidence) {
				e.Observations[1].Response.Status = http.StatusServiceUnavailable
			}},
			{Name: "no copies after a failure", Spoil: func(e *function.Evidence) {
				without(e, func(d function.Delivery) bool { return d.Replica == 1 && d.Of > 0 })
			}},
			{Name: "copies again", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, *where(e, 0, 1)) }},
		},
	}
}

func down() function.Trial {
	return function.Trial{
		Name: "nobody takes the copies", Params: `{}`,
		Requests: []function.Request{{}, {Method: "POST", Body: "body"}, {}},
		Replicas: []function.Replica{{}, {Down: true}},
		Mutants: []function.Mutant{
			{Name: "fails with it", Spoil: func(e *function.Evidence) {
				e.Observations[1].Response.Status = http.StatusServiceUnavailable
			}},
			{Name: "sends the copy to the first", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, *where(e, 0, 0)) }},
		},
	}
}
