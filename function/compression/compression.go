package compression

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns compression.
func Function() function.Function {
	return function.Function{
		Name:    "compression",
		Doc:     "compression: responses are sent with gzip to callers that take it",
		Decode:  Decode,
		Library: &function.Library{Middleware: library},
		Native:  &function.Native{Config: config, Types: []function.FilterType{{URL: filterURL, New: newFilter}}},
		Example: `{"types": ["text/plain", "text/html", "application/json"], "least": 1}`,
		Judge:   judge,
		Trials:  trials(),
		Without: map[study.Form]string{
			study.FormLua:      "cannot: Lua in a proxy has no compressor, and one written in it would hold every body whole",
			study.FormWasm:     "not built: a module would bring a compressor of its own, and change bodies as they come",
			study.FormWasmGo:   "not built: a module would bring a compressor of its own, and change bodies as they come",
			study.FormDynmod:   "not built: a module would bring a compressor of its own, and change bodies as they come",
			study.FormDynmodGo: "not built: a module would bring a compressor of its own, and change bodies as they come",
			study.FormExternal: "not built: a service would be sent every body and send it back (ext_proc, streamed)",
		},
	}
}

func library(spec function.Spec) (func(http.Handler) http.Handler, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	return Middleware(s)
}

func trials() []function.Trial {
	// answer has its length told, and further fields in pairs.
	answer := func(kind string, n int, pairs ...string) []function.Answer {
		body := strings.Repeat("all work and no play ", n/21+1)[:n]
		h := http.Header{"Content-Type": {kind}, "Content-Length": {strconv.Itoa(n)}}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return []function.Answer{{Header: h, Body: body}}
	}
	part := answer("text/plain", 5000, "Content-Range", "bytes 0-4999/9000")
	part[0].Status = http.StatusPartialContent
	drip := answer("text/plain", 40)
	drip[0].Header.Del("Content-Length")
	drip[0].Pause = time.Millisecond
	service := []function.Replica{{Paths: map[string][]function.Answer{
		"/text": answer("text/plain", 20_000), "/charset": answer("text/plain; charset=utf-8", 5000), "/json": answer("application/json", 3000),
		"/least": answer("text/plain", 1000), "/less": answer("text/plain", 999), "/empty": answer("text/plain", 0), "/image": answer("image/png", 5000),
		"/encoded": answer("text/plain", 5000, "Content-Encoding", "br"), "/fixed": answer("text/plain", 5000, "Cache-Control", "public, no-transform"),
		"/tag": answer("text/plain", 5000, "Etag", `"one"`), "/vary": answer("text/plain", 5000, "Vary", "Origin"), "/drip": drip,
		"/part": part,
	}}}
	get := func(path, accept string) function.Request {
		r := function.Request{Target: path}
		if accept != "" {
			r.Header = http.Header{"Accept-Encoding": {accept}}
		}
		return r
	}
	var requests []function.Request
	for _, path := range []string{"/text", "/charset", "/json", "/least", "/less", "/empty", "/image", "/encoded", "/fixed", "/tag", "/vary", "/drip", "/part"} {
		requests = append(requests, get(path, "gzip"), get(path, ""))
	}
	for _, accept := range []string{"br", "identity", "gzip;q=0", "gzip;q=0.5", "br, gzip", "deflate, gzip;q=1.0, br;q=0.1", "x-gzipped"} {
		requests = append(requests, get("/text", accept))
	}
	requests = append(requests, function.Request{Target: "/text", Method: http.MethodHead, Header: http.Header{"Accept-Encoding": {"gzip"}}}, get("/text", "gzip"))
	respond := func(i int, change func(*function.Message)) func(*function.Evidence) {
		return func(e *function.Evidence) { change(e.Observations[i].Response) }
	}
	return []function.Trial{{
		Name:     "who takes what",
		Params:   `{"types": ["text/plain", "application/json"], "least": 1000}`,
		Replicas: service,
		Requests: requests,
		Mutants: []function.Mutant{
			{Name: "another least", Params: `{"types": ["text/plain", "application/json"], "least": 1001}`},
			{Name: "a lower least", Params: `{"types": ["text/plain", "application/json"], "least": 999}`},
			{Name: "one type less", Params: `{"types": ["text/plain"], "least": 1000}`},
			{Name: "one type more", Params: `{"types": ["text/plain", "application/json", "image/png"], "least": 1000}`},
			{Name: "for all", Spoil: func(e *function.Evidence) { *e.Observations[1].Response = *e.Observations[0].Response }},
			{Name: "named and not encoded", Spoil: func(e *function.Evidence) { e.Observations[0].Response.Body = e.Observations[1].Response.Body }},
			{Name: "cut off", Spoil: respond(0, func(m *function.Message) { m.Body = m.Body[:len(m.Body)-1] })},
			{Name: "no vary", Spoil: respond(0, func(m *function.Message) { m.Header.Del("Vary") })},
			{Name: "the strong etag is kept", Spoil: respond(18, func(m *function.Message) { m.Header.Set("Etag", `"one"`) })},
			{Name: "a weight of zero", Spoil: func(e *function.Evidence) { *e.Observations[28].Response = *e.Observations[0].Response }},
			{Name: "a head alone", Spoil: respond(33, func(m *function.Message) { m.Header.Set("Content-Encoding", "gzip") })},
			{Name: "twice encoded", Spoil: respond(14, func(m *function.Message) { m.Header.Set("Content-Encoding", "gzip") })},
		},
	}}
}
