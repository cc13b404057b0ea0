package script_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/dataplane/embedded/script"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/functiontest"
)

func Example() {
	f, err := script.New(`function envoy_on_request(handle) handle:headers():add("x-seen", "yes") end`, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	x := &functiontest.Exchange{Verb: "GET", Target: "/"}
	fmt.Println(f.Handle(x), functiontest.Get(x.Request, "x-seen"))
	// Output: true yes
}

// response is a response in memory.
type response struct {
	function.Response
	status int
	header http.Header
}

func (r *response) Status() int                         { return r.status }
func (r *response) SetStatus(s int)                     { r.status = s }
func (r *response) SetHeader(name string, value []byte) { r.header.Set(name, string(value)) }
func (r *response) AddHeader(name string, value []byte) { r.header.Add(name, string(value)) }
func (r *response) RemoveHeader(name string)            { r.header.Del(name) }
func (r *response) Header(name string) (v []byte, ok bool) {
	all := r.header.Values(name)
	if len(all) == 0 {
		return nil, false
	}
	return []byte(all[0]), true
}

func load(t *testing.T, source string) (*script.Filter, *[]string) {
	t.Helper()
	logged := new([]string)
	f, err := script.New(source, func(text string) { *logged = append(*logged, text) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, logged
}

func TestHandleOfRequests(t *testing.T) {
	f, logged := load(t, `
seen = 0
function envoy_on_request(handle)
  seen = seen + 1
  local h = handle:headers()
  handle:logInfo(h:get(":method") .. " " .. h:get(":path") .. " " .. (h:get("none") or "nil") .. " " .. seen)
  h:add("a", "2")
  h:replace("b", "new")
  h:remove("c")
  handle:streamInfo():dynamicMetadata():set("ours", "key", "kept")
  handle:clearRouteCache()
end
function envoy_on_response(handle)
  local h = handle:headers()
  h:add("x", handle:streamInfo():dynamicMetadata():get("ours").key)
  h:replace("y", h:get(":status"))
  h:remove("z")
  h:replace(":status", "299")
end`)
	x := &functiontest.Exchange{Verb: "GET", Target: "/p?q", Request: []functiontest.Field{{Name: "a", Value: "1"}, {Name: "b", Value: "old"}, {Name: "b", Value: "old"}, {Name: "c", Value: "3"}}}
	if !f.Handle(x) || x.Cleared != 1 {
		t.Errorf("%+v", x)
	}
	if got := fmt.Sprint(x.Request); got != "[{a 1} {a 2} {b new}]" {
		t.Error(got)
	}
	r := &response{status: 200, header: http.Header{"Z": {"1"}}}
	f.Respond(x, r)
	if r.status != 299 || r.header.Get("x") != "kept" || r.header.Get("y") != "200" || r.header.Get("z") != "" {
		t.Errorf("%+v", r)
	}
	f.Handle(&functiontest.Exchange{Verb: "PUT", Target: "/"})
	if got := strings.Join(*logged, "|"); got != "GET /p?q nil 1|PUT / nil 2" {
		t.Error(got)
	}
}

func TestRespond(t *testing.T) {
	f, _ := load(t, `function envoy_on_request(handle) handle:respond({[":status"] = "418", ["x"] = "1"}, "short") end`)
	x := &functiontest.Exchange{}
	if f.Handle(x) || x.Status != 418 || x.Body != "short" || functiontest.Get(x.Response, "x") != "1" {
		t.Errorf("%+v", x)
	}
}

// What goes wrong in a script is logged, and the request goes on: as in Envoy.
func TestFailures(t *testing.T) {
	for _, c := range []struct{ name, body, logged string }{
		{"error", `error("oh no")`, "oh no"},
		{"nil", `local x = nil; x.y = 1`, "attempt to index"},
		{"loop", `while true do end`, "took more than"},
		{"deep", `local function f() return f() + 1 end; f()`, "stack overflow"},
		{"much at once", `string.rep("x", 2000000000)`, "more than 1048576 bytes"},
		{"not there", `handle:body()`, "body is not supported by the embedded data plane"},
		{"files", `io.open("x")`, "attempt to index"},
		{"processes", `os.exit(1)`, "attempt to index"},
		{"other scripts", `dofile("x")`, "attempt to call"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, logged := load(t, "function envoy_on_request(handle)\n"+c.body+"\nend")
			for range 2 {
				if x := (&functiontest.Exchange{Verb: "GET", Target: "/"}); !f.Handle(x) || x.Status != 0 {
					t.Errorf("%+v", x)
				}
			}
			if len(*logged) != 2 || !strings.Contains((*logged)[0], c.logged) {
				t.Errorf("logged %q, want %q twice", *logged, c.logged)
			}
		})
	}
}

// A handle that is kept does nothing later.
func TestKeptHandle(t *testing.T) {
	f, logged := load(t, `
function envoy_on_request(handle)
  if kept then kept:get("x") end
  kept = handle:headers()
end`)
	for range 2 {
		f.Handle(&functiontest.Exchange{Verb: "GET", Target: "/"})
	}
	if len(*logged) != 0 {
		t.Errorf("the kept headers are those of the call under way: %q", *logged)
	}
}

func TestType(t *testing.T) {
	pack := func(m *luav3.Lua) *anypb.Any {
		a, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	inline := func(text string) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: text}}
	}
	const good = "function envoy_on_request(handle) end"
	for _, c := range []struct {
		message *luav3.Lua
		fault   string
	}{
		{&luav3.Lua{DefaultSourceCode: inline(good)}, ""},
		{&luav3.Lua{}, "inline_string: is required"},
		{&luav3.Lua{DefaultSourceCode: inline("function")}, "run the script"},
		{&luav3.Lua{DefaultSourceCode: inline("x = 1")}, "defines neither"},
		{&luav3.Lua{DefaultSourceCode: inline("while true do end")}, "run the script"},
		{&luav3.Lua{DefaultSourceCode: inline(good), SourceCodes: map[string]*corev3.DataSource{"x": inline(good)}}, "source_codes"},
		{&luav3.Lua{DefaultSourceCode: inline(good), StatPrefix: "x"}, "stat_prefix"},
	} {
		_, err := script.Type().New(pack(c.message))
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%v: %v, want %q", c.message, err, c.fault)
		}
	}
}
