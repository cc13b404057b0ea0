package rewrite

import (
	"net/http"

	"github.com/taremesh/tare/function"
)

func trials() []function.Trial { return []function.Trial{byPrefix(), byExpression(), byHost()} }

func get(targets ...string) (all []function.Request) {
	for _, t := range targets {
		all = append(all, function.Request{Target: t})
	}
	return all
}

// as changes the target that the i-th request arrived with.
func as(i int, target string) func(*function.Evidence) {
	return func(e *function.Evidence) { e.Deliveries[i].Message.Target = target }
}

func byPrefix() function.Trial {
	return function.Trial{
		Name:   "prefix",
		Params: `{"rules": [{"prefix": "/api/", "to": "/"}, {"prefix": "/a", "to": "/bb"}, {"prefix": "/b", "to": "/c"}, {"prefix": "/%64/", "to": "/100%25/"}]}`,
		Requests: append(get("/api/", "/api/x", "/api", "/API/x", "/api//x", "/api/api/x", "/api/x?y=/api/", "/api/?", "/x/api/", // 0–8
			"/a", "/ab/c?", "/b/a", "/api%2Fx", "/api/a%2Fb%20c", "/d/x", "/%64/x", "/", "/api/?a=b?c=d&e"), // 9–17
			function.Request{Method: "POST", Target: "/api/x", Body: "body", Header: http.Header{"X-A": {"1", "2"}}}, function.Request{Method: "HEAD", Target: "/api/y"}), // 18, 19
		Mutants: []function.Mutant{
			{Name: "another text", Params: `{"rules": [{"prefix": "/api/", "to": "/v1/"}, {"prefix": "/a", "to": "/bb"}, {"prefix": "/b", "to": "/c"}, {"prefix": "/%64/", "to": "/100%25/"}]}`},
			{Name: "without the slash", Params: `{"rules": [{"prefix": "/api", "to": "/"}, {"prefix": "/a", "to": "/bb"}, {"prefix": "/b", "to": "/c"}, {"prefix": "/%64/", "to": "/100%25/"}]}`},
			{Name: "another order", Params: `{"rules": [{"prefix": "/a", "to": "/bb"}, {"prefix": "/api/", "to": "/"}, {"prefix": "/b", "to": "/c"}, {"prefix": "/%64/", "to": "/100%25/"}]}`},
			{Name: "reads rules decoded", Params: `{"rules": [{"prefix": "/api/", "to": "/"}, {"prefix": "/a", "to": "/bb"}, {"prefix": "/b", "to": "/c"}, {"prefix": "/d/", "to": "/100%25/"}]}`},
			{Name: "rule after rule", Spoil: as(9, "/cb")},
			{Name: "every place", Spoil: as(5, "/x")},
			{Name: "in the query", Spoil: as(6, "/x?y=/")},
			{Name: "loses the query", Spoil: as(17, "/")},
			{Name: "loses an empty query", Spoil: as(7, "/")},
			{Name: "merges slashes", Spoil: as(4, "/x")},
			{Name: "decodes", Spoil: as(13, "/a/b%20c")},
			{Name: "case does not count", Spoil: as(3, "/x")},
			{Name: "changes the method", Spoil: func(e *function.Evidence) { e.Deliveries[18].Message.Method = "GET" }},
			{Name: "loses the body", Spoil: func(e *function.Evidence) { e.Deliveries[18].Message.Body = nil }},
			{Name: "loses headers", Spoil: func(e *function.Evidence) { e.Deliveries[18].Message.Header.Del("X-A") }},
			{Name: "changes the host", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Host = "x" }},
			{Name: "redirects instead", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Status = http.StatusFound }},
			{Name: "twice", Spoil: func(e *function.Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[0]) }},
			{Name: "answered by itself", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
		},
	}
}

func byExpression() function.Trial {
	return function.Trial{
		Name: "regular expression",
		Params: `{"rules": [{"regex": "/u/([0-9]+)(/.*)?", "to": "/users/\\1\\2"}, {"regex": "/(a+)/(b+)", "to": "/\\2/\\1/\\2"},` +
			` {"regex": "/x|/y.*", "to": "/z$1"}, {"regex": "/(?i:all)", "to": "/all\\0"}]}`,
		Requests: get("/u/12", "/u/12/", "/u/12/a//b?c=1", "/u/", "/u/x", "/v/u/12", "/u/1%32", "/aa/b", "/aa/b/", "/aabaa/b", // 0–9
			"/x", "/xx", "/y/1?", "/ay", "/ALL", "/all?x", "/allx", "/u/12?/u/13"), // 10–17
		Mutants: []function.Mutant{
			{Name: "groups exchanged", Params: `{"rules": [{"regex": "/u/([0-9]+)(/.*)?", "to": "/users/\\2\\1"}, {"regex": "/(a+)/(b+)", "to": "/\\2/\\1/\\2"}, {"regex": "/x|/y.*", "to": "/z$1"}, {"regex": "/(?i:all)", "to": "/all\\0"}]}`},
			{Name: "a part is enough", Params: `{"rules": [{"regex": ".*/u/([0-9]+)(/.*)?", "to": "/users/\\1\\2"}, {"regex": "/(a+)/(b+)", "to": "/\\2/\\1/\\2"}, {"regex": "/x|/y.*", "to": "/z$1"}, {"regex": "/(?i:all)", "to": "/all\\0"}]}`},
			{Name: "anchors bind closer than |", Params: `{"rules": [{"regex": "/u/([0-9]+)(/.*)?", "to": "/users/\\1\\2"}, {"regex": "/(a+)/(b+)", "to": "/\\2/\\1/\\2"}, {"regex": "/x.*|.*/y.*", "to": "/z$1"}, {"regex": "/(?i:all)", "to": "/all\\0"}]}`},
			{Name: "case counts", Params: `{"rules": [{"regex": "/u/([0-9]+)(/.*)?", "to": "/users/\\1\\2"}, {"regex": "/(a+)/(b+)", "to": "/\\2/\\1/\\2"}, {"regex": "/x|/y.*", "to": "/z$1"}, {"regex": "/all", "to": "/all\\0"}]}`},
			{Name: "takes $1 for a group", Spoil: as(10, "/z")},
			{Name: "writes a group that is not there", Spoil: as(0, `/users/12\2`)},
			{Name: "replaces the part that matches", Spoil: as(8, "/b/aa/b/")},
			{Name: "loses the query", Spoil: as(2, "/users/12/a//b")},
			{Name: "matches the query", Spoil: as(17, "/users/12?/users/13")},
		},
	}
}

func byHost() function.Trial {
	at := func(host, target string) function.Request { return function.Request{Host: host, Target: target} }
	return function.Trial{
		Name:     "host",
		Params:   `{"rules": [{"prefix": "/img/", "host": "Images.test:8080"}, {"regex": "/web/(.*)", "to": "/\\1", "host": "web.test"}, {"prefix": "/p/", "to": "/q/", "host": "p.test"}]}`,
		Requests: []function.Request{at("", "/img/a?b"), at("a.test", "/img/a"), at("a.test", "/web/x?y"), at("a.test:80", "/p/"), at("a.test", "/"), at("A.test:1", "/web")},
		Mutants: []function.Mutant{
			{Name: "the path alone", Params: `{"rules": [{"regex": "/web/(.*)", "to": "/\\1"}, {"prefix": "/p/", "to": "/q/"}]}`},
			{Name: "the host alone", Params: `{"rules": [{"prefix": "/img/", "host": "Images.test:8080"}, {"regex": "/web/(.*)", "host": "web.test"}, {"prefix": "/p/", "host": "p.test"}]}`},
			{Name: "every host", Params: `{"rules": [{"prefix": "/img/", "host": "Images.test:8080"}, {"regex": "/web/(.*)", "to": "/\\1", "host": "web.test"}, {"prefix": "/p/", "to": "/q/", "host": "p.test"}, {"prefix": "/", "host": "web.test"}]}`},
			{Name: "without the port", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Host = "Images.test" }},
			{Name: "in lower case", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Host = "images.test:8080" }},
			{Name: "the replica's address", Spoil: func(e *function.Evidence) { e.Deliveries[4].Message.Host = "127.0.0.1:80" }},
		},
	}
}
