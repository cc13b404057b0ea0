package proxywasm_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/dataplane/proxywasm"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

const (
	lentAt  = 8192 // what the guests here lend
	wantsAt = 2048
	leftAt  = 3072
	usual   = -1
	end     = 2 << 16 // of their memory
)

// words puts numbers into a guest's memory.
func (g *guest) words(at int32, all ...int32) {
	var b []byte
	for _, w := range all {
		b = binary.LittleEndian.AppendUint32(b, uint32(w))
	}
	g.Data(at, string(b))
}

// at puts a text into memory, and returns its address and length.
func (g *guest) at(s string) []int32 {
	at := g.texts
	g.texts += int32(len(s))
	g.Data(at, s)
	return []int32{at, int32(len(s))}
}

// wanted makes a guest say that it wants a header, one that is not there, and a
// property.
func (g *guest) wanted() {
	list := []int32{3, 0}
	list = append(append(list, g.at("x-user")...), 0)
	list = append(append(list, g.at("x-none")...), 1)
	g.words(wantsAt, append(list, g.at("source\x00address")...)...)
	g.Func("tare_wants", "", "i", 0, I32(wantsAt))
}

// left makes a guest leave the header and the property, as they lie in the
// memory that it lends, for the response.
func (g *guest) left() []byte {
	name := g.at("x-left")
	g.words(leftAt, 2, name[0], name[1], 0, 0, name[0], name[1], 0, 0)
	entry := func(place uint32, to int32) []byte {
		from := 8 + 8*place
		return Join(I32(to), I32(lentAt), Load(from), Store(0), I32(to+4), I32(lentAt), Load(from+4), Store(0))
	}
	return Join(entry(0, leftAt+12), entry(2, leftAt+28))
}

// takes makes a guest that may take requests whole, and which traps in every
// hook beside.
func takes(lends int64, names ...string) (*guest, imports) {
	g, f := newGuest("0_2_1", names...)
	g.Func("tare_lend", "", "l", 0, I64(area(lentAt, lends)))
	return g, f
}

func (g *guest) onWhole(code ...[]byte) []byte {
	g.Func("tare_on_request", "ii", "i", 0, code...)
	return g.Bytes()
}

func (g *guest) trapsBeside() {
	g.Func("proxy_on_context_create", "ii", "", 0, Get(1), If(Unreachable))
	for _, hook := range []string{"proxy_on_request_headers", "proxy_on_request_body", "proxy_on_response_headers", "proxy_on_response_body"} {
		g.Func(hook, "iii", "i", 0, Unreachable)
	}
	g.Func("proxy_on_done", "i", "i", 0, Unreachable)
	g.Func("proxy_on_log", "i", "", 0, Unreachable)
	g.Func("proxy_on_delete", "i", "", 0, Unreachable)
}

// respond shows a stream the head of the response, with what was left for it.
func respond(s *proxywasm.Stream, x *exchange) proxywasm.Action {
	left, _ := s.Taken()
	for _, a := range left {
		x.maps[proxywasm.ResponseHeaders].Add(a.Name, a.Value)
	}
	return s.ResponseHeaders(false)
}

// pass takes an exchange through a plugin to its end.
func pass(t *testing.T, p *proxywasm.Plugin, x *exchange) (r *proxywasm.Reply) {
	t.Helper()
	s := stream(t, p, x)
	defer s.End()
	body := []byte("body")
	steps := []func() proxywasm.Action{
		func() proxywasm.Action { return s.RequestHeaders(false) },
		func() proxywasm.Action {
			b, a := s.RequestBody(body, true)
			if a == proxywasm.Continue && string(b) != string(body) {
				t.Errorf("the body became %q", b)
			}
			return a
		},
		func() proxywasm.Action { return respond(s, x) },
		func() proxywasm.Action { _, a := s.ResponseBody(body, true); return a },
	}
	for i, step := range steps {
		a := step()
		if err := s.Err(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if r := s.Reply(); r != nil {
			return r
		}
		if a != proxywasm.Continue {
			t.Fatalf("step %d: %v", i, a)
		}
	}
	return nil
}

// TestWhole hands a request over whole: the guest finds what it wants, what it
// leaves is added to the response, and no hook of it is called.
func TestWhole(t *testing.T) {
	g, _ := takes(1024)
	g.wanted()
	g.trapsBeside()
	p := load(t, proxywasm.Config{Name: "p", Module: g.onWhole(g.left(), I32(leftAt)), Limits: proxywasm.Limits{Instances: 1}})
	for range 3 {
		x := newExchange()
		if r := pass(t, p, x); r != nil {
			t.Fatalf("%+v", r)
		}
		want := fields{{":status", "200"}, {"server", "hub"}, {"x-left", "ada"}, {"x-left", "127.0.0.1:4711"}}
		if d := cmp.Diff(&want, x.maps[proxywasm.ResponseHeaders]); d != "" {
			t.Error(d)
		}
	}
}

// TestWholeNothing: a guest that wants and leaves nothing.
func TestWholeNothing(t *testing.T) {
	g, _ := takes(8)
	g.trapsBeside()
	x := newExchange()
	if r := pass(t, load(t, proxywasm.Config{Name: "p", Module: g.onWhole(I32(0))}), x); r != nil || len(*x.maps[proxywasm.ResponseHeaders]) != 2 {
		t.Errorf("%+v %v", r, x.maps[proxywasm.ResponseHeaders])
	}
}

// TestWholeAsUsual calls all hooks where the guest wants that, and where what it
// wants to know does not fit into what it lends.
func TestWholeAsUsual(t *testing.T) {
	const table, user = 8 + 3*8, 24 // what is wanted, rounded up
	for _, c := range []struct {
		name   string
		lends  int64
		answer int32
		said   string
	}{
		{"the guest's will", 1024, usual, "info whole\ninfo create\ninfo head\ninfo done"},
		{"it fits exactly", table + user + int64(len("127.0.0.1:4711")), usual, "info whole\ninfo create\ninfo head\ninfo done"},
		{"it does not fit", table + user + int64(len("127.0.0.1:4711")) - 1, 0, "info create\ninfo head\ninfo done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, f := takes(c.lends, "log")
			g.wanted()
			g.Func("proxy_on_context_create", "ii", "", 0, Get(1), If(g.say(f, "create")))
			g.onRequest(g.say(f, "head"), I32(0))
			g.Func("proxy_on_done", "i", "i", 0, g.say(f, "done"), I32(1))
			var j journal
			p := load(t, proxywasm.Config{Name: "p", Module: g.onWhole(g.say(f, "whole"), I32(c.answer)), Log: j.log})
			x := newExchange()
			x.maps[proxywasm.RequestHeaders].Set([]byte("x-user"), []byte(strings.Repeat("u", user-3)))
			s := stream(t, p, x)
			if a := s.RequestHeaders(true); a != proxywasm.Continue {
				t.Errorf("%v %v", a, s.Err())
			}
			s.ResponseHeaders(true)
			s.End()
			if j.text() != c.said {
				t.Errorf("%s\n\tnot %s", j.text(), c.said)
			}
		})
	}
}

// TestWholeReply: a guest that takes a request whole may answer it.
func TestWholeReply(t *testing.T) {
	g, f := takes(64, "send_local_response")
	g.trapsBeside()
	none := Join(I32(0), I32(0))
	p := load(t, proxywasm.Config{Name: "p", Module: g.onWhole(
		must(0, Call(f["send_local_response"], I32(429), none, g.text("enough"), none, I32(-1))), I32(0))})
	for range 2 {
		r := pass(t, p, newExchange())
		if r == nil || r.Status != 429 || string(r.Body) != "enough" {
			t.Fatalf("%+v", r)
		}
	}
}

// TestWholeTime puts the time behind each reading of shared data, and only then.
func TestWholeTime(t *testing.T) {
	g, f := takes(64, "get_shared_data", "get_current_time_nanoseconds", "add_header_map_value")
	read := func() []byte {
		return must(1, Call(f["get_shared_data"], g.text("key"), I32(out), I32(out2), I32(out3)))
	}
	// Traps unless a <= b, two numbers of 64 bits in memory.
	later := func(a, b int32) []byte {
		return Join(I32(a), Load64(0), I32(b), Load64(0), Op(0x56), If(Unreachable)) // gt_u
	}
	keep := func(to int32) []byte { return Join(I32(to), I32(lentAt), Load64(0), Op(0x37, 3, 0)) } // i64.store
	now := func(to int32) []byte { return must(0, Call(f["get_current_time_nanoseconds"], I32(to))) }
	p := load(t, proxywasm.Config{Name: "p", Module: g.onWhole(
		I32(lentAt), Load(0), If(Unreachable), I32(lentAt), Load(4), If(Unreachable),
		now(600), read(), keep(608), now(616), read(), keep(624), now(632),
		later(600, 608), later(608, 616), later(616, 624), later(624, 632), I32(0))})
	for range 3 {
		if r := pass(t, p, newExchange()); r != nil {
			t.Fatalf("%+v", r)
		}
	}
}

// TestWholeFails: what a guest may do wrong is its failure, and the next
// request finds a new instance.
func TestWholeFails(t *testing.T) {
	long := []int32{9}
	for range 9 {
		long = append(long, 0, 0, 0, 120_000)
	}
	for _, c := range []struct {
		name   string
		left   []int32
		answer []byte
		want   string
	}{
		{"traps", nil, Unreachable, "unreachable"},
		{"runs on", nil, Join(Loop(Br(0)), I32(0)), "deadline"},
		{"an address beyond its memory", nil, I32(end - 2), "headers at 131070"},
		{"too many headers", []int32{1025}, I32(leftAt), "leaves 1025 headers"},
		{"a list beyond its memory", nil, Join(I32(end-4), I32(1), Store(0), I32(end-4)), "end beyond its memory"},
		{"a name beyond its memory", []int32{1, end - 1, 2, 0, 0}, I32(leftAt), "not within its memory"},
		{"a value beyond its memory", []int32{1, 0, 1, -1, 2}, I32(leftAt), "not within its memory"},
		{"too much of them", long, I32(leftAt), "more than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, _ := takes(64)
			g.words(leftAt, c.left...)
			p := load(t, proxywasm.Config{Name: "p", Module: g.onWhole(c.answer), Limits: proxywasm.Limits{Deadline: 10 * time.Millisecond}})
			for range 2 {
				s := stream(t, p, newExchange())
				a := s.RequestHeaders(true)
				var failure *proxywasm.Failure
				if a != proxywasm.Pause || !errors.As(s.Err(), &failure) || failure.In != "tare_on_request" || !strings.Contains(failure.Error(), c.want) {
					t.Errorf("%v %v", a, s.Err())
				}
				s.End()
			}
			if n := p.Stats().Started; n != 2 {
				t.Errorf("%d instances", n)
			}
		})
	}
}

// TestWholeRefused refuses a guest whose wants make no sense.
func TestWholeRefused(t *testing.T) {
	wants := func(lends int64, list ...int32) []byte {
		g, _ := takes(lends)
		g.words(wantsAt, list...)
		g.Func("tare_wants", "", "i", 0, I32(wantsAt))
		return g.onWhole(I32(0))
	}
	typed := func(export, params, results string, code ...[]byte) []byte {
		g, _ := takes(64)
		if export != "tare_on_request" {
			g.Func("tare_on_request", "ii", "i", 0, I32(0))
		}
		g.Func(export, params, results, 0, code...)
		return g.Bytes()
	}
	lendsNothing, _ := newGuest("0_2_1")
	for _, c := range []struct {
		name   string
		module []byte
		want   string
	}{
		{"lends nothing", lendsNothing.onWhole(I32(0)), "it must lend at least 8 bytes, and lends 0 (tare_lend)"},
		{"lends too little", wants(8+8-1, 1, 0, textsAt, 1), "it must lend at least 16 bytes"},
		{"too many", wants(1024, 65), "tare_wants says 65 things"},
		{"an unknown kind", wants(1024, 1, 2, textsAt, 1), "of the kind 2"},
		{"too long a name", wants(1024, 1, 0, textsAt, 257), "a name of 257 bytes"},
		{"a name beyond memory", wants(1024, 1, 0, -1, 2), "within its memory"},
		{"a list beyond memory", typed("tare_wants", "", "i", Join(I32(end-4), I32(1), Store(0), I32(end-4))), "ends beyond its memory"},
		{"beyond memory", typed("tare_wants", "", "i", I32(end-2)), "within its memory"},
		{"traps", typed("tare_wants", "", "i", Unreachable), "in tare_wants: the guest trapped"},
		{"wants of another type", typed("tare_wants", "i", "i", I32(0)), "its export tare_wants has another type"},
		{"a request of another type", typed("tare_on_request", "i", "i", I32(0)), "its export tare_on_request has another type"},
	} {
		_, err := proxywasm.Load(t.Context(), proxywasm.Config{Name: "p", Module: c.module})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
