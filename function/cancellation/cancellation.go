package cancellation

import (
	"net/http"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is no parameters.
type Spec struct{}

// Function returns cancellation.
func Function() function.Function {
	return function.Function{
		Name:    "cancellation",
		Doc:     "cancellation: when the caller has gone, the service is told to stop",
		Decode:  decode,
		Native:  &function.Native{Shape: shape},
		Example: `{}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLibrary:  "none: net/http and gRPC end the context of a request whose caller has gone, and a client that is given that context ends its own request; nothing is left to wrap",
			study.FormLua:      filters,
			study.FormWasm:     filters,
			study.FormWasmGo:   filters,
			study.FormDynmod:   filters,
			study.FormDynmodGo: filters,
			study.FormExternal: filters,
		},
	}
}

const filters = "cannot: the connection to the service is the router's, and it ends a request whose caller has gone whether there are filters or not"

func decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	return s, nil
}

// shape changes nothing: the router does it.
func shape(function.Spec, *dataplane.Resources) error { return nil }

// quick is the path whose callers wait for their answer; all others go away.
const quick = "/quick"

func trials() []function.Trial {
	gone := func(target, method, body string, abreast int) function.Request {
		return function.Request{Target: target, Method: method, Body: body, AtOnce: abreast, Abandon: 150 * time.Millisecond}
	}
	stays := function.Request{Target: quick, Times: 3}
	delivery := func(e *function.Evidence, path string) *function.Delivery {
		for i, d := range e.Deliveries {
			if d.Message.Target == path {
				return &e.Deliveries[i]
			}
		}
		return &function.Delivery{}
	}
	return []function.Trial{{
		Name: "callers that go",
		Replicas: []function.Replica{{Paths: map[string][]function.Answer{
			"/slow": {{Delay: 3 * time.Second, Body: "slow"}},
			"/drip": {{Body: "012345678901234567890123456789", Pause: 100 * time.Millisecond}},
			quick:   {{Body: "quick"}},
		}}},
		Requests: []function.Request{
			stays, gone("/slow", "", "", 1), stays, gone("/slow", http.MethodPost, "sent", 1), stays, gone("/slow", "", "", 5), stays, gone("/drip", "", "", 2), stays,
		},
		Mutants: []function.Mutant{
			{Name: "the service works on", Spoil: func(e *function.Evidence) { delivery(e, "/slow").Cancelled = 0 }},
			{Name: "a response is sent to its end", Spoil: func(e *function.Evidence) { delivery(e, "/drip").Cancelled = 0 }},
			{Name: "the service is told when it has nearly done", Spoil: func(e *function.Evidence) { delivery(e, "/slow").Cancelled += 2 * time.Second }},
			{Name: "asked again", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, *delivery(e, "/slow")) }},
			{Name: "others end too", Spoil: func(e *function.Evidence) { delivery(e, quick).Cancelled = time.Second }},
			{Name: "the next one gets the answer of who has gone", Spoil: func(e *function.Evidence) { e.Observations[4].Response.Body = []byte("slow") }},
			{Name: "the next one gets none", Spoil: func(e *function.Evidence) { e.Observations[4].Response = nil }},
			{Name: "nothing ever reaches the service", Spoil: func(e *function.Evidence) { e.Deliveries = nil }},
		},
	}}
}
