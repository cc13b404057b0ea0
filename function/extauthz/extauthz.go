package extauthz

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns external authorization.
func Function() function.Function {
	return function.Function{
		Name:   "ext-authz",
		Doc:    "external authorization: a service decides on each request, and changes its headers; without its answer requests go on or are refused",
		Decode: Decode,
		External: &function.External{
			Serve:  serve,
			Config: config,
			Types:  []function.FilterType{{URL: typeURL, Join: join}},
		},
		Example: `{"rules": [{"prefix": "/", "answer": "allow", "headers": {"x-authorized": "yes"}}]}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLibrary:  "not built: an application that leaves the decision to a service calls it as any other",
			study.FormNative:   "none: the filter that asks is the data plane's own, but what decides is the service: that is the form external",
			study.FormLua:      "not built: a script can ask by HTTP (httpCall), and not by gRPC",
			study.FormWasm:     "not built: a module can ask by gRPC in Envoy; our host offers HTTP calls only",
			study.FormWasmGo:   "not built: as wasm",
			study.FormDynmod:   "not built: a module can ask by HTTP",
			study.FormDynmodGo: "not built: a module can ask by HTTP",
		},
	}
}

func trials() []function.Trial {
	const (
		admin = `{"prefix": "/admin/", "header": "x-token", "equals": "s3", "answer": "allow", "headers": {"x-user": "root", "x-by": "rules"}, "remove": ["x-token", "x-secret"]}`
		rest  = `{"prefix": "/admin", "answer": "deny", "status": 401, "body": "who are you?", "headers": {"www-authenticate": "Token"}}, {"prefix": "/off/", "answer": "deny"}`
		open  = `{"prefix": "/open/", "answer": "allow"}`
	)
	params := func(rules string) string { return `{"rules": [` + rules + `]}` }
	header := func(lines ...string) http.Header {
		h := http.Header{}
		for i := 0; i+1 < len(lines); i += 2 {
			h.Add(lines[i], lines[i+1])
		}
		return h
	}
	failing := `{"rules": [{"prefix": "/fails", "answer": "fail"}, {"prefix": "/hangs", "answer": "hang"}, {"prefix": "/no", "answer": "deny"}, {"prefix": "/", "answer": "allow", "headers": {"x-by": "rules"}}], "timeout": "400ms", "on_failure": `
	asks := []function.Request{{Target: "/fails"}, {Target: "/hangs"}, {Target: "/no"}, {Target: "/yes"}, {Target: "/fails", Method: http.MethodPost, Body: "text"}}
	return []function.Trial{{
		Name:   "rules decide and change headers",
		Params: params(admin + `, ` + rest + `, ` + open),
		Requests: []function.Request{
			{Target: "/admin/x", Header: header("X-Token", "s3", "X-Secret", "1", "X-User", "mallory", "X-Other", "kept")},
			{Target: "/admin/x?y=/open/", Header: header("X-Token", "s4", "X-Secret", "1")}, {Target: "/admin/x"}, {Target: "/admin"},
			{Target: "/admin/x", Header: header("X-Token", "s3", "X-Token", "s3")},
			{Target: "/off/"}, {Target: "/open/", Header: header("X-Secret", "1", "X-User", "ann")}, {Target: "/open/a", Method: http.MethodPost, Body: "text"},
			{Target: "/"}, {Target: "/OPEN/"}, {Target: "/x?/open/"},
		},
		Mutants: []function.Mutant{
			{Name: "another order", Params: params(rest + `, ` + admin + `, ` + open)},
			{Name: "any token", Params: params(`{"prefix": "/admin/", "answer": "allow", "headers": {"x-user": "root", "x-by": "rules"}, "remove": ["x-token", "x-secret"]}, ` + rest + `, ` + open)},
			{Name: "adds nothing", Params: params(`{"prefix": "/admin/", "header": "x-token", "equals": "s3", "answer": "allow", "remove": ["x-token", "x-secret"]}, ` + rest + `, ` + open)},
			{Name: "removes nothing", Params: params(`{"prefix": "/admin/", "header": "x-token", "equals": "s3", "answer": "allow", "headers": {"x-user": "root", "x-by": "rules"}}, ` + rest + `, ` + open)},
			{Name: "one status for all", Params: params(admin + `, {"prefix": "/admin", "answer": "deny", "body": "who are you?", "headers": {"www-authenticate": "Token"}}, ` + open)},
			{Name: "no body", Params: params(admin + `, {"prefix": "/admin", "answer": "deny", "status": 401, "headers": {"www-authenticate": "Token"}}, ` + open)},
			{Name: "no header in the answer", Params: params(admin + `, {"prefix": "/admin", "answer": "deny", "status": 401, "body": "who are you?"}, ` + open)},
			{Name: "allows the rest", Params: params(admin + `, ` + rest + `, {"prefix": "/", "answer": "allow"}`)},
			{Name: "denies all", Params: params(`{"prefix": "/", "answer": "deny"}`)},
			{Name: "adds beside the client's", Spoil: func(e *function.Evidence) { e.Deliveries[0].Message.Header.Add("X-User", "mallory") }},
			{Name: "reached though denied", Spoil: func(e *function.Evidence) {
				d := e.Deliveries[0]
				d.Of = 2
				e.Deliveries = append(e.Deliveries, d)
			}},
			{Name: "answered by the proxy", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
		},
	}, {
		Name: "no answer: requests go on", Params: failing + `"allow"}`, Requests: asks,
		Mutants: []function.Mutant{
			{Name: "refuses", Params: failing + `"deny"}`},
			{Name: "does not wait", Spoil: func(e *function.Evidence) { e.Observations[1].Latest = e.Observations[1].Earliest }},
			{Name: "allows what is denied", Params: `{"rules": [{"prefix": "/fails", "answer": "fail"}, {"prefix": "/hangs", "answer": "hang"}, {"prefix": "/no", "answer": "fail"}, {"prefix": "/", "answer": "allow", "headers": {"x-by": "rules"}}], "timeout": "400ms", "on_failure": "allow"}`},
		},
	}, {
		Name: "no answer: requests are refused", Params: failing + `"deny"}`, Requests: asks,
		Mutants: []function.Mutant{
			{Name: "lets them go on", Params: failing + `"allow"}`},
			{Name: "waits longer than it should", Spoil: func(e *function.Evidence) { e.Observations[1].Latest += 2 * slack }},
			{Name: "denies instead", Params: `{"rules": [{"prefix": "/fails", "answer": "deny"}, {"prefix": "/hangs", "answer": "hang"}, {"prefix": "/no", "answer": "deny"}, {"prefix": "/", "answer": "allow", "headers": {"x-by": "rules"}}], "timeout": "400ms"}`},
		},
	}}
}
