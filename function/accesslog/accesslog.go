package accesslog

import (
	"net/http"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns the access log.
func Function() function.Function {
	return function.Function{
		Name:    "access-log",
		Doc:     "the access log: a line in a file for each request, equal in all forms",
		Decode:  Decode,
		Library: &function.Library{Middleware: middleware},
		Native:  &function.Native{Shape: shape},
		Example: `{"path": "/dev/null"}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      "cannot: a script is not told of the end of an exchange, and writes to the proxy's own log alone",
			study.FormWasm:     "cannot: a module has no files; it writes to the proxy's own log alone",
			study.FormWasmGo:   "cannot: as wasm",
			study.FormDynmod:   "not built: a module can be an access logger",
			study.FormDynmodGo: "not built: as dynmod",
			study.FormExternal: "none: telemetry is the log that a service is told",
		},
	}
}

func trials() []function.Trial {
	spoil := func(name string, f func([]string) []string) function.Mutant {
		return function.Mutant{Name: name, Spoil: func(e *function.Evidence) { e.Collected.Lines = f(e.Collected.Lines) }}
	}
	change := func(name, old, other string) function.Mutant {
		return spoil(name, func(ls []string) []string {
			for i := range ls {
				if strings.Contains(ls[i], old) {
					ls[i] = strings.Replace(ls[i], old, other, 1)
					break
				}
			}
			return ls
		})
	}
	return []function.Trial{{
		Name:   "a line for each request",
		Params: `{"path": "${dir}/log"}`,
		Replicas: []function.Replica{{Paths: map[string][]function.Answer{
			"/missing": {{Status: http.StatusNotFound, Body: "not here"}}, "/broken": {{Status: http.StatusInternalServerError}},
			"/long": {{Body: strings.Repeat("x", 100_000)}}, "/reset": {{Reset: true}}, "/moved": {{Status: http.StatusFound, Header: http.Header{"Location": {"/"}}}},
		}}},
		Requests: []function.Request{
			{Target: "/"}, {Target: "/a?b=c%20d"}, {Target: "/missing", Header: http.Header{"User-Agent": {`say "hi"`}}}, {Target: "/broken", Host: "hub.test"},
			{Target: "/long"}, {Target: "/long", Method: http.MethodHead}, {Target: "/moved"}, {Target: "/reset", Method: http.MethodPost},
			{Target: "/up", Method: http.MethodPost, Body: strings.Repeat("y", 70_000)}, {Target: "/up", Method: http.MethodPut, Body: "text"},
			{Target: "/many", Times: 5, AtOnce: 4},
		},
		Mutants: []function.Mutant{
			spoil("a line is lost", func(ls []string) []string { return ls[1:] }),
			spoil("a line twice", func(ls []string) []string { return append(ls, ls[0]) }),
			spoil("the last line has no end", func(ls []string) []string { return append(ls[:len(ls)-1], strings.TrimSuffix(ls[len(ls)-1], "\n")) }),
			spoil("no lines", func([]string) []string { return nil }),
			change("without the query", "?b=c%20d", ""), change("decoded", "%20", "+"), change("another status", `" 404 `, `" 200 `),
			change("another method", "HEAD", "GET"), change("bytes are missing", " 100000 ", " 99999 "), change("counts what was not sent", `HEAD /long HTTP/1.1" 200 0 0`, `HEAD /long HTTP/1.1" 200 0 100000`),
			change("counts no request bodies", " 70000 ", " 0 "), change("no user agent", `say "hi"`, "-"), change("no authority", "hub.test", "-"),
		},
	}}
}
