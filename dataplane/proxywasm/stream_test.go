package proxywasm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/dataplane/proxywasm"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

// pairsText is how the ABI serialises fields.
func pairsText(pairs ...string) string {
	word := func(n int) string { return string([]byte{byte(n), byte(n >> 8), 0, 0}) }
	sizes, texts := word(len(pairs)/2), ""
	for _, p := range pairs {
		sizes += word(len(p))
		texts += p + "\x00"
	}
	return sizes + texts
}

// TestFields reads and changes fields in each way that the ABI has.
func TestFields(t *testing.T) {
	g, f := newGuest("0_2_1", "get_header_map_value", "replace_header_map_value", "add_header_map_value", "remove_header_map_value",
		"get_header_map_size", "get_header_map_pairs", "set_header_map_pairs")
	all := pairsText(":method", "GET", ":path", "/pull", ":authority", "hub", "x-user", "ada")
	g.onRequest(
		must(0, Call(f["get_header_map_size"], I32(0), I32(out))), I32(out), Load(0), I32(int32(len(all))), Ne, If(Unreachable),
		must(0, Call(f["get_header_map_pairs"], I32(0), I32(out), I32(out2))), g.put(f, 0, "x-pairs"),
		must(0, Call(f["get_header_map_value"], I32(0), g.text("X-User"), I32(out), I32(out2))), g.put(f, 0, "x-copy"),
		must(0, Call(f["add_header_map_value"], I32(0), g.text("x-two"), g.text("1"))),
		must(0, Call(f["add_header_map_value"], I32(0), g.text("x-two"), g.text("2"))),
		must(0, Call(f["get_header_map_value"], I32(0), g.text("x-two"), I32(out), I32(out2))), g.put(f, 0, "x-joined"),
		must(0, Call(f["remove_header_map_value"], I32(0), g.text("x-user"))),
		must(0, Call(f["remove_header_map_value"], I32(0), g.text("x-never"))),
		must(1, Call(f["get_header_map_value"], I32(0), g.text("x-user"), I32(out), I32(out2))),
		// maps that are not there, and one that never is
		must(2, Call(f["get_header_map_value"], I32(1), g.text("x-user"), I32(out), I32(out2))),
		must(2, Call(f["get_header_map_value"], I32(8), g.text("x-user"), I32(out), I32(out2))),
		must(2, Call(f["get_header_map_pairs"], I32(6), I32(out), I32(out2))),
		must(2, Call(f["set_header_map_pairs"], I32(4), g.text(""))),
		must(2, Call(f["add_header_map_value"], I32(-1), g.text("a"), g.text("b"))),
		must(2, Call(f["set_header_map_pairs"], I32(0), g.text("\x01\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00"))),
		I32(0))
	g.Func("proxy_on_response_headers", "iii", "i", 0,
		Get(1), I32(2), Ne, If(Unreachable), Get(2), I32(1), Ne, If(Unreachable),
		must(0, Call(f["set_header_map_pairs"], I32(2), g.text(pairsText(":status", "201", "a", "1", "a", "2")))), I32(0))
	p := load(t, proxywasm.Config{Name: "fields", Module: g.Bytes()})
	x := newExchange()
	s := stream(t, p, x)
	if a := s.RequestHeaders(true); a != proxywasm.Continue {
		t.Fatalf("action %d, %v", a, s.Err())
	}
	if a := s.ResponseHeaders(true); a != proxywasm.Continue {
		t.Fatalf("action %d, %v", a, s.Err())
	}
	s.End()
	want := [2]fields{
		{
			{":method", "GET"}, {":path", "/pull"}, {":authority", "hub"}, {"x-pairs", all}, {"x-copy", "ada"},
			{"x-two", "1"}, {"x-two", "2"}, {"x-joined", "1,2"},
		},
		{{":status", "201"}, {"a", "1"}, {"a", "2"}},
	}
	if diff := cmp.Diff(want, [2]fields{*x.maps[0], *x.maps[2]}); diff != "" {
		t.Error(diff)
	}
}

// TestReplies gives a reply in each hook, and sees that the guest is asked no more.
func TestReplies(t *testing.T) {
	send := func(g *guest, f imports, code int32) []byte {
		return must(0, Call(f["send_local_response"], I32(code), g.text("too_fast"), g.text("slow down"), g.text(pairsText("retry-after", "7")), I32(-1)))
	}
	for _, c := range []struct {
		hook, params string
		reach        func(*proxywasm.Stream) proxywasm.Action
	}{
		{"proxy_on_request_headers", "iii", func(s *proxywasm.Stream) proxywasm.Action { return s.RequestHeaders(false) }},
		{"proxy_on_request_body", "iii", func(s *proxywasm.Stream) proxywasm.Action { _, a := s.RequestBody([]byte("x"), true); return a }},
		{"proxy_on_request_trailers", "ii", func(s *proxywasm.Stream) proxywasm.Action { return s.RequestTrailers() }},
		{"proxy_on_response_headers", "iii", func(s *proxywasm.Stream) proxywasm.Action { return s.ResponseHeaders(false) }},
	} {
		t.Run(c.hook, func(t *testing.T) {
			g, f := newGuest("0_2_1", "send_local_response")
			bad := must(2, Call(f["send_local_response"], I32(99), g.text(""), g.text(""), g.text(""), I32(-1)))
			g.Func(c.hook, c.params, "i", 0, bad, send(g, f, 429), send(g, f, 500), I32(0)) // the first reply counts, and more than the action
			g.Func("proxy_on_response_body", "iii", "i", 0, Unreachable)
			g.Func("proxy_on_response_trailers", "ii", "i", 0, Unreachable)
			s := stream(t, load(t, proxywasm.Config{Name: "p", Module: g.Bytes()}), newExchange())
			if a := c.reach(s); a != proxywasm.Pause {
				t.Errorf("action %d, %v", a, s.Err())
			}
			want := &proxywasm.Reply{Status: 429, Details: "too_fast", Headers: []proxywasm.Field{{Name: "retry-after", Value: "7"}}, Body: []byte("slow down"), GRPCStatus: -1}
			if diff := cmp.Diff(want, s.Reply()); diff != "" {
				t.Error(diff)
			}
			b, a := s.ResponseBody([]byte("x"), true)
			if c := s.ResponseTrailers(); b != nil || a != proxywasm.Pause || c != proxywasm.Pause {
				t.Errorf("asked on: %q, %d, %d", b, a, c)
			}
			if err := s.Wait(t.Context()); err != nil || s.Err() != nil {
				t.Errorf("%v, %v", err, s.Err())
			}
			s.End()
		})
	}
	t.Run("after the response's head", func(t *testing.T) {
		g, f := newGuest("0_2_1", "send_local_response")
		g.Func("proxy_on_response_body", "iii", "i", 0, send(g, f, 429), I32(0))
		s := stream(t, load(t, proxywasm.Config{Name: "p", Module: g.Bytes()}), newExchange())
		s.ResponseHeaders(false)
		if _, a := s.ResponseBody([]byte("x"), true); a != proxywasm.Pause || s.Reply() != nil || !errors.Is(s.Err(), proxywasm.ErrStreamClosed) {
			t.Errorf("%d, %v, %v", a, s.Reply(), s.Err())
		}
		s.End()
	})
}

// TestClosedByGuest is no failure: the instance serves on.
func TestClosedByGuest(t *testing.T) {
	g, f := newGuest("0_2_1", "close_stream")
	g.onRequest(must(2, Call(f["close_stream"], I32(9))), must(0, Call(f["close_stream"], I32(0))), I32(0))
	p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes()})
	s := stream(t, p, newExchange())
	if a := s.RequestHeaders(true); a != proxywasm.Pause || !errors.Is(s.Err(), proxywasm.ErrStreamClosed) {
		t.Errorf("%d, %v", a, s.Err())
	}
	s.End()
	if st := p.Stats(); st.Failures() != 0 || st.Started != 1 || st.Idle != 1 {
		t.Errorf("%+v", st)
	}
}

// holding is a guest that holds a request's body back until it is whole, and
// then changes it by a piece of code.
func holding(change func(*guest, imports) []byte) *guest {
	g, f := newGuest("0_2_1", "get_buffer_bytes", "get_buffer_status", "set_buffer_bytes", "log")
	code := change(g, f)
	g.Func("proxy_on_request_body", "iii", "i", 0, Get(2), Eqz, If(I32(1), Return), code, I32(0))
	return g
}

// TestBodies changes a held body in each way, chunk by chunk.
func TestBodies(t *testing.T) {
	set := func(start, size int32, text string) func(*guest, imports) []byte {
		return func(g *guest, f imports) []byte {
			return must(0, Call(f["set_buffer_bytes"], I32(0), I32(start), I32(size), g.text(text)))
		}
	}
	for _, c := range []struct {
		name   string
		change func(*guest, imports) []byte
		want   string
	}{
		{"as it is", func(*guest, imports) []byte { return nil }, "one two three"},
		{"replaced", set(0, -1, "new"), "new"},
		{"before it", set(0, 0, "zero "), "zero one two three"},
		{"behind it", set(-1, 0, " four"), "one two three four"},
		{"behind it, by its size", set(13, -1, " four"), "one two three four"},
		{"in the middle", set(4, 3, "2"), "one 2 three"},
		{"put in", set(4, 0, "and "), "one and two three"},
		{"cut", set(3, -1, ""), "one"},
		{"twice", func(g *guest, f imports) []byte { return Join(set(0, 3, "1")(g, f), set(2, 3, "2")(g, f)) }, "1 2 three"},
		{"read", func(g *guest, f imports) []byte {
			return Join(
				must(0, Call(f["get_buffer_status"], I32(0), I32(out), I32(out2))), I32(out), Load(0), Get(1), Ne, If(Unreachable),
				must(0, Call(f["get_buffer_bytes"], I32(0), I32(4), I32(3), I32(out), I32(out2))),
				must(0, Call(f["log"], I32(2), I32(out), Load(0), I32(out2), Load(0))),
				must(0, Call(f["get_buffer_bytes"], I32(0), I32(8), I32(1000), I32(out), I32(out2))),
				must(0, Call(f["log"], I32(2), I32(out), Load(0), I32(out2), Load(0))),
				must(0, Call(f["get_buffer_bytes"], I32(0), I32(99), I32(1), I32(out), I32(out2))), I32(out2), Load(0), If(Unreachable),
				must(2, Call(f["get_buffer_bytes"], I32(0), I32(1), I32(-1), I32(out), I32(out2))),
				must(1, Call(f["get_buffer_bytes"], I32(1), I32(0), I32(1), I32(out), I32(out2))),
				must(2, Call(f["get_buffer_bytes"], I32(9), I32(0), I32(1), I32(out), I32(out2))),
				must(1, Call(f["set_buffer_bytes"], I32(7), I32(0), I32(1), g.text("x"))),
				must(2, Call(f["set_buffer_bytes"], I32(9), I32(0), I32(1), g.text("x"))))
		}, "one two three"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var j journal
			p := load(t, proxywasm.Config{Name: "p", Module: holding(c.change).Bytes(), Log: j.log})
			for range 2 { // an instance is used again
				s := stream(t, p, newExchange())
				for _, chunk := range []string{"one", " two"} {
					plane := []byte(chunk)
					if b, a := s.RequestBody(plane, false); b != nil || a != proxywasm.Pause {
						t.Fatalf("%q, %d, %v", b, a, s.Err())
					}
					copy(plane, "XXXX") // the plane uses its memory again
				}
				b, a := s.RequestBody([]byte(" three"), true)
				if a != proxywasm.Continue || string(b) != c.want {
					t.Errorf("%q, %d, %v", b, a, s.Err())
				}
				s.End()
			}
			if got := j.text(); c.name == "read" && !strings.HasPrefix(got, "info two\ninfo three\n") {
				t.Errorf("read %q", got)
			}
		})
	}
}

// TestBodyWithoutHook passes chunks on as they are.
func TestBodyWithoutHook(t *testing.T) {
	g, _ := newGuest("0_2_1")
	s := stream(t, load(t, proxywasm.Config{Name: "p", Module: g.Bytes()}), newExchange())
	chunk := []byte("abc")
	if b, a := s.ResponseBody(chunk, false); a != proxywasm.Continue || len(b) != 3 || &b[0] != &chunk[0] {
		t.Errorf("%q, %d", b, a)
	}
	s.End()
}

// TestHeld holds a body back in the hook, lets it go on later, and hands it over
// once.
func TestHeld(t *testing.T) {
	g, f := newGuest("0_2_1", "set_tick_period_milliseconds", "continue_stream", "set_effective_context", "set_buffer_bytes")
	g.Func("proxy_on_response_body", "iii", "i", 0, must(0, Call(f["set_tick_period_milliseconds"], I32(1))), I32(1))
	g.Func("proxy_on_tick", "i", "", 0, must(0, Call(f["set_tick_period_milliseconds"], I32(0))),
		must(0, Call(f["set_effective_context"], I32(2))), must(0, Call(f["set_buffer_bytes"], I32(1), I32(-1), I32(0), g.text("!"))),
		must(0, Call(f["continue_stream"], I32(1))))
	s := stream(t, load(t, proxywasm.Config{Name: "p", Module: g.Bytes()}), newExchange())
	if b, a := s.ResponseBody([]byte("held"), true); b != nil || a != proxywasm.Pause || s.HeldResponse() != nil {
		t.Errorf("%q, %d", b, a)
	}
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b := s.HeldResponse(); string(b) != "held!" {
		t.Errorf("held %q", b)
	}
	if b := s.HeldResponse(); b != nil {
		t.Errorf("handed over again: %q", b)
	}
	if b := s.HeldRequest(); b != nil {
		t.Errorf("held of the request: %q", b)
	}
	s.End()
}

// TestBodyBeyondLimit answers for a body that does not fit, and refuses a guest
// that would make one too large.
func TestBodyBeyondLimit(t *testing.T) {
	limits := proxywasm.Limits{BodyBytes: 10}
	p := load(t, proxywasm.Config{Name: "p", Module: holding(func(*guest, imports) []byte { return nil }).Bytes(), Limits: limits})
	s := stream(t, p, newExchange())
	s.RequestBody([]byte("12345678"), false)
	if b, a := s.RequestBody([]byte("901"), true); b != nil || a != proxywasm.Pause || s.Reply() == nil || s.Reply().Status != 413 {
		t.Errorf("%q, %d, %+v", b, a, s.Reply())
	}
	s.End()

	g, f := newGuest("0_2_1", "set_buffer_bytes")
	g.Func("proxy_on_response_body", "iii", "i", 0, must(10, Call(f["set_buffer_bytes"], I32(1), I32(-1), I32(0), g.text("eleven long"))), I32(1))
	s = stream(t, load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Limits: limits}), newExchange())
	if _, a := s.ResponseBody([]byte("12345678901"), false); a != proxywasm.Pause || s.Reply() == nil || s.Reply().Status != 500 {
		t.Errorf("%d, %+v, %v", a, s.Reply(), s.Err())
	}
	s.End()
}

// TestProperties asks the host, the plane and what the guest has set.
func TestProperties(t *testing.T) {
	g, f := newGuest("0_2_1", "get_property", "set_property", "replace_header_map_value")
	get := func(path, header string) []byte {
		return Join(must(0, Call(f["get_property"], g.text(path), I32(out), I32(out2))), g.put(f, proxywasm.RequestHeaders, header))
	}
	g.onRequest(
		get("plugin_name", "n"), get("plugin_root_id", "r"), get("plugin_vm_id", "v"), get("source\x00address", "a"), get("source\x00address\x00", "b"),
		must(1, Call(f["get_property"], g.text("no\x00such"), I32(out), I32(out2))),
		must(1, Call(f["get_property"], g.text(""), I32(out), I32(out2))),
		must(0, Call(f["set_property"], g.text("mine"), g.text("1"))), must(0, Call(f["set_property"], g.text("mine"), g.text("22"))), get("mine", "m"),
		must(10, Call(f["set_property"], g.text("mine"), I32(0), I32(60000))),
		I32(0))
	g.Func("proxy_on_response_headers", "iii", "i", 0, get("mine", "kept"), I32(0))
	p := load(t, proxywasm.Config{Name: "name", RootID: "root", VMID: "vm", Module: g.Bytes(), Limits: proxywasm.Limits{Properties: 50000}})
	x := newExchange()
	s := stream(t, p, x)
	if a := s.RequestHeaders(true); a != proxywasm.Continue {
		t.Fatal(s.Err())
	}
	if a := s.ResponseHeaders(true); a != proxywasm.Continue {
		t.Fatal(s.Err())
	}
	s.End()
	for name, want := range map[string]string{"n": "name", "r": "root", "v": "vm", "a": "127.0.0.1:4711", "b": "127.0.0.1:4711", "m": "22", "kept": "22"} {
		if got := x.field(proxywasm.RequestHeaders, name); got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
	s = stream(t, p, newExchange())
	if a := s.ResponseHeaders(true); a != proxywasm.Pause || s.Err() == nil {
		t.Error("a property outlived its stream")
	}
	s.End()
}

// TestLateDone keeps a context back after its stream, until the guest is done.
func TestLateDone(t *testing.T) {
	g, f := newGuest("0_2_1", "done", "set_effective_context", "log")
	g.Func("proxy_on_done", "i", "i", 0, I32(0))
	g.Func("proxy_on_log", "i", "", 0, g.say(f, "log"))
	g.Func("proxy_on_delete", "i", "", 0, g.say(f, "delete"))
	g.onRequest(must(1, Call(f["done"])), must(2, Call(f["set_effective_context"], I32(77))), must(2, Call(f["set_effective_context"], I32(0))),
		// the second stream is done with the first one's context
		Get(0), I32(3), Eq, If(must(0, Call(f["set_effective_context"], I32(2))), must(0, Call(f["done"])), must(1, Call(f["done"]))), I32(0))
	var j journal
	p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Log: j.log})
	for want := range 2 {
		s := stream(t, p, newExchange())
		if a := s.RequestHeaders(true); a != proxywasm.Continue {
			t.Fatal(s.Err())
		}
		if got := j.text(); strings.Count(got, "log") != want || strings.Count(got, "delete") != want {
			t.Errorf("logged %q", got)
		}
		s.End()
	}
}

// TestTrailers shows trailers to the guest.
func TestTrailers(t *testing.T) {
	g, f := newGuest("0_2_1", "add_header_map_value")
	g.Func("proxy_on_request_trailers", "ii", "i", 0, Get(1), I32(1), Ne, If(Unreachable), must(0, Call(f["add_header_map_value"], I32(1), g.text("t"), g.text("q"))), I32(0))
	g.Func("proxy_on_response_trailers", "ii", "i", 0, Get(1), I32(1), Ne, If(Unreachable), must(0, Call(f["add_header_map_value"], I32(3), g.text("t"), g.text("s"))), I32(0))
	x := newExchange()
	x.maps[1], x.maps[3] = &fields{{"a", "1"}}, &fields{{"b", "2"}}
	s := stream(t, load(t, proxywasm.Config{Name: "p", Module: g.Bytes()}), x)
	if a, b := s.RequestTrailers(), s.ResponseTrailers(); a != proxywasm.Continue || b != proxywasm.Continue {
		t.Fatal(a, b, s.Err())
	}
	s.End()
	if x.field(proxywasm.RequestTrailers, "t") != "q" || x.field(proxywasm.ResponseTrailers, "t") != "s" {
		t.Error(x.maps[1], x.maps[3])
	}
}
