package noop

import (
	"net/http"

	"github.com/taremesh/tare/function"
)

// trials: whatever comes goes on as it came.
func trials() []function.Trial {
	return []function.Trial{{
		Name: "nothing",
		Replicas: []function.Replica{{Answers: []function.Answer{
			{Status: http.StatusOK, Body: "all of it", Header: http.Header{"X-Kept": {"a", "b"}}},
			{Status: http.StatusNotFound, Body: "none of it"},
			{Status: http.StatusServiceUnavailable},
		}}},
		Requests: []function.Request{
			{Target: "/a/b?c=d&c", Header: http.Header{"X-Sent": {"1", "2"}, "X-Empty": {""}}},
			{Method: http.MethodPost, Target: "/", Body: "what was sent"},
			{Method: http.MethodDelete, Target: "/x"},
		},
		Mutants: []function.Mutant{
			{Name: "answers itself", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
			{Name: "sends twice", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[0]) }},
			{Name: "drops a copy of a header", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Header.Set("X-Sent", "1") }},
			{Name: "drops an empty header", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Header.Del("X-Empty") }},
			{Name: "changes the path", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Target = "/a/b" }},
			{Name: "changes the method", Spoil: func(e *function.Evidence) { e.Deliveries[2].Message.Method = http.MethodGet }},
			{Name: "changes the body", Spoil: func(e *function.Evidence) { e.Deliveries[1].Message.Body = nil }},
			{Name: "changes a header of the response", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Header.Set("X-Kept", "b") }},
			{Name: "changes the status", Spoil: func(e *function.Evidence) { e.Observations[2].Response.Status = http.StatusOK }},
			{Name: "changes the response's body", Spoil: func(e *function.Evidence) { e.Observations[1].Response.Body = nil }},
			{Name: "loses the answer", Spoil: func(e *function.Evidence) { e.Observations[1].Response = nil }},
		},
	}}
}
