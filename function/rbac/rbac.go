package rbac

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns access control by roles.
func Function() function.Function {
	return function.Function{
		Name:    "rbac",
		Doc:     "access control: which callers may do what, by path, method, header, claims, SPIFFE identity and address; allow and deny",
		Decode:  Decode,
		Library: &function.Library{Middleware: middleware},
		Native:  &function.Native{Config: config, Types: []function.FilterType{{URL: typeURL, New: newFilter}}},
		Example: `{"action": "deny", "policies": [{"name": "no writes by strangers",` +
			` "permissions": [{"prefix": "/", "methods": ["PUT", "DELETE"]}], "principals": [{"subscription": "Team", "not": true}]}]}`,
		Judge:  judge,
		Trials: trials(),
		Without: map[study.Form]string{
			study.FormLua:      "not built: a script could do it, with what Envoy tells it of headers and certificate",
			study.FormWasm:     "not built: a module could do it, with the properties source.address and connection.uri_san_peer_certificate",
			study.FormWasmGo:   "not built: as wasm",
			study.FormDynmod:   "not built: a module could do it",
			study.FormDynmodGo: "not built: a module could do it",
			study.FormExternal: "not built: ext-authz is the function whose service decides",
		},
	}
}

func trials() []function.Trial {
	as := func(user, subscription string) function.Caller {
		return function.Caller{User: user, Subscription: subscription}
	}
	with := func(target string, lines ...string) function.Request {
		h := http.Header{}
		for i := 0; i+1 < len(lines); i += 2 {
			h.Add(lines[i], lines[i+1])
		}
		return function.Request{Target: target, Header: h}
	}
	const (
		pulls = `{"name": "pulls", "permissions": [{"prefix": "/pull/", "methods": ["GET", "HEAD"]}, {"path": "/search"}, {"regex": "/v[0-9]+/tags"}]}`
		team  = `{"name": "team", "permissions": [{"prefix": "/push/"}], "principals": [{"subscription": "Team"}, {"user": "root"}]}`
	)
	return []function.Trial{{
		Name:   "allow by path, method and claims",
		Params: `{"action": "allow", "policies": [` + pulls + `, ` + team + `]}`,
		Requests: []function.Request{
			{Target: "/pull/a"}, {Target: "/pull/a", Method: "HEAD"}, {Target: "/pull/a", Method: "PUT"}, {Target: "/pull"}, {Target: "/PULL/a"},
			{Target: "/search?q=/pull/"}, {Target: "/search/x"}, {Target: "/search", Method: "DELETE"}, {Target: "/x?/search"},
			{Target: "/v12/tags"}, {Target: "/v12/tags/"}, {Target: "/a/v1/tags"}, {Target: "/v/tags"},
			{Target: "/push/a"}, {Target: "/push/a", Caller: as("ann", "Team")}, {Target: "/push/a", Caller: as("ann", "Personal")},
			{Target: "/push/a", Caller: as("root", "Personal")}, {Target: "/push/a", Caller: as("roots", "team")}, {Target: "/", Caller: as("root", "Team")},
		},
		Mutants: []function.Mutant{
			{Name: "denies instead", Params: `{"action": "deny", "policies": [` + pulls + `, ` + team + `]}`},
			{Name: "first policy only", Params: `{"action": "allow", "policies": [` + pulls + `]}`},
			{Name: "last policy only", Params: `{"action": "allow", "policies": [` + team + `]}`},
			{Name: "any principal", Params: `{"action": "allow", "policies": [` + pulls + `, {"name": "team", "permissions": [{"prefix": "/push/"}]}]}`},
			{Name: "any permission", Params: `{"action": "allow", "policies": [` + pulls + `, {"name": "team", "principals": [{"subscription": "Team"}, {"user": "root"}]}]}`},
			{Name: "first principal only", Params: `{"action": "allow", "policies": [` + pulls + `, {"name": "team", "permissions": [{"prefix": "/push/"}], "principals": [{"subscription": "Team"}]}]}`},
			{Name: "both principals", Params: `{"action": "allow", "policies": [` + pulls + `, {"name": "team", "permissions": [{"prefix": "/push/"}], "principals": [{"subscription": "Team", "user": "root"}]}]}`},
			{Name: "any method", Params: `{"action": "allow", "policies": [{"name": "pulls", "permissions": [{"prefix": "/pull/"}, {"path": "/search"}, {"regex": "/v[0-9]+/tags"}]}, ` + team + `]}`},
			{Name: "prefix for exact", Params: `{"action": "allow", "policies": [{"name": "pulls", "permissions": [{"prefix": "/pull/", "methods": ["GET", "HEAD"]}, {"prefix": "/search"}, {"regex": "/v[0-9]+/tags"}]}, ` + team + `]}`},
			{Name: "part for whole", Params: `{"action": "allow", "policies": [{"name": "pulls", "permissions": [{"prefix": "/pull/", "methods": ["GET", "HEAD"]}, {"path": "/search"}, {"regex": ".*/v[0-9]+/tags.*"}]}, ` + team + `]}`},
			{Name: "another status", Spoil: func(e *function.Evidence) { e.Observations[2].Response.Status = http.StatusUnauthorized }},
			{Name: "other words", Spoil: func(e *function.Evidence) { e.Observations[2].Response.Body = nil }},
			{Name: "asked the service first", Spoil: func(e *function.Evidence) {
				d := e.Deliveries[0]
				d.Of = 2
				e.Deliveries = append(e.Deliveries, d)
			}},
			{Name: "answered by itself", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
		},
	}, {
		Name:   "deny by headers",
		Params: `{"action": "deny", "policies": [{"name": "bad", "principals": [{"header": {"name": "x-role", "exact": "guest"}}, {"header": {"name": "x-tool", "prefix": "bot"}}, {"header": {"name": "x-debug"}}, {"header": {"name": "x-pair", "exact": "a,b"}}]}]}`,
		Requests: []function.Request{
			with("/"), with("/", "X-Role", "guest"), with("/", "X-Role", "admin"), with("/", "X-Role", "Guest"), with("/", "X-Role", "guests"),
			with("/", "X-Role", "guest", "X-Role", "guest"), with("/", "X-Role", "admin", "X-Role", "guest"),
			with("/", "X-Tool", "bot/1"), with("/", "X-Tool", "a bot"), with("/", "X-Tool", "bot", "X-Tool", "x"), with("/", "X-Tool", "x", "X-Tool", "bot"),
			with("/", "X-Pair", "a", "X-Pair", "b"), with("/", "X-Pair", "a,b"), with("/", "X-Debug", "0"), with("/", "X-Debugger", "1"),
		},
		Mutants: []function.Mutant{
			{Name: "allows instead", Params: `{"action": "allow", "policies": [{"name": "bad", "principals": [{"header": {"name": "x-role", "exact": "guest"}}, {"header": {"name": "x-tool", "prefix": "bot"}}, {"header": {"name": "x-debug"}}]}]}`},
			{Name: "another name", Params: `{"action": "deny", "policies": [{"name": "bad", "principals": [{"header": {"name": "x-roles", "exact": "guest"}}, {"header": {"name": "x-tool", "prefix": "bot"}}, {"header": {"name": "x-debug"}}]}]}`},
			{Name: "prefix for exact", Params: `{"action": "deny", "policies": [{"name": "bad", "principals": [{"header": {"name": "x-role", "prefix": "guest"}}, {"header": {"name": "x-tool", "prefix": "bot"}}, {"header": {"name": "x-debug"}}]}]}`},
			{Name: "exact for prefix", Params: `{"action": "deny", "policies": [{"name": "bad", "principals": [{"header": {"name": "x-role", "exact": "guest"}}, {"header": {"name": "x-tool", "exact": "bot"}}, {"header": {"name": "x-debug"}}]}]}`},
			{Name: "value for presence", Params: `{"action": "deny", "policies": [{"name": "bad", "principals": [{"header": {"name": "x-role", "exact": "guest"}}, {"header": {"name": "x-tool", "prefix": "bot"}}, {"header": {"name": "x-debug", "exact": "1"}}]}]}`},
			{Name: "only the first copy counts", Spoil: func(e *function.Evidence) { admit(e, 6) }},
			{Name: "only the last copy counts", Spoil: func(e *function.Evidence) { admit(e, 9) }},
		},
	}, {
		Name:   "allow by address and identity",
		Params: `{"action": "allow", "policies": [{"name": "near", "principals": [{"source": "127.0.0.2/31"}, {"spiffe": "spiffe://mesh/web"}]}]}`,
		Requests: []function.Request{
			{From: "127.0.0.1"}, {From: "127.0.0.2"}, {From: "127.0.0.3"}, {From: "127.0.0.4"}, {From: "127.0.1.2"},
			{From: "127.0.0.1", Header: http.Header{"X-Forwarded-For": {"127.0.0.2"}}},
			{From: "127.0.0.1", Header: http.Header{"X-Forwarded-Client-Cert": {"URI=spiffe://mesh/web"}}},
		},
		Mutants: []function.Mutant{
			{Name: "a wider range", Params: `{"action": "allow", "policies": [{"name": "near", "principals": [{"source": "127.0.0.2/30"}]}]}`},
			{Name: "a narrower range", Params: `{"action": "allow", "policies": [{"name": "near", "principals": [{"source": "127.0.0.2/32"}]}]}`},
			{Name: "believes a header", Params: `{"action": "allow", "policies": [{"name": "near", "principals": [{"source": "127.0.0.2/31"}, {"header": {"name": "x-forwarded-for", "exact": "127.0.0.2"}}]}]}`},
			{Name: "anybody without certificate", Params: `{"action": "allow", "policies": [{"name": "near", "principals": [{"spiffe": "spiffe://mesh/web", "not": true}]}]}`},
		},
	}, {
		Name:   "deny who is not of them",
		Params: `{"action": "deny", "policies": [{"name": "far", "principals": [{"source": "127.0.0.0/24", "subscription": "Team", "not": true}]}]}`,
		Requests: []function.Request{
			{From: "127.0.0.1", Caller: as("ann", "Team")}, {From: "127.0.1.1", Caller: as("ann", "Team")}, {From: "127.0.0.1", Caller: as("ann", "Personal")}, {From: "127.0.1.1"},
		},
		Mutants: []function.Mutant{
			{Name: "not left out", Params: `{"action": "deny", "policies": [{"name": "far", "principals": [{"source": "127.0.0.0/24", "subscription": "Team"}]}]}`},
			{Name: "not of the first only", Params: `{"action": "deny", "policies": [{"name": "far", "principals": [{"source": "127.0.0.0/24", "not": true}]}]}`},
			{Name: "not of the last only", Params: `{"action": "deny", "policies": [{"name": "far", "principals": [{"subscription": "Team", "not": true}]}]}`},
		},
	}}
}

// admit makes a refused request an admitted one.
func admit(e *function.Evidence, i int) {
	o := &e.Observations[i]
	o.Outcome, o.Response = function.Allowed, &function.Message{Status: http.StatusOK}
	e.Deliveries = append(e.Deliveries, function.Delivery{Of: i, Message: *o.Request, Answered: http.StatusOK})
}
