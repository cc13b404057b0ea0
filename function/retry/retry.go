package retry

import (
	"net/http"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns retries.
func Function() function.Function {
	return function.Function{
		Name:    "retry",
		Doc:     "retries: on which answers a request is sent again, how often, after what backoff, within what budget",
		Decode:  Decode,
		Library: &function.Library{Transport: library},
		Native:  &function.Native{Shape: shape},
		Example: `{"on": ["5xx", "reset"], "retries": 2}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      filters,
			study.FormWasm:     filters,
			study.FormWasmGo:   filters,
			study.FormDynmod:   filters,
			study.FormDynmodGo: filters,
			study.FormExternal: filters,
		},
	}
}

const filters = "cannot: a filter sees a request pass once, and the attempts are made behind it, by the router; what it can do is ask the router for them, by a header, and then it is form native"

func library(spec function.Spec, addrs []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper { return Transport(s, addrs, next) }, nil
}

func trials() []function.Trial { return append(sequences(), placesAndTimes()...) }

// sequences are answers one after the other, for each path its own.
func sequences() []function.Trial {
	codes := func(all ...int) (answers []function.Answer) {
		for _, c := range all {
			if c == 0 {
				answers = append(answers, function.Answer{Reset: true})
				continue
			}
			answers = append(answers, function.Answer{Status: c, Body: http.StatusText(c)})
		}
		return answers
	}
	service := []function.Replica{{Paths: map[string][]function.Answer{
		"/good": codes(200), "/first": codes(503, 200), "/second": codes(503, 502, 200), "/third": codes(503, 503, 503, 200),
		"/never": codes(503, 500, 504, 502, 200), "/500": codes(500, 200), "/404": codes(404, 200), "/409": codes(409, 200), "/429": codes(429, 200),
		"/mixed": codes(503, 404, 200), "/cut": codes(0, 200), "/cuts": codes(0, 0, 0, 200),
	}}}
	// Bodies, so that net/http does not try again what was cut of itself.
	var requests []function.Request
	for _, path := range []string{"/good", "/first", "/second", "/third", "/never", "/500", "/404", "/409", "/429", "/mixed", "/cut", "/cuts", "/good"} {
		requests = append(requests, function.Request{Target: path, Method: http.MethodPost, Body: "to be sent again"})
	}
	requests = append(requests, function.Request{Target: "/first", Times: 2})
	lose := func(path string) func(*function.Evidence) {
		return func(e *function.Evidence) {
			for i := len(e.Deliveries) - 1; i >= 0; i-- {
				if e.Deliveries[i].Message.Target == path {
					e.Deliveries = append(e.Deliveries[:i], e.Deliveries[i+1:]...)
					return
				}
			}
		}
	}
	return []function.Trial{{
		Name:     "conditions and attempts",
		Params:   `{"on": ["5xx", "reset"], "statuses": [409], "retries": 2, "base": "20ms"}`,
		Replicas: service,
		Requests: requests,
		Mutants: []function.Mutant{
			{Name: "one retry more", Params: `{"on": ["5xx", "reset"], "statuses": [409], "retries": 3, "base": "20ms"}`},
			{Name: "one retry less", Params: `{"on": ["5xx", "reset"], "statuses": [409], "retries": 1, "base": "20ms"}`},
			{Name: "not on 409", Params: `{"on": ["5xx", "reset"], "retries": 2, "base": "20ms"}`},
			{Name: "on 404 too", Params: `{"on": ["5xx", "reset"], "statuses": [409, 404], "retries": 2, "base": "20ms"}`},
			{Name: "not on 500", Params: `{"on": ["gateway-error", "reset"], "statuses": [409], "retries": 2, "base": "20ms"}`},
			{Name: "not when cut", Params: `{"statuses": [409, 500, 502, 503, 504], "retries": 2, "base": "20ms"}`},
			{Name: "no backoff", Spoil: func(e *function.Evidence) {
				for i := range e.Deliveries {
					e.Deliveries[i].At = time.Millisecond
				}
			}},
			{Name: "a backoff too long", Spoil: func(e *function.Evidence) {
				for i := range e.Deliveries {
					e.Deliveries[i].At *= 1000
				}
			}},
			{Name: "without the body", Spoil: func(e *function.Evidence) { e.Deliveries[2].Message.Body = nil }},
			{Name: "the first answer", Spoil: func(e *function.Evidence) { e.Observations[1].Response.Status = http.StatusServiceUnavailable }},
			{Name: "the body of the first answer", Spoil: func(e *function.Evidence) { e.Observations[1].Response.Body = []byte("Service Unavailable") }},
			{Name: "not all attempts reach the service", Spoil: lose("/third")},
		},
	}, {
		Name:     "gateway errors only",
		Params:   `{"on": ["gateway-error"], "retries": 2, "base": "10ms"}`,
		Replicas: service,
		Requests: requests[:len(requests)-1],
		Mutants:  []function.Mutant{{Name: "on every 5xx", Params: `{"on": ["5xx"], "retries": 2, "base": "10ms"}`}},
	}, {
		Name:     "resets only",
		Params:   `{"on": ["reset"], "retries": 1, "base": "10ms"}`,
		Replicas: service,
		Requests: requests[:len(requests)-1],
		Mutants:  []function.Mutant{{Name: "on every 5xx", Params: `{"on": ["5xx"], "retries": 1, "base": "10ms"}`}},
	}}
}

func placesAndTimes() []function.Trial {
	late, fail := function.Answer{Delay: 1000 * time.Millisecond}, function.Answer{Status: http.StatusServiceUnavailable, Delay: 200 * time.Millisecond}
	return []function.Trial{{
		Name:   "a time for each attempt",
		Params: `{"on": ["5xx"], "retries": 1, "per_try": "200ms", "base": "5ms"}`,
		Replicas: []function.Replica{{Paths: map[string][]function.Answer{
			"/late": {late, {}}, "/later": {late, late, late, {}}, "/in-time": {{Status: http.StatusBadGateway}, {}},
			"/drip": {{Body: "012", Pause: 100 * time.Millisecond}},
		}}},
		Requests: []function.Request{{Target: "/late"}, {Target: "/later"}, {Target: "/in-time"}, {Target: "/drip"}},
		Mutants: []function.Mutant{
			{Name: "no retry of what is late", Params: `{"statuses": [502], "retries": 1, "per_try": "200ms", "base": "5ms"}`},
			{Name: "the service works on", Spoil: func(e *function.Evidence) { e.Deliveries[0].Cancelled = 0 }},
			{Name: "another status", Spoil: func(e *function.Evidence) { e.Observations[1].Response.Status = http.StatusServiceUnavailable }},
		},
	}, {
		Name:     "no time for an attempt",
		Params:   `{"on": ["5xx"], "retries": 1, "per_try": "200ms", "base": "5ms"}`,
		Replicas: []function.Replica{{Paths: map[string][]function.Answer{"/late": {late, {}}}}},
		Requests: []function.Request{{Target: "/late"}},
		Mutants:  []function.Mutant{{Name: "any time", Params: `{"on": ["5xx"], "retries": 1, "base": "5ms"}`}},
	}, {
		Name:     "one service is down",
		Params:   `{"on": ["connect-failure"], "retries": 3, "base": "5ms"}`,
		Replicas: []function.Replica{{Down: true}, {Paths: map[string][]function.Answer{"/": {{Body: "here"}}}}},
		Requests: []function.Request{{Times: 6}},
		Mutants:  []function.Mutant{{Name: "not on connect-failure", Params: `{"statuses": [599], "retries": 3, "base": "5ms"}`}},
	}, {
		Name:     "budget",
		Params:   `{"on": ["5xx"], "retries": 1, "base": "5ms", "budget": {"percent": 0, "least": 2}}`,
		Replicas: []function.Replica{{Paths: map[string][]function.Answer{"/": {fail}}}},
		Requests: []function.Request{{AtOnce: 12}},
		Mutants: []function.Mutant{
			{Name: "none", Params: `{"on": ["5xx"], "retries": 1, "base": "5ms"}`},
			{Name: "one more", Params: `{"on": ["5xx"], "retries": 1, "base": "5ms", "budget": {"percent": 0, "least": 3}}`},
			{Name: "no retries", Spoil: firstAlone},
		},
	}, {
		Name:     "budget as a share of the requests under way",
		Params:   `{"on": ["5xx"], "retries": 1, "base": "5ms", "budget": {"percent": 25, "least": 0}}`,
		Replicas: []function.Replica{{Paths: map[string][]function.Answer{"/": {fail}}}},
		Requests: []function.Request{{AtOnce: 12}},
		Mutants: []function.Mutant{
			{Name: "none", Params: `{"on": ["5xx"], "retries": 1, "base": "5ms"}`},
			{Name: "all of them", Params: `{"on": ["5xx"], "retries": 1, "base": "5ms", "budget": {"percent": 100, "least": 0}}`},
			{Name: "no retries", Spoil: firstAlone},
		},
	}}
}

// firstAlone leaves of what reached the service each request's first attempt.
func firstAlone(e *function.Evidence) {
	seen := map[int]bool{}
	kept := e.Deliveries[:0]
	for _, d := range e.Deliveries {
		if !seen[d.Of] {
			kept = append(kept, d)
		}
		seen[d.Of] = true
	}
	e.Deliveries = kept
}
