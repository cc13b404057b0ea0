package timeout

import (
	"net/http"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns the route timeout.
func Function() function.Function {
	return function.Function{
		Name:    "timeout",
		Doc:     "route timeout: who does not have the whole response in time gets 504, and the service is told to stop",
		Decode:  Decode,
		Library: &function.Library{Transport: library},
		Native:  &function.Native{Shape: shape},
		Example: `{"timeout": "10s"}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      noClock,
			study.FormWasm:     noClock,
			study.FormWasmGo:   noClock,
			study.FormDynmod:   noClock,
			study.FormDynmodGo: noClock,
			study.FormExternal: "cannot: the service that is asked has answered before the time begins, and does not see the request again",
		},
	}
}

const noClock = "cannot: a filter is called when something comes, and what a timeout waits for is that nothing does; what it can do is ask the router for one, by a header, and then the router keeps the time: that is form native"

func library(spec function.Spec, _ []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper { return Transport(s.Timeout.Std(), next) }, nil
}

func trials() []function.Trial {
	answers := function.Replica{Paths: map[string][]function.Answer{
		"/quick":   {{Body: "quick"}},
		"/failing": {{Status: http.StatusInternalServerError, Body: "failing"}},
		"/slow":    {{Delay: 2 * time.Second}},
		// Each byte comes in time, and the last one too late.
		"/drip": {{Body: "01234567890123456789", Pause: 100 * time.Millisecond}},
	}}
	spoil := func(path string, change func(*function.Observation, *function.Delivery)) func(*function.Evidence) {
		return func(e *function.Evidence) {
			for i, d := range e.Deliveries {
				if d.Message.Target == path {
					change(&e.Observations[d.Of], &e.Deliveries[i])
				}
			}
		}
	}
	return []function.Trial{{
		Name:     "in time and too late",
		Params:   `{"timeout": "300ms"}`,
		Replicas: []function.Replica{answers},
		Requests: []function.Request{
			{Target: "/quick"}, {Target: "/slow"}, {Target: "/quick"}, {Target: "/failing"},
			{Target: "/drip"}, {Target: "/quick", Method: http.MethodPost, Body: "sent"},
		},
		Mutants: []function.Mutant{
			{Name: "too soon", Params: `{"timeout": "20ms"}`},
			{Name: "another status", Spoil: spoil("/slow", func(o *function.Observation, _ *function.Delivery) { o.Response.Status = http.StatusServiceUnavailable })},
			{Name: "the service works on", Spoil: spoil("/slow", func(_ *function.Observation, d *function.Delivery) { d.Cancelled = 0 })},
			{Name: "only until the first byte", Spoil: spoil("/drip", func(o *function.Observation, d *function.Delivery) {
				o.Response, d.Cancelled = &function.Message{Status: http.StatusOK}, 0
			})},
			{Name: "half a response as a whole one", Spoil: spoil("/drip", func(o *function.Observation, _ *function.Delivery) {
				o.Response = &function.Message{Status: http.StatusOK, Body: []byte("0123")}
			})},
			{Name: "504 for the service's 500", Spoil: spoil("/failing", func(o *function.Observation, _ *function.Delivery) { o.Response.Status = http.StatusGatewayTimeout })},
			{Name: "asked again", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[1]) }},
			{Name: "the next one is harmed", Spoil: func(e *function.Evidence) { e.Observations[2].Response = nil }},
		},
	}, {
		Name:     "with a body",
		Params:   `{"timeout": "300ms"}`,
		Replicas: []function.Replica{{Paths: map[string][]function.Answer{"/slow": {{Delay: 1200 * time.Millisecond}}}}},
		Requests: []function.Request{{Target: "/slow", Method: http.MethodPost, Body: "sent"}},
		Mutants:  []function.Mutant{{Name: "no timeout", Params: `{"timeout": "1h"}`}},
	}}
}
