package atlas_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/catalog"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/study"
)

// abreast is how many proxies stand at a time.
const abreast = 6

// TestTries tries what forms that hold code of the user's can do, by a small
// filter for each ability, through real proxies of both planes, and holds the
// committed tries to it (tries.json; -update writes them).
func TestTries(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	attempts := append(reaches(), states()...)
	var all []atlas.Try
	places := make(chan func(), 1000)
	for _, plane := range b.DataPlanes.All() {
		for _, form := range []study.Form{study.FormLua, study.FormWasm, study.FormExternal} {
			for _, a := range attempts {
				a.asking = askings()[a.what]
				if form == study.FormWasm && a.wasm == nil {
					continue // not tried
				}
				k := len(all)
				all = append(all, atlas.Try{})
				places <- func() { all[k] = a.try(t, plane, form) }
			}
		}
	}
	close(places)
	var wg sync.WaitGroup
	for range abreast {
		wg.Go(func() {
			for try := range places {
				try()
			}
		})
	}
	wg.Wait()
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "../tries.json", append(text, '\n'))
}

// header wants a header of what is there to have a value.
func header(h http.Header, name, want string) string {
	if got := h.Get(name); got != want {
		return fmt.Sprintf("the header %s is %q, want %q", name, got, want)
	}
	return ""
}

func text(got, want string) string {
	if got != want {
		return fmt.Sprintf("the body is %q, want %q", got, want)
	}
	return ""
}

// reaches are the attempts of the vector reach.
func reaches() []attempt {
	atHome := func(x *seen) string { return header(x.request, "x-read", "one") }
	return []attempt{
		{what: "read-request-head", done: "it read x-ask: one and told the service",
			lua: `function envoy_on_request(h) h:headers():replace("x-read", h:headers():get("x-ask")) end`,
			wasm: func() []byte {
				g := newGuest("get_header_map_value")
				return g.on("request_headers", 0, g.must("get_header_map_value", I32(requestHead), g.text("x-ask"), I32(result), I32(resultSize)), g.tell(requestHead)).Bytes()
			}, want: atHome},
		{what: "read-request-body", done: "it read the body hello and told of it",
			lua: `function envoy_on_request(h) local b = h:body(); h:headers():replace("x-read", b:getBytes(0, b:length())) end`,
			wasm: func() []byte { // the head has gone on when the body is there, so the response tells
				g := newGuest("get_buffer_bytes")
				return g.whole("request_body", g.must("get_buffer_bytes", I32(requestBody), I32(0), I32(heapMost), I32(result), I32(resultSize))).
					on("response_headers", 0, g.tell(responseHead)).Bytes()
			}, want: func(x *seen) string {
				if x.request.Get("x-read") == "hello" {
					return ""
				}
				return header(x.response, "x-read", "hello")
			}},
		{what: "read-response-head", done: "it read x-origin: home and told the client",
			lua: `function envoy_on_response(h) h:headers():replace("x-read", h:headers():get("x-origin")) end`,
			wasm: func() []byte {
				g := newGuest("get_header_map_value")
				return g.on("response_headers", 0, g.must("get_header_map_value", I32(responseHead), g.text("x-origin"), I32(result), I32(resultSize)), g.tell(responseHead)).Bytes()
			}, want: func(x *seen) string { return header(x.response, "x-read", "home") }},
		{what: "read-response-body", done: "it read the body world and told the client",
			lua: `function envoy_on_response(h) local b = h:body(); h:headers():replace("x-read", b:getBytes(0, b:length())) end`,
			wasm: func() []byte { // it changes a body that begins with worl, and no other
				g := newGuest("get_buffer_bytes", "set_buffer_bytes")
				return g.whole("response_body", g.must("get_buffer_bytes", I32(responseBody), I32(0), I32(heapMost), I32(result), I32(resultSize)),
					I32(result), Load(0), Load(0), I32(0x6c726f77), Eq, If(g.must("set_buffer_bytes", I32(responseBody), I32(0), I32(heapMost), g.text("known")))).Bytes()
			}, want: func(x *seen) string {
				if x.answer == "known" {
					return ""
				}
				return header(x.response, "x-read", "world")
			}},
		{what: "read-connection", done: "it read the client's address and told the service",
			lua: `function envoy_on_request(h) h:headers():replace("x-read", h:streamInfo():downstreamRemoteAddress()) end`,
			wasm: func() []byte {
				g := newGuest("get_property")
				return g.on("request_headers", 0, g.must("get_property", g.text("source\x00address"), I32(result), I32(resultSize)), g.tell(requestHead)).Bytes()
			}, want: func(x *seen) string {
				if !strings.HasPrefix(x.request.Get("x-read"), "127.0.0.1:") {
					return fmt.Sprintf("it told the address %q", x.request.Get("x-read"))
				}
				return ""
			}},
		{what: "change-request-head", done: "the service got x-ask: two",
			lua: `function envoy_on_request(h) h:headers():replace("x-ask", "two") end`,
			wasm: func() []byte {
				g := newGuest()
				return g.on("request_headers", 0, g.set(requestHead, "x-ask", "two")).Bytes()
			}, want: func(x *seen) string { return header(x.request, "x-ask", "two") }},
		{what: "change-request-body", done: "the service got HELLO",
			lua: `function envoy_on_request(h) h:body():setBytes("HELLO") end`,
			wasm: func() []byte {
				g := newGuest("set_buffer_bytes")
				return g.whole("request_body", g.must("set_buffer_bytes", I32(requestBody), I32(0), I32(heapMost), g.text("HELLO"))).Bytes()
			}, want: func(x *seen) string { return text(x.body, "HELLO") }},
		{what: "change-response-head", done: "the client got x-origin: away",
			lua: `function envoy_on_response(h) h:headers():replace("x-origin", "away") end`,
			wasm: func() []byte {
				g := newGuest()
				return g.on("response_headers", 0, g.set(responseHead, "x-origin", "away")).Bytes()
			}, want: func(x *seen) string { return header(x.response, "x-origin", "away") }},
		{what: "change-response-body", done: "the client got WORLD",
			lua: `function envoy_on_response(h) h:body():setBytes("WORLD") end`,
			wasm: func() []byte {
				g := newGuest("set_buffer_bytes")
				return g.whole("response_body", g.must("set_buffer_bytes", I32(responseBody), I32(0), I32(heapMost), g.text("WORLD"))).Bytes()
			}, want: func(x *seen) string { return text(x.answer, "WORLD") }},
		{what: "answer", done: "the client got 418 and tea, the service nothing",
			lua: `function envoy_on_request(h) if h:headers():get(":path") == "/a" then h:respond({[":status"] = "418"}, "tea") end end`,
			wasm: func() []byte {
				g := newGuest("send_local_response")
				return g.on("request_headers", 1, g.must("send_local_response", I32(418), g.text(""), g.text("tea"), I32(0), I32(0), I32(-1))).Bytes()
			}, want: func(x *seen) string {
				if x.status != http.StatusTeapot || x.answer != "tea" || x.request != nil {
					return fmt.Sprintf("the client got %d and %q", x.status, x.answer)
				}
				return ""
			}},
		{what: "call", done: "it asked another service and told the first what it said",
			lua: `function envoy_on_request(h)
  local head, body = h:httpCall("other", {[":method"] = "GET", [":path"] = "/", [":authority"] = "other"}, nil, 5000)
  h:headers():replace("x-read", body)
end`,
			wasm: func() []byte { // the request waits, all of it, until the answer is there
				g := newGuest("http_call", "get_buffer_bytes", "set_effective_context", "continue_stream")
				g.on("request_headers", 1, I32(counter), Get(0), Store(0),
					g.must("http_call", g.text("other"), g.text(pairs(":method", "GET", ":path", "/", ":authority", "other")), g.text(""), g.text(pairs()), I32(5000), I32(result)))
				g.Func("proxy_on_http_call_response", "iiiii", "", 0,
					g.must("set_effective_context", I32(counter), Load(0)),
					g.must("get_buffer_bytes", I32(callBody), I32(0), I32(heapMost), I32(result), I32(resultSize)), g.tell(requestHead),
					g.must("continue_stream", I32(0)))
				return g.Bytes()
			},
			want: func(x *seen) string { return header(x.request, "x-read", "other") }},
		{what: "clear-route", done: "with another path it went another way",
			lua: `function envoy_on_request(h) h:headers():replace(":path", "/elsewhere"); h:clearRouteCache() end`,
			wasm: func() []byte {
				g := newGuest("call_foreign_function")
				return g.on("request_headers", 0, g.set(requestHead, ":path", "/elsewhere"), g.clear()).Bytes()
			}, want: func(x *seen) string { return text(x.answer, "other") }},
		{what: "choose-cluster", done: "it named the cluster and the request went there", shape: byHeader,
			lua: `function envoy_on_request(h) h:headers():replace("x-cluster", "other"); h:clearRouteCache() end`,
			wasm: func() []byte {
				g := newGuest("call_foreign_function")
				return g.on("request_headers", 0, g.set(requestHead, "x-cluster", "other"), g.clear()).Bytes()
			}, want: func(x *seen) string { return text(x.answer, "other") }},
	}
}

// The numbers of the vector state: requests that are counted, and told to the
// client as one character each.
const (
	countedOnOne = 5
	countedOnAll = 40
)

func number(n int) string { return string(rune('0' + n)) }

const luaCount = `count = 0
function envoy_on_response(h)
  if h:headers():get("x-origin") == "home" then
    count = count + 1
    h:headers():replace("x-read", string.char(48 + count))
  end
end`

// counts counts in the guest's own memory, and sharing in what its host keeps
// for all of them.
func counts() []byte {
	g := newGuest("get_header_map_value")
	return g.on("response_headers", 0,
		g.must("get_header_map_value", I32(responseHead), g.text("x-origin"), I32(result), I32(resultSize)),
		I32(resultSize), Load(0), I32(4), Ne, If(I32(0), Return), // home has four letters, other five
		I32(counter), I32(counter), Load(0), I32(1), Add, Store(0),
		I32(result), I32(counter), Load(0), I32(48), Add, Store(0),
		g.must("replace_header_map_value", I32(responseHead), g.text("x-read"), I32(result), I32(1))).Bytes()
}

func sharing() []byte {
	g := newGuest("get_header_map_value", "get_shared_data", "set_shared_data")
	key := g.text("n")
	return g.on("response_headers", 0,
		g.must("get_header_map_value", I32(responseHead), g.text("x-origin"), I32(result), I32(resultSize)),
		I32(resultSize), Load(0), I32(4), Ne, If(I32(0), Return),
		I32(counter), I32(0), Store(0),
		Call(g.call["get_shared_data"], key, I32(result), I32(resultSize), I32(resultSize+8)), Eqz,
		If(I32(counter), I32(result), Load(0), Load(0), Store(0)),
		I32(counter), I32(counter), Load(0), I32(1), Add, Store(0),
		g.must("set_shared_data", key, I32(counter), I32(4), I32(0)),
		I32(result), I32(counter), Load(0), I32(48), Add, Store(0),
		g.must("replace_header_map_value", I32(responseHead), g.text("x-read"), I32(result), I32(1))).Bytes()
}

// counted sends requests, each on a connection of its own or all on one, and
// says what was wrong with what the clients were told.
func counted(s *stage, addr string, n int, fresh bool, first int) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: fresh}, Timeout: 4 * time.Second}
	defer client.CloseIdleConnections()
	for i := range n {
		x, err := s.ask(client, addr)
		if err != nil {
			return "", err
		}
		if got := x.response.Get("x-read"); got != number(first+i) {
			return fmt.Sprintf("it counted something else than the %d requests in their order", n), nil
		}
	}
	return "", nil
}

func states() []attempt {
	return []attempt{
		{vector: atlas.State, what: "per-worker", lua: luaCount, wasm: counts, done: fmt.Sprintf("it counted %d requests of one connection", countedOnOne),
			run: func(t *testing.T, s *stage, up func(int) (string, error)) (string, error) {
				addr, err := up(1)
				if err != nil {
					return "", err
				}
				return counted(s, addr, countedOnOne, false, 1)
			}},
		{vector: atlas.State, what: "across-workers", lua: luaCount, wasm: sharing, done: fmt.Sprintf("it counted %d requests on as many connections, over two workers", countedOnAll),
			run: func(t *testing.T, s *stage, up func(int) (string, error)) (string, error) {
				addr, err := up(2)
				if err != nil {
					return "", err
				}
				return counted(s, addr, countedOnAll, true, 1)
			}},
		{vector: atlas.State, what: "across-proxies", lua: luaCount, wasm: sharing, done: "two proxies counted together",
			run: func(t *testing.T, s *stage, up func(int) (string, error)) (string, error) {
				first, err := up(1)
				if err != nil {
					return "", err
				}
				second, err := up(1)
				if err != nil {
					return "", err
				}
				if wrong, err := counted(s, first, 2, false, 1); err != nil || wrong != "" {
					return wrong, err
				}
				if wrong, err := counted(s, second, 1, false, 3); err != nil || wrong != "" {
					return "the second proxy did not go on where the first one was", err
				}
				return "", nil
			}},
	}
}

// Every try is of an ability that there is, and no two are of the same.
func TestTriesAreOfAbilities(t *testing.T) {
	all, err := atlas.Tries()
	if err != nil || len(all) == 0 {
		t.Fatal(len(all), err)
	}
	known := map[string]bool{}
	for _, x := range all {
		if !slices.ContainsFunc(atlas.Abilities(x.Vector), func(a atlas.Ability) bool { return a.Name == x.What }) {
			t.Errorf("%+v is of no ability", x)
		}
		key := fmt.Sprint(x.Form, x.Plane, x.Vector, x.What)
		if known[key] || x.Verdict == atlas.NotTried || x.Words == "" || x.Test == "" {
			t.Errorf("%+v is there twice, or says nothing", x)
		}
		known[key] = true
	}
}

// Each cell of each vector is shown by a test, refused with words, or not tried
// for a reason that is said; and no reason is given where a try is.
func TestEveryCellIsAccountedFor(t *testing.T) {
	_, entries, bench := built(t, "")
	tries, err := atlas.Tries()
	if err != nil {
		t.Fatal(err)
	}
	count := map[atlas.Verdict]int{}
	for _, p := range atlas.Powers(append(tries, atlas.Witnessed(bench.Functions.All(), entries)...), []string{"embedded", "envoy"}) {
		for v, all := range p.Vectors {
			for _, a := range all {
				count[a.Verdict]++
				if a.Words == "" || (a.Test == "") != (a.Verdict == atlas.NotTried) {
					t.Errorf("%s, %s %s: %+v", p.Name(), v, a.What, a)
				}
			}
		}
	}
	t.Logf("%d shown, %d refused, %d not tried", count[atlas.Shown], count[atlas.Refused], count[atlas.NotTried])
	if count[atlas.Shown] < 100 {
		t.Errorf("%d shown", count[atlas.Shown])
	}
	// A try that showed it counts for more than one that did not.
	both := []atlas.Try{{Form: study.FormLua, Plane: "envoy", Vector: atlas.State, What: "per-worker", Verdict: atlas.Refused, Words: "no", Test: "a"},
		{Form: study.FormLua, Plane: "envoy", Vector: atlas.State, What: "per-worker", Verdict: atlas.Shown, Words: "yes", Test: "b"}}
	for _, p := range atlas.Powers(both, []string{"envoy"}) {
		if a := p.Vectors[atlas.State][0]; p.Form == study.FormLua && a.Test != "b" {
			t.Errorf("%+v", a)
		}
	}
}
