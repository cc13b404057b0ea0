package routecontext

import (
	"net/http"
	"strings"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// trials are few, with many requests each: some forms take seconds to stand.
func trials() []function.Trial {
	all := []function.Trial{
		together("header, cookie, query, method and claim", byHeader(), byCookie(), byQuery(), byMethodAndClaim(), inOrder(), forged()),
		together("identity, and the published pairs of requests", byIdentity(), pairs()),
	}
	for i := range all {
		all[i].Replicas = make([]function.Replica, Services)
	}
	return all
}

// told is evidence of the function under other parameters: requests reach the
// services that its model says.
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
			if o := e.Observations[d.Of]; o.Request != nil {
				e.Deliveries[i].Replica = s.service(s.question(o))
			}
		}
	}
}

// with is a request with headers, each "name: value".
func with(target string, lines ...string) function.Request {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		h.Add(name, strings.TrimPrefix(value, " "))
	}
	return function.Request{Target: target, Header: h}
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

func byHeader() function.Trial {
	return function.Trial{
		Name: "header",
		Params: `{"rules": [{"when": [{"from": "header", "name": "X-Tier", "value": "gold"}], "service": 1},
			{"when": [{"from": "header", "name": "x-agent", "match": "prefix", "value": "Bot"}], "service": 2},
			{"when": [{"from": "header", "name": "x-debug", "match": "present"}], "service": 2},
			{"when": [{"from": "header", "name": "x-empty", "value": ""}], "service": 1}]}`,
		Requests: []function.Request{
			with("/"), with("/", "X-Tier: gold"), with("/a//b?", "x-tier: gold"), with("/", "X-Tier: Gold"), with("/", "X-Tier: golden"), // 0–4
			with("/", "X-Tier: gold", "X-Tier: gold"), with("/", "X-Tier: gold", "X-Tier: tin"), with("/", "X-Tier: tin", "X-Tier: gold"), // 5–7
			with("/", "X-Agent: Bot/1"), with("/", "X-Agent: bot/1"), with("/", "X-Agent: a Bot"), with("/", "X-Agent: Bo"), // 8–11
			with("/", "X-Agent: Bot", "X-Agent: Man"), with("/", "X-Agent: Man", "X-Agent: Bot"), // 12, 13
			with("/", "X-Debug: 0"), with("/", "X-Debug:"), with("/", "X-Debugger: 1"), // 14–16
			with("/", "X-Empty:"), with("/", "X-Empty: 1"), with("/", "X-Agent: Bot", "X-Tier: gold"), // 17–19
		},
		Mutants: []function.Mutant{
			{Name: "another value", Spoil: told(`{"rules": [{"when": [{"from": "header", "name": "x-tier", "value": "Gold"}], "service": 1}]}`)},
			{Name: "prefix for exact", Spoil: told(`{"rules": [{"when": [{"from": "header", "name": "x-tier", "match": "prefix", "value": "gold"}], "service": 1}, {"when": [{"from": "header", "name": "x-agent", "match": "prefix", "value": "Bot"}], "service": 2}, {"when": [{"from": "header", "name": "x-debug", "match": "present"}], "service": 2}, {"when": [{"from": "header", "name": "x-empty", "value": ""}], "service": 1}]}`)},
			{Name: "present for exact", Spoil: told(`{"rules": [{"when": [{"from": "header", "name": "x-tier", "value": "gold"}], "service": 1}, {"when": [{"from": "header", "name": "x-agent", "match": "prefix", "value": "Bot"}], "service": 2}, {"when": [{"from": "header", "name": "x-debug", "match": "present"}], "service": 2}, {"when": [{"from": "header", "name": "x-empty", "match": "present"}], "service": 1}]}`)},
			{Name: "exact for prefix", Spoil: told(`{"rules": [{"when": [{"from": "header", "name": "x-tier", "value": "gold"}], "service": 1}, {"when": [{"from": "header", "name": "x-agent", "value": "Bot"}], "service": 2}, {"when": [{"from": "header", "name": "x-debug", "match": "present"}], "service": 2}, {"when": [{"from": "header", "name": "x-empty", "value": ""}], "service": 1}]}`)},
			{Name: "a value for present", Spoil: told(`{"rules": [{"when": [{"from": "header", "name": "x-tier", "value": "gold"}], "service": 1}, {"when": [{"from": "header", "name": "x-agent", "match": "prefix", "value": "Bot"}], "service": 2}, {"when": [{"from": "header", "name": "x-debug", "value": "0"}], "service": 2}, {"when": [{"from": "header", "name": "x-empty", "value": ""}], "service": 1}]}`)},
			{Name: "another order", Spoil: told(`{"rules": [{"when": [{"from": "header", "name": "x-agent", "match": "prefix", "value": "Bot"}], "service": 2}, {"when": [{"from": "header", "name": "x-tier", "value": "gold"}], "service": 1}, {"when": [{"from": "header", "name": "x-debug", "match": "present"}], "service": 2}, {"when": [{"from": "header", "name": "x-empty", "value": ""}], "service": 1}]}`)},
			{Name: "the first copy counts", Spoil: elsewhere(7, 0)},
			{Name: "the last copy counts", Spoil: elsewhere(6, 0)},
			{Name: "copies are joined", Spoil: elsewhere(5, 0)},
			{Name: "the value's case does not count", Spoil: elsewhere(9, 2)},
			{Name: "twice", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[0]) }},
			{Name: "answered by itself", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
			{Name: "tidies the path", Spoil: func(e *function.Evidence) {
				e.Reached(2)[0].Message.Header.Del("none")
				e.Deliveries[2].Message.Target = "/a/b"
			}},
			{Name: "another answer", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Status = http.StatusNotFound }},
		},
	}
}

func byCookie() function.Trial {
	return function.Trial{
		Name: "cookie",
		Params: `{"rules": [{"when": [{"from": "cookie", "name": "Plan", "value": "pro"}], "service": 1},
			{"when": [{"from": "cookie", "name": "lab", "match": "present"}], "service": 2},
			{"when": [{"from": "cookie", "name": "id", "match": "prefix", "value": "a="}], "service": 2}]}`,
		Requests: []function.Request{
			with("/"), with("/", "Cookie: Plan=pro"), with("/", "Cookie: plan=pro"), with("/", "Cookie: Plan=Pro"), with("/", "Cookie: x=1; Plan=pro; y=2"), // 0–4
			with("/", "Cookie: x=1;Plan=pro"), with("/", `Cookie: Plan="pro"`), with("/", "Cookie: Plan=pro; Plan=free"), with("/", "Cookie: Plan=free; Plan=pro"), // 5–8
			with("/", "Cookie: xPlan=pro"), with("/", "Cookie: Plan=pro1"), with("/", "Cookie: Plan"), with("/", "Cookie: Plan="), // 9–12
			with("/", "Cookie: lab=0"), with("/", "Cookie: lab="), with("/", "Cookie: lab"), with("/", "Cookie: labs=1"), // 13–16
			with("/", "Cookie: id=a=b"), with("/", "Cookie: id=b=a="), with("/", "Cookie: x=lab=1"), with("/", "Plan: pro", "X-Cookie: Plan=pro"), // 17–20
		},
		Mutants: []function.Mutant{
			{Name: "another name's case", Spoil: told(`{"rules": [{"when": [{"from": "cookie", "name": "plan", "value": "pro"}], "service": 1}, {"when": [{"from": "cookie", "name": "lab", "match": "present"}], "service": 2}, {"when": [{"from": "cookie", "name": "id", "match": "prefix", "value": "a="}], "service": 2}]}`)},
			{Name: "prefix for exact", Spoil: told(`{"rules": [{"when": [{"from": "cookie", "name": "Plan", "match": "prefix", "value": "pro"}], "service": 1}, {"when": [{"from": "cookie", "name": "lab", "match": "present"}], "service": 2}, {"when": [{"from": "cookie", "name": "id", "match": "prefix", "value": "a="}], "service": 2}]}`)},
			{Name: "a value for present", Spoil: told(`{"rules": [{"when": [{"from": "cookie", "name": "Plan", "value": "pro"}], "service": 1}, {"when": [{"from": "cookie", "name": "lab", "value": "0"}], "service": 2}, {"when": [{"from": "cookie", "name": "id", "match": "prefix", "value": "a="}], "service": 2}]}`)},
			{Name: "a header instead", Spoil: told(`{"rules": [{"when": [{"from": "header", "name": "plan", "value": "pro"}], "service": 1}]}`)},
			{Name: "the last cookie counts", Spoil: elsewhere(8, 1)},
			{Name: "only the first pair", Spoil: elsewhere(4, 0)},
			{Name: "wants a space between", Spoil: elsewhere(5, 0)},
			{Name: "ends of names count", Spoil: elsewhere(9, 1)},
			{Name: "quotes count", Spoil: elsewhere(6, 0)},
			{Name: "a name alone is a cookie", Spoil: elsewhere(15, 2)},
			{Name: "cut at the last =", Spoil: elsewhere(17, 0)},
		},
	}
}

func byQuery() function.Trial {
	return function.Trial{
		Name: "query",
		Params: `{"rules": [{"when": [{"from": "query", "name": "v", "value": "2"}], "service": 1},
			{"when": [{"from": "query", "name": "beta", "match": "present"}], "service": 2},
			{"when": [{"from": "query", "name": "q", "match": "prefix", "value": "a%20"}], "service": 2},
			{"when": [{"from": "query", "name": "none", "value": ""}], "service": 1}]}`,
		Requests: []function.Request{
			with("/"), with("/?v=2"), with("/?v=20"), with("/?V=2"), with("/?x=1&v=2"), with("/?v=2&x=1"), with("/?v=1&v=2"), with("/?v=2&v=1"), // 0–7
			with("/?"), with("/v=2"), with("/v=2?x"), with("/?xv=2"), with("/?v%3d2"), with("/?v=%32"), with("/?v=2?"), with("/?x=?v=2"), // 8–15
			with("/?beta"), with("/?beta="), with("/?beta=0&x"), with("/?alphabeta=1"), with("/?&beta"), // 16–20
			with("/?q=a%20b"), with("/?q=a+b"), with("/?none"), with("/?none="), with("/?none=1"), with("/a%2Fb//c?v=2"), // 21–26
		},
		Mutants: []function.Mutant{
			{Name: "prefix for exact", Spoil: told(`{"rules": [{"when": [{"from": "query", "name": "v", "match": "prefix", "value": "2"}], "service": 1}, {"when": [{"from": "query", "name": "beta", "match": "present"}], "service": 2}, {"when": [{"from": "query", "name": "q", "match": "prefix", "value": "a%20"}], "service": 2}, {"when": [{"from": "query", "name": "none", "value": ""}], "service": 1}]}`)},
			{Name: "another name's case", Spoil: told(`{"rules": [{"when": [{"from": "query", "name": "V", "value": "2"}], "service": 1}, {"when": [{"from": "query", "name": "beta", "match": "present"}], "service": 2}, {"when": [{"from": "query", "name": "q", "match": "prefix", "value": "a%20"}], "service": 2}, {"when": [{"from": "query", "name": "none", "value": ""}], "service": 1}]}`)},
			{Name: "another encoding", Spoil: told(`{"rules": [{"when": [{"from": "query", "name": "v", "value": "2"}], "service": 1}, {"when": [{"from": "query", "name": "beta", "match": "present"}], "service": 2}, {"when": [{"from": "query", "name": "q", "match": "prefix", "value": "a+"}], "service": 2}, {"when": [{"from": "query", "name": "none", "value": ""}], "service": 1}]}`)},
			{Name: "present for empty", Spoil: told(`{"rules": [{"when": [{"from": "query", "name": "v", "value": "2"}], "service": 1}, {"when": [{"from": "query", "name": "beta", "match": "present"}], "service": 2}, {"when": [{"from": "query", "name": "q", "match": "prefix", "value": "a%20"}], "service": 2}, {"when": [{"from": "query", "name": "none", "match": "present"}], "service": 1}]}`)},
			{Name: "the last copy counts", Spoil: elsewhere(6, 1)},
			{Name: "decodes", Spoil: elsewhere(13, 1)},
			{Name: "looks in the path", Spoil: elsewhere(9, 1)},
			{Name: "a name alone is no parameter", Spoil: elsewhere(16, 0)},
			{Name: "drops the empty query", Spoil: func(e *function.Evidence) { e.Deliveries[8].Message.Target = "/" }},
			{Name: "decodes the path", Spoil: func(e *function.Evidence) { e.Deliveries[26].Message.Target = "/a/b//c?v=2" }},
		},
	}
}

func byMethodAndClaim() function.Trial {
	as := func(method, user, subscription string) function.Request {
		return function.Request{Method: method, Caller: function.Caller{User: user, Subscription: subscription}}
	}
	return function.Trial{
		Name: "method and claims",
		Params: `{"rules": [{"when": [{"from": "method", "value": "PUT"}, {"from": "claim", "name": "subscription", "value": "Team"}], "service": 1},
			{"when": [{"from": "claim", "name": "user", "match": "prefix", "value": "root"}], "service": 2},
			{"when": [{"from": "method", "value": "DELETE"}], "service": 2}]}`,
		Requests: []function.Request{
			as("GET", "", ""), as("PUT", "", ""), as("PUT", "ann", "Team"), as("GET", "ann", "Team"), as("PUT", "ann", "team"), as("PUT", "ann", "Personal"), // 0–5
			as("POST", "ann", "Team"), as("GET", "root", "Personal"), as("GET", "root2", ""), as("PUT", "root", "Team"), as("GET", "groot", "Team"), // 6–10
			as("DELETE", "ann", "Team"), as("OPTIONS", "ann", "Team"), as("PUT", "Team", "ann"), // 11–13
		},
		Mutants: []function.Mutant{
			{Name: "any condition", Spoil: told(`{"rules": [{"when": [{"from": "method", "value": "PUT"}], "service": 1}, {"when": [{"from": "claim", "name": "subscription", "value": "Team"}], "service": 1}, {"when": [{"from": "claim", "name": "user", "match": "prefix", "value": "root"}], "service": 2}, {"when": [{"from": "method", "value": "DELETE"}], "service": 2}]}`)},
			{Name: "first condition only", Spoil: told(`{"rules": [{"when": [{"from": "method", "value": "PUT"}], "service": 1}, {"when": [{"from": "claim", "name": "user", "match": "prefix", "value": "root"}], "service": 2}, {"when": [{"from": "method", "value": "DELETE"}], "service": 2}]}`)},
			{Name: "last condition only", Spoil: told(`{"rules": [{"when": [{"from": "claim", "name": "subscription", "value": "Team"}], "service": 1}, {"when": [{"from": "claim", "name": "user", "match": "prefix", "value": "root"}], "service": 2}, {"when": [{"from": "method", "value": "DELETE"}], "service": 2}]}`)},
			{Name: "another claim", Spoil: told(`{"rules": [{"when": [{"from": "method", "value": "PUT"}, {"from": "claim", "name": "user", "value": "Team"}], "service": 1}, {"when": [{"from": "claim", "name": "user", "match": "prefix", "value": "root"}], "service": 2}, {"when": [{"from": "method", "value": "DELETE"}], "service": 2}]}`)},
			{Name: "whole names of users", Spoil: told(`{"rules": [{"when": [{"from": "method", "value": "PUT"}, {"from": "claim", "name": "subscription", "value": "Team"}], "service": 1}, {"when": [{"from": "claim", "name": "user", "value": "root"}], "service": 2}, {"when": [{"from": "method", "value": "DELETE"}], "service": 2}]}`)},
			{Name: "another method", Spoil: told(`{"rules": [{"when": [{"from": "method", "value": "PUT"}, {"from": "claim", "name": "subscription", "value": "Team"}], "service": 1}, {"when": [{"from": "claim", "name": "user", "match": "prefix", "value": "root"}], "service": 2}, {"when": [{"from": "method", "value": "OPTIONS"}], "service": 2}]}`)},
			{Name: "the claim's case does not count", Spoil: elsewhere(4, 1)},
			{Name: "changes the method", Spoil: func(e *function.Evidence) { e.Deliveries[1].Message.Method = "POST" }},
		},
	}
}

func inOrder() function.Trial {
	return function.Trial{
		Name: "first rule first, all of its conditions",
		Params: `{"rules": [{"when": [{"from": "header", "name": "a", "match": "present"}, {"from": "query", "name": "b", "match": "present"}, {"from": "cookie", "name": "c", "match": "present"}], "service": 2},
			{"when": [{"from": "query", "name": "b", "match": "present"}], "service": 1},
			{"when": [{"from": "header", "name": "a", "match": "present"}], "service": 0},
			{"when": [{"from": "cookie", "name": "c", "match": "present"}], "service": 2}]}`,
		Requests: []function.Request{
			with("/?b", "A: 1", "Cookie: c=1"), with("/?b", "A: 1"), with("/?b", "Cookie: c=1"), with("/", "A: 1", "Cookie: c=1"), with("/", "Cookie: c=1"), with("/"),
		},
		Mutants: []function.Mutant{
			{Name: "the last rule wins", Spoil: told(`{"rules": [{"when": [{"from": "cookie", "name": "c", "match": "present"}], "service": 2}, {"when": [{"from": "header", "name": "a", "match": "present"}], "service": 0}, {"when": [{"from": "query", "name": "b", "match": "present"}], "service": 1}]}`)},
			{Name: "rules to the first service count for nothing", Spoil: told(`{"rules": [{"when": [{"from": "header", "name": "a", "match": "present"}, {"from": "query", "name": "b", "match": "present"}, {"from": "cookie", "name": "c", "match": "present"}], "service": 2}, {"when": [{"from": "query", "name": "b", "match": "present"}], "service": 1}, {"when": [{"from": "cookie", "name": "c", "match": "present"}], "service": 2}]}`)},
			{Name: "two of three conditions", Spoil: told(`{"rules": [{"when": [{"from": "header", "name": "a", "match": "present"}, {"from": "query", "name": "b", "match": "present"}], "service": 2}, {"when": [{"from": "query", "name": "b", "match": "present"}], "service": 1}, {"when": [{"from": "header", "name": "a", "match": "present"}], "service": 0}, {"when": [{"from": "cookie", "name": "c", "match": "present"}], "service": 2}]}`)},
		},
	}
}

func byIdentity() function.Trial {
	xfcc := func(value string) function.Request { return with("/", "X-Forwarded-Client-Cert: "+value) }
	return function.Trial{
		Name: "identity that a proxy in front wrote",
		Params: `{"forwarded": true, "rules": [{"when": [{"from": "identity", "value": "spiffe://mesh/web"}], "service": 1},
			{"when": [{"from": "identity", "match": "prefix", "value": "spiffe://mesh/ns/lab/"}], "service": 2}]}`,
		Requests: []function.Request{
			with("/"), xfcc("URI=spiffe://mesh/web"), xfcc("By=spiffe://mesh/api;Hash=ab;URI=spiffe://mesh/web"), xfcc("URI=spiffe://mesh/web2"), // 0–3
			xfcc("By=spiffe://mesh/web;URI=spiffe://mesh/x"), xfcc("URI=spiffe://mesh/web,URI=spiffe://mesh/x"), xfcc("URI=spiffe://mesh/x,Hash=a;URI=spiffe://mesh/web"), // 4–6
			xfcc(`Subject="a;URI=spiffe://mesh/web;b";URI=spiffe://mesh/x`), xfcc(`Subject="a,URI=spiffe://mesh/web"`), xfcc(`Subject="a\",URI=spiffe://mesh/web"`), // 7–9
			xfcc(`Subject="/C=A,B;C";URI=spiffe://mesh/web;DNS=a`), xfcc("URI=spiffe://mesh/ns/lab/sa/a"), xfcc("URI=spiffe://mesh/ns/lab"), // 10–12
			xfcc("URI=spiffe://mesh/x;URI=spiffe://mesh/web"), xfcc("XURI=spiffe://mesh/web"), xfcc("Hash=1;URI=spiffe://mesh/ns/lab/b;DNS=c"), // 13–15
		},
		Mutants: []function.Mutant{
			{Name: "believes nobody", Spoil: told(`{"rules": [{"when": [{"from": "identity", "value": "spiffe://mesh/web"}], "service": 1}]}`)},
			{Name: "prefix for exact", Spoil: told(`{"forwarded": true, "rules": [{"when": [{"from": "identity", "match": "prefix", "value": "spiffe://mesh/web"}], "service": 1}, {"when": [{"from": "identity", "match": "prefix", "value": "spiffe://mesh/ns/lab/"}], "service": 2}]}`)},
			{Name: "exact for prefix", Spoil: told(`{"forwarded": true, "rules": [{"when": [{"from": "identity", "value": "spiffe://mesh/web"}], "service": 1}, {"when": [{"from": "identity", "value": "spiffe://mesh/ns/lab/"}], "service": 2}]}`)},
			{Name: "the first element counts", Spoil: elsewhere(5, 1)},
			{Name: "the last element does not count", Spoil: elsewhere(6, 0)},
			{Name: "who was called counts", Spoil: elsewhere(4, 1)},
			{Name: "looks into quotes", Spoil: elsewhere(7, 1)},
			{Name: "takes an escaped quote for the end", Spoil: elsewhere(9, 1)},
			{Name: "only one URI", Spoil: elsewhere(13, 0)},
		},
	}
}

func forged() function.Trial {
	return function.Trial{
		Name: "nothing that a client writes of itself",
		Params: `{"rules": [{"when": [{"from": "identity", "match": "present"}], "service": 1},
			{"when": [{"from": "query", "name": "w", "value": "2"}], "service": 2}]}`,
		Requests: []function.Request{
			with("/"), with("/", "X-Forwarded-Client-Cert: URI=spiffe://mesh/web"), with("/", "X-Tare-Route: service-1"),
			with("/?w=2", "X-Tare-Route: service-1"), with("/?w=2", "X-Forwarded-Client-Cert: URI=spiffe://mesh/web"),
			with("/", "X-Tare-Route: service-2", "X-Tare-Route: service-1"),
		},
		Mutants: []function.Mutant{
			{Name: "believes a certificate in a header", Spoil: told(`{"forwarded": true, "rules": [{"when": [{"from": "identity", "match": "present"}], "service": 1}, {"when": [{"from": "query", "name": "w", "value": "2"}], "service": 2}]}`)},
			{Name: "believes a route", Spoil: elsewhere(2, 1)},
			{Name: "believes a route before a rule", Spoil: elsewhere(3, 1)},
		},
	}
}

// apart tells as many of the published pairs apart as contexts can.
const apart = `{"forwarded": true, "rules": [{"when": [{"from": "query", "name": "v", "value": "2"}], "service": 1}, {"when": [{"from": "query", "name": "beta", "match": "present"}], "service": 1},` +
	` {"when": [{"from": "method", "value": "POST"}], "service": 1}, {"when": [{"from": "header", "name": "x-tier", "value": "gold"}], "service": 1}, {"when": [{"from": "header", "name": "x-debug", "match": "present"}], "service": 1},` +
	` {"when": [{"from": "header", "name": "user-agent", "match": "prefix", "value": "Mozilla/"}], "service": 1}, {"when": [{"from": "header", "name": "x-tag", "value": "b"}], "service": 1},` +
	` {"when": [{"from": "cookie", "name": "plan", "value": "pro"}], "service": 1}, {"when": [{"from": "cookie", "name": "lab", "match": "present"}], "service": 1},` +
	` {"when": [{"from": "claim", "name": "user", "value": "ann"}], "service": 1}, {"when": [{"from": "claim", "name": "subscription", "value": "Team"}], "service": 1},` +
	` {"when": [{"from": "identity", "value": "spiffe://mesh/web"}], "service": 1}]}`

// decide is the model as a decision.
func decide(spec function.Spec) func(function.Request) string {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return func(function.Request) string { return "" }
	}
	return func(q function.Request) string {
		if q.Method == "" {
			q.Method = http.MethodGet
		}
		return dataplane.ServiceOf(s.service(s.question(function.Observation{
			Caller: q.Caller, Request: &function.Message{Method: q.Method, Target: q.Target, Header: q.Header},
		})))
	}
}

// pairs are the published ones: what is counted of the model holds for every form.
func pairs() function.Trial {
	t := function.Trial{
		Name: "the published pairs of requests", Params: apart,
		Mutants: []function.Mutant{
			{Name: "tells nothing apart", Params: `{"rules": [{"when": [{"from": "header", "name": "x-none", "match": "present"}], "service": 1}]}`},
			{Name: "one less", Spoil: told(strings.Replace(apart, `{"when": [{"from": "query", "name": "v", "value": "2"}], "service": 1}, `, "", 1))},
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

// together is the parts as one trial: the rules of all, which no other part's
// requests match, and each part's mutants on what was seen of its requests.
func together(name string, parts ...function.Trial) function.Trial {
	const believes = `{"forwarded": true, `
	all, head := function.Trial{Name: name}, `{`
	var rules []string
	for _, part := range parts {
		if strings.HasPrefix(part.Params, believes) {
			head = believes
		}
		_, list, _ := strings.Cut(part.Params, `"rules": [`)
		rules = append(rules, strings.TrimSuffix(list, `]}`))
		first, n := len(all.Requests), len(part.Requests)
		all.Requests = append(all.Requests, part.Requests...)
		for _, m := range part.Mutants {
			m.Name = part.Name + ": " + m.Name
			if spoil := m.Spoil; spoil != nil {
				m.Spoil = func(e *function.Evidence) { within(e, first, n, spoil) }
			}
			all.Mutants = append(all.Mutants, m)
		}
	}
	all.Params = head + `"rules": [` + strings.Join(rules, ", ") + `]}`
	return all
}

// within spoils what was seen of n requests from the first on.
func within(e *function.Evidence, first, n int, spoil func(*function.Evidence)) {
	part := function.Evidence{Observations: e.Observations[first : first+n : first+n], Served: e.Served, Trial: e.Trial}
	var rest []function.Delivery
	for _, d := range e.Deliveries {
		if d.Of < first || d.Of >= first+n {
			rest = append(rest, d)
			continue
		}
		d.Of -= first
		part.Deliveries = append(part.Deliveries, d)
	}
	spoil(&part)
	for _, d := range part.Deliveries {
		d.Of += first
		rest = append(rest, d)
	}
	e.Deliveries = rest
}
