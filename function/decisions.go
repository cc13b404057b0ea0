package function

import (
	"net/http"
	"strings"
)

// Decide is what a function decides about which service a request gets, for
// those that decide by the request.
type Decide struct {
	// Params tell as many of the published pairs apart as the function can.
	Params string
	// Model says which service a request gets.
	Model func(Spec) func(Request) string
}

// Pair is two requests that differ in one thing, or in nothing.
type Pair struct {
	Differs string // in what
	A, B    Request
}

// Pairs are the published 24 pairs of requests over which the power of a type
// of function is counted: see Distinct.
func Pairs() []Pair {
	target := func(t string) Request { return Request{Target: t} }
	header := func(lines ...string) Request {
		h := http.Header{}
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			h.Add(name, value)
		}
		return Request{Header: h}
	}
	return []Pair{
		{"nothing", Request{}, Request{}},
		{"path", target("/pull"), target("/push")},
		{"path: how it begins", target("/images/a"), target("/tags/a")},
		{"path: how many parts", target("/repo/a"), target("/repo/a/b")},
		{"path: a number or none", target("/v1/list"), target("/vx/list")},
		{"path: case of a letter", target("/catalog"), target("/Catalog")},
		{"path: a slash at the end", target("/search"), target("/search/")},
		{"path: an escaped slash", target("/x/y"), target("/x%2Fy")},
		{"query: a value", target("/?v=1"), target("/?v=2")},
		{"query: a name", target("/"), target("/?beta")},
		{"query: the order", target("/?a=1&b=2"), target("/?b=2&a=1")},
		{"method", Request{}, Request{Method: http.MethodPost}},
		{"header: a value", header("X-Tier: gold"), header("X-Tier: tin")},
		{"header: whether it is there", Request{}, header("X-Debug: 1")},
		{"header: how it begins", header("User-Agent: Mozilla/5.0"), header("User-Agent: curl/8.5")},
		{"header: a second copy", header("X-Tag: a"), header("X-Tag: a", "X-Tag: b")},
		{"cookie: a value", header("Cookie: plan=free"), header("Cookie: plan=pro")},
		{"cookie: whether it is there", Request{}, header("Cookie: lab=1")},
		{"claim: the user", Request{Caller: Caller{User: "ann"}}, Request{Caller: Caller{User: "bob"}}},
		{"claim: the subscription", Request{Caller: Caller{Subscription: "Personal"}}, Request{Caller: Caller{Subscription: "Team"}}},
		{"identity of the caller", header("X-Forwarded-Client-Cert: URI=spiffe://mesh/web"), header("X-Forwarded-Client-Cert: URI=spiffe://mesh/batch")},
		{"host", Request{Host: "a.test"}, Request{Host: "b.test"}},
		{"body", Request{Method: http.MethodPut, Body: "a"}, Request{Method: http.MethodPut, Body: "b"}},
		{"address of the client", Request{From: "127.0.0.1"}, Request{From: "127.0.0.2"}},
	}
}

// Distinct is the power of a type of function: how many of the published pairs
// it tells apart. It does when it decides the same of each request every time,
// and not the same of both: what goes by turns decides nothing by the request.
func Distinct(decide func(Request) string) (n int) {
	for _, p := range Pairs() {
		a, again := decide(p.A), decide(p.A)
		b, too := decide(p.B), decide(p.B)
		if a == again && b == too && a != b {
			n++
		}
	}
	return n
}
