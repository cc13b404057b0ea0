package cors

import (
	"net/http"
	"strings"

	"github.com/taremesh/tare/function"
)

func trials() []function.Trial { return []function.Trial{origins(), credentials(), every()} }

// from is a request of a page of the origin; with asks it is a preflight for the
// method and the headers.
func from(origin, method string, asks ...string) function.Request {
	q := function.Request{Method: method, Header: http.Header{}}
	if origin != "" {
		q.Header.Set(originHeader, origin)
	}
	if len(asks) > 0 {
		q.Method = http.MethodOptions
		q.Header.Set(asksMethod, method)
	}
	if len(asks) > 0 && asks[0] != "" {
		q.Header.Set(asksHeaders, strings.Join(asks, ","))
	}
	return q
}

// answer changes the headers of the i-th answer.
func answer(i int, change func(http.Header)) func(*function.Evidence) {
	return func(e *function.Evidence) { change(e.Observations[i].Response.Header) }
}

func origins() function.Trial {
	const a, b = "https://a.test", "http://x.b.test:8080"
	const rules = `{"origins": ["https://a.test", "null"], "origin_regex": ["http://[a-z]+[.]b[.]test:80(80)?"], "methods": ["PUT"], "headers": ["X-Token", "content-type"], "expose": ["X-Total", "x-page"], "max_age": "10m"}`
	return function.Trial{
		Name: "origins, methods and headers", Params: rules,
		Replicas: []function.Replica{{Answers: []function.Answer{{Status: http.StatusNotFound, Body: "none", Header: http.Header{"X-Total": {"3"}}}}}},
		Requests: []function.Request{
			from("", "GET"), from(a, "GET"), from(b, "GET"), from("null", "POST"), // 0–3
			from("https://A.test", "GET"), from("http://a.test", "GET"), from("https://a.test:443", "GET"), from("https://a.test.evil", "GET"), from("https://b.a.test", "GET"), // 4–8
			from("http://x.b.test:80800", "GET"), from("evil http://x.b.test:80", "GET"), from("http://xxb.test:80", "GET"), // 9–11
			from(a, "PUT"), from("https://c.test", "PUT"), // 12, 13
			from(a, "PUT", ""), from(a, "PUT", "x-token"), from(a, "PUT", "content-type", "x-token"), from(a, "PUT", "x-tokens"), from(a, "PUT", "x-other", "x-token"), // 14–18
			from(a, "DELETE", ""), from(a, "POST", "content-type"), from(a, "GET", ""), from(a, "HEAD", ""), from(b, "PUT", ""), // 19–23
			from("https://c.test", "PUT", ""), from("", "PUT", ""), from(a, "OPTIONS"), from("", "OPTIONS"), from(a, "PATCH", "x-token"), // 24–28
		},
		Mutants: []function.Mutant{
			{Name: "another origin", Params: strings.Replace(rules, "https://a.test", "https://aa.test", 1)},
			{Name: "expressions of a part", Params: strings.Replace(rules, "http://[a-z]+[.]b[.]test:80(80)?", ".*http://[a-z]+[.]b[.]test:80(80)?.*", 1)},
			{Name: "points for anything", Params: strings.Replace(rules, "[a-z]+[.]b[.]test", "[a-z]+.b.test|http://xxb.test", 1)},
			{Name: "every origin", Params: strings.Replace(rules, `"null"`, `"*"`, 1)},
			{Name: "no expressions", Params: strings.Replace(rules, `"origin_regex": ["http://[a-z]+[.]b[.]test:80(80)?"], `, "", 1)},
			{Name: "one method more", Params: strings.Replace(rules, `"PUT"`, `"PUT", "DELETE"`, 1)},
			{Name: "one method less", Params: strings.Replace(rules, `"PUT"`, `"PATCH"`, 1)},
			{Name: "one header more", Params: strings.Replace(rules, `"X-Token", `, `"X-Token", "x-tokens", `, 1)},
			{Name: "one header less", Params: strings.Replace(rules, `"X-Token", `, "", 1)},
			{Name: "exposes less", Params: strings.Replace(rules, `"X-Total", `, "", 1)},
			{Name: "exposes more", Params: strings.Replace(rules, `"X-Total", `, `"X-Total", "x-secret", `, 1)},
			{Name: "another age", Params: strings.Replace(rules, "10m", "1h", 1)},
			{Name: "no age", Params: strings.Replace(rules, `, "max_age": "10m"`, "", 1)},
			{Name: "with credentials", Params: strings.Replace(rules, `, "max_age"`, `, "credentials": true, "max_age"`, 1)},
			{Name: "the origin's case does not count", Spoil: answer(4, func(h http.Header) { h.Set(allowOrigin, "https://A.test") })},
			{Name: "for another origin", Spoil: answer(5, func(h http.Header) { h.Set(allowOrigin, a) })},
			{Name: "two origins in one answer", Spoil: answer(1, func(h http.Header) { h.Add(allowOrigin, b) })},
			{Name: "a list of origins", Spoil: answer(1, func(h http.Header) { h.Set(allowOrigin, a+", "+b) })},
			{Name: "unasked", Spoil: answer(0, func(h http.Header) { h.Set(allowOrigin, "*") })},
			{Name: "a preflight that fails", Spoil: func(e *function.Evidence) { e.Observations[14].Response.Status = http.StatusNotFound }},
			{Name: "a preflight at the service", Spoil: func(e *function.Evidence) {
				d := e.Deliveries[0]
				d.Of = 14
				e.Deliveries = append(e.Deliveries, d)
			}},
			{Name: "refuses strangers", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[:len(e.Deliveries)-1] }},
			{Name: "answers OPTIONS itself", Spoil: func(e *function.Evidence) { e.Observations[27].Response.Status = http.StatusOK }},
			{Name: "twice", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[0]) }},
		},
	}
}

func credentials() function.Trial {
	const a = "https://a.test"
	return function.Trial{
		Name: "credentials", Params: `{"origins": ["https://a.test"], "credentials": true}`,
		Requests: []function.Request{from(a, "GET"), from(a, "PUT", ""), from(a, "POST", ""), from(a, "POST", "x-a"), from("https://b.test", "GET"), from("https://b.test", "POST", "")},
		Mutants: []function.Mutant{
			{Name: "without", Params: `{"origins": ["https://a.test"]}`},
			{Name: "every origin", Params: `{"origin_regex": [".*"], "credentials": true}`},
			{Name: "for all", Spoil: answer(0, func(h http.Header) { h.Set(allowOrigin, "*") })},
			{Name: "in capitals", Spoil: answer(0, func(h http.Header) { h.Set(allowCreds, "True") })},
			{Name: "not in the preflight", Spoil: answer(2, func(h http.Header) { h.Del(allowCreds) })},
			{Name: "not in the answer", Spoil: answer(0, func(h http.Header) { h.Del(allowCreds) })},
			{Name: "keeps the answer", Spoil: answer(2, func(h http.Header) { h.Set(maxAgeHeader, "5") })},
		},
	}
}

func every() function.Trial {
	return function.Trial{
		Name: "every origin", Params: `{"origins": ["*"], "methods": ["DELETE"]}`,
		Requests: []function.Request{from("", "GET"), from("https://a.test", "GET"), from("null", "GET"), from("http://[::1]:8080", "DELETE", ""), from("x", "PUT", "")},
		Mutants: []function.Mutant{
			{Name: "one origin", Params: `{"origins": ["https://a.test"], "methods": ["DELETE"]}`},
			{Name: "one method more", Params: `{"origins": ["*"], "methods": ["DELETE", "PUT"]}`},
			{Name: "no method", Params: `{"origins": ["*"]}`},
			{Name: "without an origin", Spoil: answer(1, func(h http.Header) { h.Del(allowOrigin) })},
		},
	}
}
