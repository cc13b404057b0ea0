package ratelimitglobal

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns the rate limit of all proxies together.
func Function() function.Function {
	return function.Function{
		Name:   "ratelimit-global",
		Doc:    "a rate limit for each user over all proxies together: buckets are kept in one service that speaks Envoy's protocol",
		Decode: Decode,
		External: &function.External{
			Serve:  serve,
			Config: config,
			Types:  []function.FilterType{{URL: typeURL, Join: join}},
		},
		Example: `{"limits": {"Personal": "1000000/s", "Team": "1000000/s", "Enterprise": "1000000/s"}, "paths": ["/"]}`,
		Headers: study.Headers{function.UserHeader: "image", function.SubscriptionHeader: "Team"},
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLibrary:  "not built: an application that asks the service does it with a client of its protocol",
			study.FormNative:   "none: the filter that asks is the data plane's own, but the state is the service's: that is the form external; ratelimit is native",
			study.FormLua:      "not built: a script keeps state in its worker alone, and can ask by HTTP, not by gRPC",
			study.FormWasm:     "not built: shared data ends at the proxy; a module could ask by gRPC in Envoy, which our host does not offer",
			study.FormWasmGo:   "as wasm",
			study.FormDynmod:   "not built: a module's state ends at the proxy; it could ask by HTTP",
			study.FormDynmodGo: "as dynmod",
		},
	}
}

func trials() []function.Trial {
	ann, bob := function.Caller{User: "ann", Subscription: "Personal"}, function.Caller{User: "bob", Subscription: "Team"}
	other := function.Caller{User: "ann", Subscription: "Free"}
	const params = `{"limits": {"Personal": "3/h", "Team": "5/h"}, "paths": ["/pull", "/push"]}`
	to := func(proxy int, target string, c function.Caller, times int) function.Request {
		return function.Request{Target: target, Caller: c, Proxy: proxy, Times: times}
	}
	mute := []function.Request{to(0, "/pull", ann, 2), to(0, "/other", bob, 1), to(0, "/pull", function.Caller{}, 1)}
	return []function.Trial{{
		Name: "two proxies, one bucket", Params: params, Proxies: 2,
		Requests: []function.Request{
			to(0, "/pull", ann, 2), to(1, "/pull?a=1", ann, 3), to(0, "/pull", ann, 1), // 2 + 1, then none
			to(1, "/push", ann, 2), to(0, "/push", ann, 2), // a bucket of its own: 2 + 1
			to(0, "/pull", bob, 3), to(1, "/pull", bob, 4), // 3 + 2
			to(1, "/", ann, 4), to(0, "/pull/", ann, 4), to(1, "/pull", other, 6), to(0, "/pull", function.Caller{}, 6),
		},
		Mutants: []function.Mutant{
			{Name: "one more", Params: `{"limits": {"Personal": "4/h", "Team": "5/h"}, "paths": ["/pull", "/push"]}`},
			{Name: "one less", Params: `{"limits": {"Personal": "3/h", "Team": "4/h"}, "paths": ["/pull", "/push"]}`},
			{Name: "a path is free", Params: `{"limits": {"Personal": "3/h", "Team": "5/h"}, "paths": ["/pull"]}`},
			{Name: "another path is limited", Params: `{"limits": {"Personal": "3/h", "Team": "5/h"}, "paths": ["/pull", "/push", "/"]}`},
			{Name: "another subscription is limited", Params: `{"limits": {"Personal": "3/h", "Team": "5/h", "Free": "3/h"}, "paths": ["/pull", "/push"]}`},
			{Name: "a bucket in each proxy", Spoil: func(e *function.Evidence) { admit(e, 3); admit(e, 4) }},
			{Name: "another status", Spoil: func(e *function.Evidence) { e.Observations[4].Response.Status = http.StatusForbidden }},
			{Name: "reached though refused", Spoil: func(e *function.Evidence) {
				d := e.Deliveries[0]
				d.Of = 4
				e.Deliveries = append(e.Deliveries, d)
			}},
		},
	}, {
		Name: "at once", Params: `{"limits": {"Personal": "20/h"}, "paths": ["/pull"]}`, Proxies: 2,
		Requests: []function.Request{{Target: "/pull", Caller: ann, Times: 4, AtOnce: 4}, {Target: "/pull", Caller: ann, Times: 4, AtOnce: 4, Proxy: 1}},
		Mutants: []function.Mutant{
			{Name: "one more", Params: `{"limits": {"Personal": "21/h"}, "paths": ["/pull"]}`},
			{Name: "one less", Params: `{"limits": {"Personal": "19/h"}, "paths": ["/pull"]}`},
		},
	}, {
		Name: "no answer: requests go on", Params: params, Mute: true, Requests: mute,
		Mutants: []function.Mutant{{Name: "refuses", Params: `{"limits": {"Personal": "3/h", "Team": "5/h"}, "paths": ["/pull", "/push"], "on_failure": "deny"}`}},
	}, {
		Name: "no answer: requests are refused", Mute: true, Requests: mute,
		Params:  `{"limits": {"Personal": "3/h", "Team": "5/h"}, "paths": ["/pull", "/push"], "on_failure": "deny"}`,
		Mutants: []function.Mutant{{Name: "lets them go on", Params: params}},
	}}
}

// admit makes a refused request an admitted one.
func admit(e *function.Evidence, i int) {
	o := &e.Observations[i]
	o.Outcome, o.Response = function.Allowed, &function.Message{Status: http.StatusOK}
	e.Deliveries = append(e.Deliveries, function.Delivery{Of: i, Message: *o.Request, Answered: http.StatusOK})
}
