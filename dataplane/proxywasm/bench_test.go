package proxywasm_test

import (
	"testing"

	"github.com/taremesh/tare/dataplane/proxywasm"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

// still is an exchange over fixed memory, so that a benchmark counts what the
// host allocates, and not what the plane would.
type still struct{ request, response stillFields }

type stillFields [][2][]byte

func newStill() *still {
	pairs := func(texts ...string) (f stillFields) {
		for i := 0; i < len(texts); i += 2 {
			f = append(f, [2][]byte{[]byte(texts[i]), []byte(texts[i+1])})
		}
		return f
	}
	return &still{
		pairs(":method", "GET", ":path", "/pull", ":authority", "hub", "x-user", "ada", "x-subscription", "Enterprise", "user-agent", "bench"),
		pairs(":status", "200", "content-type", "text/plain"),
	}
}

func (x *still) Fields(m proxywasm.Map) proxywasm.Fields {
	switch m {
	case proxywasm.RequestHeaders:
		return &x.request
	case proxywasm.ResponseHeaders:
		return &x.response
	}
	return nil
}

func (*still) Property([]byte) ([]byte, bool) { return nil, false }

func (f *stillFields) Len() int { return len(*f) }

func (f *stillFields) At(i int) (name, value []byte) { return (*f)[i][0], (*f)[i][1] }

func (f *stillFields) Get(name []byte) ([]byte, bool) {
	for i := range *f {
		if string((*f)[i][0]) == string(name) {
			return (*f)[i][1], true
		}
	}
	return nil, false
}

func (*stillFields) Set(_, _ []byte) {}
func (*stillFields) Add(_, _ []byte) {}
func (*stillFields) Remove(_ []byte) {}

// BenchmarkStream is what the host costs for a request that is limited: the
// guest gets three headers, the time and a shared value, replaces the value by
// compare-and-swap and adds three headers, and computes nothing.
func BenchmarkStream(b *testing.B) {
	g, f := newGuest("0_2_1", "get_header_map_value", "add_header_map_value", "get_shared_data", "set_shared_data", "get_current_time_nanoseconds")
	get := func(name string) []byte {
		return must(0, Call(f["get_header_map_value"], I32(0), g.text(name), I32(out), I32(out2)))
	}
	add := func(name string) []byte {
		return must(0, Call(f["add_header_map_value"], I32(2), g.text(name), g.text("1000")))
	}
	key := g.text("pull Enterprise ada")
	g.Func("proxy_on_configure", "ii", "i", 0, must(0, Call(f["set_shared_data"], key, I32(600), I32(16), I32(0))), I32(1))
	g.Func("proxy_on_context_create", "ii", "", 0)
	g.onRequest(get(":path"), get("x-user"), get("x-subscription"),
		must(0, Call(f["get_shared_data"], key, I32(out), I32(out2), I32(out3))),
		must(0, Call(f["get_current_time_nanoseconds"], I32(600))),
		must(0, Call(f["set_shared_data"], key, I32(600), I32(16), I32(out3), Load(0))), I32(0))
	g.Func("proxy_on_response_headers", "iii", "i", 0, add("x-ratelimit-limit"), add("x-ratelimit-remaining"), add("x-ratelimit-reset"), I32(0))
	g.Func("proxy_on_done", "i", "i", 0, I32(1))
	g.Func("proxy_on_log", "i", "", 0)
	g.Func("proxy_on_delete", "i", "", 0)
	wholeRequests(b, proxywasm.Config{Name: "stream", Module: g.Bytes()})
}

// wholeRequests runs requests that are let through.
func wholeRequests(b *testing.B, c proxywasm.Config) {
	c.Log, c.LogLevel = func(l proxywasm.Level, t string) { b.Log(l, t) }, proxywasm.Warn
	p := load(b, c)
	x := newStill()
	b.ReportAllocs()
	for b.Loop() {
		s, err := p.Stream(x)
		if err != nil {
			b.Fatal(err)
		}
		if a := s.RequestHeaders(true); a != proxywasm.Continue {
			b.Fatalf("%v %+v", s.Err(), s.Reply())
		}
		s.ResponseHeaders(false)
		s.ResponseBody(nil, true)
		s.End()
	}
}

// BenchmarkRust is a whole request through the filters of the functions, built
// from Rust.
func BenchmarkRust(b *testing.B) {
	for _, c := range []struct{ name, configuration string }{
		{"noop", ""},
		{"ratelimit", `{"limits":{"Enterprise":"1000000000/min"},"others":"10/min","paths":["/pull"]}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			wholeRequests(b, proxywasm.Config{Name: c.name, Module: filter(b, c.name), Configuration: []byte(c.configuration)})
		})
	}
}
