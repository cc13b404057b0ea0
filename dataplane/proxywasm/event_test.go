package proxywasm_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/dataplane/proxywasm"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

// until looks for a condition until it holds, for as long as the test may take.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: never", what)
		}
	}
}

// TestTicks come to an idle instance, stop when the guest says so, and let a
// stream go on that waits for them.
func TestTicks(t *testing.T) {
	g, f := newGuest("0_2_1", "set_tick_period_milliseconds", "continue_stream", "set_effective_context", "log")
	ticks, waiting := g.Global(0), g.Global(0)
	g.Func("proxy_on_configure", "ii", "i", 0, must(0, Call(f["set_tick_period_milliseconds"], I32(1))), I32(1))
	g.Func("proxy_on_tick", "i", "", 0,
		Get(0), I32(1), Ne, If(Unreachable),
		GetGlobal(ticks), I32(1), Add, SetGlobal(ticks),
		GetGlobal(ticks), I32(3), Eq, If(g.say(f, "three")),
		GetGlobal(waiting), If(
			must(2, Call(f["continue_stream"], I32(0))), // the plugin context has no stream
			must(0, Call(f["set_effective_context"], GetGlobal(waiting))), must(0, Call(f["continue_stream"], I32(0))),
			must(0, Call(f["set_tick_period_milliseconds"], I32(0))), I32(0), SetGlobal(waiting)))
	g.onRequest(Get(0), SetGlobal(waiting), I32(1))
	var j journal
	p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Log: j.log})
	until(t, "three ticks", func() bool { return strings.Contains(j.text(), "three") })
	s := stream(t, p, newExchange())
	if a := s.RequestHeaders(true); a != proxywasm.Pause {
		t.Errorf("action %d", a)
	}
	if err := s.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	s.End()
}

// TestFailedTick replaces an instance that fails beside streams, so that its
// timer goes on.
func TestFailedTick(t *testing.T) {
	g, f := newGuest("0_2_1", "set_tick_period_milliseconds")
	g.Func("proxy_on_configure", "ii", "i", 0, must(0, Call(f["set_tick_period_milliseconds"], I32(1))), I32(1))
	g.Func("proxy_on_tick", "i", "", 0, Unreachable)
	p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes()})
	until(t, "two failures", func() bool { return p.Stats().Traps >= 2 })
	if st := p.Stats(); st.Started < 2 {
		t.Errorf("%+v", st)
	}
}

// TestQueues go from one plugin to another, which is told of each item.
func TestQueues(t *testing.T) {
	shared := proxywasm.NewShared(proxywasm.SharedLimits{Items: 3})
	g, f := newGuest("0_2_1", "register_shared_queue", "dequeue_shared_queue", "log")
	g.Func("proxy_on_configure", "ii", "i", 0,
		must(0, Call(f["register_shared_queue"], g.text("q"), I32(700))),
		must(0, Call(f["register_shared_queue"], g.text("q"), I32(704))), I32(700), Load(0), I32(704), Load(0), Ne, If(Unreachable),
		must(7, Call(f["dequeue_shared_queue"], I32(700), Load(0), I32(out), I32(out2))),
		must(1, Call(f["dequeue_shared_queue"], I32(99), I32(out), I32(out2))), I32(1))
	g.Func("proxy_on_queue_ready", "ii", "", 0, Get(1), I32(700), Load(0), Ne, If(Unreachable),
		must(0, Call(f["dequeue_shared_queue"], Get(1), I32(out), I32(out2))),
		must(0, Call(f["log"], I32(2), I32(out), Load(0), I32(out2), Load(0))))
	var j journal
	load(t, proxywasm.Config{Name: "reader", VMID: "reader", Module: g.Bytes(), Shared: shared, Log: j.log})

	g, f = newGuest("0_2_1", "resolve_shared_queue", "enqueue_shared_queue")
	g.onRequest(
		must(1, Call(f["resolve_shared_queue"], g.text("reader"), g.text("none"), I32(out))),
		must(1, Call(f["resolve_shared_queue"], g.text(""), g.text("q"), I32(out))), // of its own VM id
		must(0, Call(f["resolve_shared_queue"], g.text("reader"), g.text("q"), I32(out))),
		must(1, Call(f["enqueue_shared_queue"], I32(99), g.text("x"))),
		must(0, Call(f["enqueue_shared_queue"], I32(out), Load(0), g.text("first"))),
		must(0, Call(f["enqueue_shared_queue"], I32(out), Load(0), g.text("second"))), I32(0))
	p := load(t, proxywasm.Config{Name: "writer", VMID: "writer", Module: g.Bytes(), Shared: shared})
	s := stream(t, p, newExchange())
	if a := s.RequestHeaders(true); a != proxywasm.Continue {
		t.Error(s.Err())
	}
	s.End()
	until(t, "both items", func() bool { return strings.Contains(j.text(), "first") && strings.Contains(j.text(), "second") })
}

// TestQueueLimits holds items in their order, queues to their limits, and an
// empty VM id for the guest's own.
func TestQueueLimits(t *testing.T) {
	g, f := newGuest("0_2_1", "register_shared_queue", "resolve_shared_queue", "enqueue_shared_queue", "dequeue_shared_queue", "log")
	queue := Join(I32(700), Load(0))
	add := func(text string) []byte { return Call(f["enqueue_shared_queue"], queue, g.text(text)) }
	take := Join(must(0, Call(f["dequeue_shared_queue"], queue, I32(out), I32(out2))), must(0, Call(f["log"], I32(2), I32(out), Load(0), I32(out2), Load(0))))
	g.onRequest(
		must(0, Call(f["register_shared_queue"], g.text("q"), I32(700))), must(10, Call(f["register_shared_queue"], g.text("r"), I32(704))),
		must(6, Call(f["register_shared_queue"], g.text("q"), I32(-1))),
		must(0, Call(f["resolve_shared_queue"], g.text(""), g.text("q"), I32(704))), I32(704), Load(0), queue, Ne, If(Unreachable),
		must(0, add("one")), must(0, add("two")), must(10, add("three")), take, must(10, add("three, which is too long")), must(0, add("three")),
		must(6, Call(f["dequeue_shared_queue"], queue, I32(-1), I32(out2))), take, take,
		must(7, Call(f["dequeue_shared_queue"], queue, I32(out), I32(out2))), I32(0))
	var j journal
	p := load(t, proxywasm.Config{
		Name: "p", VMID: "vm", Module: g.Bytes(), Log: j.log, Shared: proxywasm.NewShared(proxywasm.SharedLimits{Queues: 1, Items: 2, Bytes: 20}),
	})
	s := stream(t, p, newExchange())
	if a := s.RequestHeaders(true); a != proxywasm.Continue {
		t.Error(s.Err())
	}
	s.End()
	if got := j.text(); got != "info one\ninfo two\ninfo three" {
		t.Errorf("taken %q", got)
	}
}

// TestQueueOfBusyInstance tells the instance that waits, when it is the only one.
func TestQueueOfBusyInstance(t *testing.T) {
	g, f := newGuest("0_2_1", "register_shared_queue", "enqueue_shared_queue", "set_effective_context", "continue_stream")
	g.Func("proxy_on_configure", "ii", "i", 0, must(0, Call(f["register_shared_queue"], g.text("q"), I32(700))), I32(1))
	g.Func("proxy_on_queue_ready", "ii", "", 0, must(0, Call(f["set_effective_context"], I32(2))), must(0, Call(f["continue_stream"], I32(0))))
	g.onRequest(must(0, Call(f["enqueue_shared_queue"], I32(700), Load(0), g.text("x"))), I32(1))
	s := stream(t, load(t, proxywasm.Config{Name: "p", Module: g.Bytes()}), newExchange())
	if a := s.RequestHeaders(true); a != proxywasm.Pause {
		t.Error(a, s.Err())
	}
	if err := s.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	s.End()
}

// TestCall pauses a request, calls a cluster, and lets the request go on with
// what the response said, or answers it.
func TestCall(t *testing.T) {
	g, f := newGuest("0_2_1", "http_call", "get_header_map_value", "get_buffer_bytes", "replace_header_map_value", "set_effective_context",
		"continue_stream", "send_local_response", "grpc_call", "call_foreign_function", "get_status")
	headers := pairsText(":method", "GET", ":path", "/ok", ":authority", "auth")
	call := func(cluster, headers string, at int32) []byte {
		return Call(f["http_call"], g.text(cluster), g.text(headers), g.text("body"), g.text(pairsText("t", "1")), I32(5000), I32(at))
	}
	g.onRequest(
		must(2, call("none", headers, 720)), must(2, call("auth", pairsText(":method", "GET", ":path", "/"), 720)), must(6, call("auth", headers, -1)),
		must(12, Call(f["grpc_call"], I32(0), I32(0), I32(0), I32(0), I32(0), I32(0), I32(0), I32(0), I32(0), I32(0), I32(0), I32(0))),
		must(1, Call(f["call_foreign_function"], g.text("f"), g.text("a"), I32(out), I32(out2))),
		must(0, Call(f["get_status"], I32(out), I32(out2), I32(out3))),
		must(0, call("auth", headers, 720)), must(10, call("auth", headers, 724)), // one is all that is allowed
		I32(1))
	g.Func("proxy_on_http_call_response", "iiiii", "", 0,
		Get(1), I32(720), Load(0), Ne, If(Unreachable),
		must(0, Call(f["set_effective_context"], I32(2))),
		Get(2), Eqz, If(must(0, Call(f["send_local_response"], I32(503), g.text(""), g.text("auth is away"), g.text(""), I32(-1))), Return),
		Get(3), I32(5), Ne, If(Unreachable), Get(4), I32(1), Ne, If(Unreachable),
		must(0, Call(f["get_header_map_value"], I32(6), g.text("x-who"), I32(out), I32(out2))), g.put(f, 0, "x-who"),
		must(0, Call(f["get_header_map_value"], I32(7), g.text("end"), I32(out), I32(out2))), g.put(f, 0, "x-end"),
		must(0, Call(f["get_buffer_bytes"], I32(4), I32(0), I32(99), I32(out), I32(out2))), g.put(f, 0, "x-body"),
		must(0, Call(f["continue_stream"], I32(0))))
	asked := make(chan proxywasm.Call, 1)
	answer := make(chan error)
	p := load(t, proxywasm.Config{
		Name: "p", Module: g.Bytes(), Limits: proxywasm.Limits{Calls: 1},
		Cluster: func(name string) bool { return name == "auth" },
		Call: func(ctx context.Context, c proxywasm.Call) (proxywasm.CallResponse, error) {
			asked <- c
			err := <-answer
			return proxywasm.CallResponse{
				Headers:  []proxywasm.Field{{Name: ":status", Value: "200"}, {Name: "X-Who", Value: "ada"}},
				Body:     []byte("hello"),
				Trailers: []proxywasm.Field{{Name: "end", Value: "fine"}},
			}, err
		},
	})
	t.Run("answered", func(t *testing.T) {
		x := newExchange()
		s := stream(t, p, x)
		if a := s.RequestHeaders(true); a != proxywasm.Pause {
			t.Fatal(a, s.Err())
		}
		want := proxywasm.Call{
			Cluster: "auth", Body: []byte("body"), Timeout: 5 * time.Second, Trailers: []proxywasm.Field{{Name: "t", Value: "1"}},
			Headers: []proxywasm.Field{{Name: ":method", Value: "GET"}, {Name: ":path", Value: "/ok"}, {Name: ":authority", Value: "auth"}},
		}
		if diff := cmp.Diff(want, <-asked); diff != "" {
			t.Error(diff)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Wait(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("waited without an answer: %v", err)
		}
		answer <- nil
		if err := s.Wait(t.Context()); err != nil || s.Reply() != nil {
			t.Fatal(err, s.Reply())
		}
		s.End()
		for name, want := range map[string]string{"x-who": "ada", "x-end": "fine", "x-body": "hello"} {
			if got := x.field(proxywasm.RequestHeaders, name); got != want {
				t.Errorf("%s: %q, not %q", name, got, want)
			}
		}
	})
	t.Run("failed", func(t *testing.T) {
		p := load(t, proxywasm.Config{
			Name: "p", Module: g.Bytes(), Limits: proxywasm.Limits{Calls: 1},
			Cluster: func(name string) bool { return name == "auth" },
			Call: func(context.Context, proxywasm.Call) (proxywasm.CallResponse, error) {
				return proxywasm.CallResponse{}, errors.New("nobody there")
			},
		})
		s := stream(t, p, newExchange())
		s.RequestHeaders(true)
		if err := s.Wait(t.Context()); err != nil || s.Reply() == nil || s.Reply().Status != 503 {
			t.Error(err, s.Reply())
		}
		s.End()
	})
	t.Run("answered after its stream", func(t *testing.T) {
		s := stream(t, p, newExchange())
		if a := s.RequestHeaders(true); a != proxywasm.Pause {
			t.Fatal(a, s.Err())
		}
		s.End()
		<-asked
		answer <- nil
		until(t, "told", func() bool { return p.Stats().Traps == 1 }) // the guest asks for the context 2, which is gone
		stream(t, p, newExchange()).End()
	})
	t.Run("no calls", func(t *testing.T) {
		g, f := newGuest("0_2_1", "http_call")
		g.onRequest(must(2, Call(f["http_call"], g.text("auth"), g.text(headers), g.text(""), g.text(""), I32(0), I32(out))), I32(0))
		s := stream(t, load(t, proxywasm.Config{Name: "p", Module: g.Bytes()}), newExchange())
		if a := s.RequestHeaders(true); a != proxywasm.Continue {
			t.Error(s.Err())
		}
		s.End()
	})
}

// TestCloseHangsUp ends calls that nobody answers.
func TestCloseHangsUp(t *testing.T) {
	g, f := newGuest("0_2_1", "http_call")
	headers := pairsText(":method", "GET", ":path", "/", ":authority", "auth")
	g.onRequest(must(0, Call(f["http_call"], g.text("auth"), g.text(headers), g.text(""), g.text(""), I32(0), I32(out))), I32(0))
	p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Call: func(ctx context.Context, _ proxywasm.Call) (proxywasm.CallResponse, error) {
		<-ctx.Done()
		return proxywasm.CallResponse{}, ctx.Err()
	}})
	s := stream(t, p, newExchange())
	if a := s.RequestHeaders(true); a != proxywasm.Continue {
		t.Error(s.Err())
	}
	s.End()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
