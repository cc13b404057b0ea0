package redirect

import (
	"net/http"
	"strings"

	"github.com/taremesh/tare/function"
)

func trials() []function.Trial { return []function.Trial{paths(), origins(), statuses()} }

func get(targets ...string) (all []function.Request) {
	for _, t := range targets {
		all = append(all, function.Request{Target: t, Host: "images.test"})
	}
	return all
}

// to changes where the i-th request is led.
func to(i int, location string) func(*function.Evidence) {
	return func(e *function.Evidence) { e.Observations[i].Response.Header.Set("Location", location) }
}

func paths() function.Trial {
	const rules = `{"rules": [{"path": "/a", "to": "/b"}, {"prefix": "/old/", "to": "/new/"}, {"prefix": "/bare", "to": "/x", "strip_query": true}, {"path": "/%64", "to": "/e%2Fe"}]}`
	return function.Trial{
		Name: "paths", Params: rules,
		Requests: append(get("/a", "/a?x=1", "/a?", "/a/", "/A", "/ab", "/old/", "/old/a%2Fb//c?d=%20", "/old", "/x/old/", // 0–9
			"/bare?q=1", "/bare/y?", "/barely", "/%64", "/d", "/", "/old/old/", "/b?/a"), // 10–17
			function.Request{Method: "POST", Target: "/a", Body: "body", Host: "images.test"}, function.Request{Method: "HEAD", Target: "/a", Host: "images.test"}), // 18, 19
		Mutants: []function.Mutant{
			{Name: "prefix for path", Params: strings.Replace(rules, `"path": "/a"`, `"prefix": "/a"`, 1)},
			{Name: "path for prefix", Params: strings.Replace(rules, `"prefix": "/old/"`, `"path": "/old/"`, 1)},
			{Name: "strips every query", Params: strings.Replace(rules, `"to": "/new/"`, `"to": "/new/", "strip_query": true`, 1)},
			{Name: "strips no query", Params: strings.Replace(rules, `, "strip_query": true`, "", 1)},
			{Name: "another path", Params: strings.Replace(rules, `"to": "/b"`, `"to": "/c"`, 1)},
			{Name: "another status", Params: strings.Replace(rules, `"to": "/b"`, `"to": "/b", "status": 302`, 1)},
			{Name: "reads rules decoded", Params: strings.Replace(rules, `/%64`, `/d`, 1)},
			{Name: "relative", Spoil: to(0, "/b")},
			{Name: "drops the rest of the path", Spoil: to(7, "http://images.test/new/?d=%20")},
			{Name: "decodes", Spoil: to(7, "http://images.test/new/a/b//c?d= ")},
			{Name: "drops an empty query", Spoil: to(2, "http://images.test/b")},
			{Name: "every place", Spoil: to(16, "http://images.test/new/new/")},
			{Name: "two locations", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Header.Add("Location", "/") }},
			{Name: "no location", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Header.Del("Location") }},
			{Name: "leads what goes on", Spoil: to(4, "http://images.test/b")},
			{Name: "asks the service as well", Spoil: func(e *function.Evidence) {
				d := e.Deliveries[0]
				d.Of = 0
				e.Deliveries = append(e.Deliveries, d)
			}},
			{Name: "rewrites instead", Spoil: func(e *function.Evidence) {
				d := e.Deliveries[0]
				d.Of, d.Message.Target = 0, "/b"
				e.Deliveries = append(e.Deliveries, d)
				e.Observations[0].Response.Status = http.StatusOK
			}},
			{Name: "follows", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Target = "/b" }},
		},
	}
}

func origins() function.Trial {
	const rules = `{"rules": [{"path": "/s", "scheme": "https"}, {"prefix": "/h", "host": "other.test"}, {"prefix": "/p", "port": 8080}, {"prefix": "/same", "scheme": "http", "to": "/x"},` +
		` {"path": "/all", "scheme": "https", "host": "all.test", "port": 8443, "to": "/x", "strip_query": true, "status": 307}]}`
	at := func(host string, targets ...string) (all []function.Request) {
		for _, q := range get(targets...) {
			q.Host = host
			all = append(all, q)
		}
		return all
	}
	var requests []function.Request
	for _, host := range []string{"images.test", "images.test:80", "images.test:8000", "images.test:443", "[::1]:80", "[::1]", "Images.Test"} {
		requests = append(requests, at(host, "/s?x", "/h?x", "/p?x", "/same?x", "/all?x", "/")...)
	}
	return function.Trial{
		Name: "scheme, host and port", Params: rules, Requests: requests,
		Mutants: []function.Mutant{
			{Name: "the same scheme", Params: strings.Replace(rules, `"/s", "scheme": "https"`, `"/s", "scheme": "http"`, 1)},
			{Name: "another host", Params: strings.Replace(rules, "other.test", "others.test", 1)},
			{Name: "another port", Params: strings.Replace(rules, "8080", "8081", 1)},
			{Name: "keeps the old scheme's port", Spoil: to(6, "https://images.test:80/s?x")},
			{Name: "drops every port", Spoil: to(12, "https://images.test/s?x")},
			{Name: "keeps the old host's port", Spoil: to(13, "http://other.test:8000/h?x")},
			{Name: "a second port", Spoil: to(14, "http://images.test:8000:8080/p?x")},
			{Name: "cuts an address at its colons", Spoil: to(26, "http://[::8080/p?x")},
			{Name: "drops the port although the scheme stays", Spoil: to(9, "http://images.test/x?x")},
			{Name: "in lower case", Spoil: to(36, "https://images.test/s?x")},
		},
	}
}

func statuses() function.Trial {
	const rules = `{"rules": [{"path": "/301", "to": "/x"}, {"path": "/302", "to": "/x", "status": 302}, {"path": "/303", "to": "/x", "status": 303},` +
		` {"path": "/307", "to": "/x", "status": 307}, {"path": "/308", "to": "/x", "status": 308}, {"prefix": "/3", "to": "/late", "status": 302}]}`
	return function.Trial{
		Name: "statuses, first rule first", Params: rules, Requests: get("/301", "/302", "/303", "/307", "/308", "/309", "/x"),
		Replicas: []function.Replica{{Answers: []function.Answer{{Status: http.StatusNotFound, Body: "none"}}}},
		Mutants: []function.Mutant{
			{Name: "always for good", Params: strings.NewReplacer("302", "301", "307", "308").Replace(rules)},
			{Name: "another order", Params: `{"rules": [{"prefix": "/3", "to": "/late", "status": 302}, {"path": "/301", "to": "/x"}]}`},
			{Name: "307 for 302", Params: strings.Replace(rules, `"status": 302`, `"status": 307`, 1)},
			{Name: "another answer of the service", Spoil: func(e *function.Evidence) { e.Observations[6].Response.Status = http.StatusOK }},
			{Name: "nothing", Spoil: func(e *function.Evidence) { e.Observations[0].Response = nil }},
		},
	}
}
