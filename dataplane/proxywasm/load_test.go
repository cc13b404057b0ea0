package proxywasm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane/proxywasm"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

// TestLoadRefuses says of each module what is wrong with it.
func TestLoadRefuses(t *testing.T) {
	whole, _ := newGuest("0_2_1")
	hook := func(export, params, results string, code ...[]byte) []byte {
		g, _ := newGuest("0_2_1")
		g.Func(export, params, results, 0, code...)
		return g.Bytes()
	}
	importing := func(module, name, params, results string) []byte {
		g := &guest{texts: textsAt}
		g.Import(module, name, params, results)
		g.body("0_2_1", "malloc")
		return g.Bytes()
	}
	var plain, bare Module
	plain.Func("run", "", "", 0)
	bare.Func("proxy_abi_version_0_2_1", "", "", 0)
	started, _ := newGuest("0_2_1")
	started.Start(started.Func("", "", "", 0, Unreachable))
	large := &guest{texts: textsAt}
	large.body("0_2_1", "malloc")
	large.Memory(1025, 2000)
	future := &guest{texts: textsAt}
	future.body("0_3_0", "malloc")
	for _, c := range []struct {
		name   string
		module []byte
		want   string
	}{
		{"empty", nil, "the module is empty"},
		{"foreign", []byte("#!/bin/sh\n"), `it is no WebAssembly module: it begins with "#!/bin/s"`},
		{"truncated", whole.Bytes()[:100], "cut off"},
		{"too large", make([]byte, 1<<20+1), "Limits.ModuleBytes"},
		{"no plugin", plain.Bytes(), "no proxy-wasm module: it exports no proxy_abi_version_"},
		{"a later version", future.Bytes(), "written for proxy_abi_version_0_3_0"},
		{"unknown import", importing("env", "proxy_teleport", "", "i"), "it imports env.proxy_teleport, which this host does not have"},
		{"unknown module", importing("wasi_snapshot_preview2", "x", "", ""), "it imports wasi_snapshot_preview2.x"},
		{"import of another type", importing("env", "proxy_log", "i", "i"), "it imports env.proxy_log with another type"},
		{"hook of another type", hook("proxy_on_tick", "ii", ""), "its export proxy_on_tick has another type"},
		{"_initialize of another type", hook("_initialize", "i", ""), "its export _initialize takes"},
		{"no allocator", bare.Bytes(), "exports neither proxy_on_memory_allocate nor malloc"},
		{"more memory at once than allowed", large.Bytes(), "memory"},
		{"invalid code", hook("proxy_on_tick", "i", "", Add), "compile: "},
		{"VM configuration refused", hook("proxy_on_vm_start", "ii", "i", I32(0)), "refused its VM configuration"},
		{"configuration refused", hook("proxy_on_configure", "ii", "i", I32(0)), "refused its configuration"},
		{"trap in the start function", started.Bytes(), "in start: the guest trapped: "},
		{"trap in _initialize", hook("_initialize", "", "", Unreachable), "in _initialize: the guest trapped: wasm error: unreachable"},
		{"trap when configured", hook("proxy_on_configure", "ii", "i", Unreachable), "in proxy_on_configure: the guest trapped"},
		{"endless start", hook("_start", "", "", Loop(Br(0))), "in _start: the guest ran for longer than its deadline"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := proxywasm.Load(context.Background(), proxywasm.Config{
				Name: "p", Module: c.module,
				Limits: proxywasm.Limits{StartDeadline: 20 * time.Millisecond, ModuleBytes: 1 << 20},
			})
			if err == nil {
				p.Close()
				t.Fatal("loaded")
			}
			if !strings.HasPrefix(err.Error(), "load plugin p: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n\t") {
				t.Errorf("%v\n\tnot %q", err, c.want)
			}
		})
	}
}

// TestTrapAtStartLeavesNothing starts what traps at once, many times, and sees
// that the address space reserved for each is given back.
func TestTrapAtStartLeavesNothing(t *testing.T) {
	const times, reserved = 32, 1000 << 16 // what the guest may grow to
	g, _ := newGuest("0_2_1")
	g.Start(g.Func("", "", "", 0, Unreachable))
	size := func() (kilobytes int) {
		b, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(b), "VmSize:")
		if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
			t.Fatal(err)
		}
		return kilobytes
	}
	before := size()
	for range times {
		p, err := proxywasm.Load(t.Context(), proxywasm.Config{Name: "p", Module: g.Bytes()})
		if err == nil {
			p.Close()
			t.Fatal("loaded")
		}
	}
	until(t, "given back", func() bool {
		runtime.GC()
		return size() < before+times*reserved>>10/4
	})
}

// TestVersions loads and runs a module of each version, with the functions that
// only it has, and the ways to begin.
func TestVersions(t *testing.T) {
	configured := proxywasm.Config{Name: "v", VMConfiguration: []byte("vm"), Configuration: []byte("plugin")}
	t.Run("0.1.0", func(t *testing.T) {
		g := &guest{texts: textsAt}
		f := imports{}
		for _, name := range []string{"get_configuration", "continue_request", "continue_response", "clear_route_cache", "get_header_map_value", "log"} {
			s := signatures["proxy_"+name]
			f[name] = g.Import("env", "proxy_"+name, s[0], s[1])
		}
		g.body("0_1_0", "malloc")
		sayConfiguration := Join(must(0, Call(f["get_configuration"], I32(out), I32(out2))),
			must(0, Call(f["log"], I32(2), I32(out), Load(0), I32(out2), Load(0))))
		g.Func("_start", "", "", 0, g.say(f, "start"))
		g.Func("proxy_on_vm_start", "ii", "i", 0, sayConfiguration, I32(1))
		g.Func("proxy_on_configure", "ii", "i", 0, sayConfiguration, I32(1))
		g.Func("proxy_on_request_headers", "ii", "i", 0,
			// a header that is not there is an empty one
			must(0, Call(f["get_header_map_value"], I32(0), g.text("x-none"), I32(out), I32(out2))), I32(out), Load(0), If(Unreachable),
			must(0, Call(f["clear_route_cache"])), must(0, Call(f["continue_request"])), I32(1))
		g.Func("proxy_on_response_headers", "ii", "i", 0, must(0, Call(f["continue_response"])), I32(1))
		var j journal
		c := configured
		c.Module, c.Log = g.Bytes(), j.log
		s := stream(t, load(t, c), newExchange())
		if a, b := s.RequestHeaders(true), s.ResponseHeaders(true); a != proxywasm.Continue || b != proxywasm.Continue {
			t.Errorf("actions %d, %d: %v", a, b, s.Err())
		}
		s.End()
		if got := j.text(); got != "info start\ninfo vm\ninfo plugin" {
			t.Errorf("logged %q", got)
		}
	})
	for _, version := range []string{"0_2_0", "0_2_1"} {
		t.Run(version, func(t *testing.T) {
			g, f := newGuest(version, "log", "get_buffer_bytes", "get_header_map_value", "continue_stream")
			say := func(buffer int32) []byte {
				return Join(must(0, Call(f["get_buffer_bytes"], I32(buffer), I32(0), I32(100), I32(out), I32(out2))),
					must(0, Call(f["log"], I32(2), I32(out), Load(0), I32(out2), Load(0))))
			}
			g.Func("_start", "", "", 0, Unreachable) // not where there is an _initialize
			g.Func("_initialize", "", "", 0, g.say(f, "initialize"))
			g.Func("main", "ii", "i", 0, g.say(f, "main"), I32(0))
			g.Func("proxy_on_context_create", "ii", "", 0, Get(1), Eqz, If(g.say(f, "root")))
			g.Func("proxy_on_vm_start", "ii", "i", 0, Get(1), I32(2), Ne, If(Unreachable), say(6), I32(1))
			g.Func("proxy_on_configure", "ii", "i", 0, Get(1), I32(6), Ne, If(Unreachable), say(7), I32(1))
			g.onRequest(must(1, Call(f["get_header_map_value"], I32(0), g.text("x-none"), I32(out), I32(out2))),
				must(2, Call(f["continue_stream"], I32(4))), must(12, Call(f["continue_stream"], I32(2))), must(0, Call(f["continue_stream"], I32(0))), I32(1))
			var j journal
			c := configured
			c.Module, c.Log = g.Bytes(), j.log
			s := stream(t, load(t, c), newExchange())
			if a := s.RequestHeaders(true); a != proxywasm.Continue {
				t.Errorf("action %d: %v", a, s.Err())
			}
			s.End()
			if got := j.text(); got != "info initialize\ninfo main\ninfo root\ninfo vm\ninfo plugin" {
				t.Errorf("logged %q", got)
			}
		})
	}
}

// TestClose refuses streams after it, lets those that stand end, and runs the
// end of the plugin context once.
func TestClose(t *testing.T) {
	g, f := newGuest("0_2_1", "log")
	g.Func("proxy_on_done", "i", "i", 0, Get(0), I32(1), Eq, If(g.say(f, "done")), I32(1))
	g.Func("proxy_on_delete", "i", "", 0, Get(0), I32(1), Eq, If(g.say(f, "deleted")))
	g.onRequest(I32(0))
	var j journal
	p := load(t, proxywasm.Config{Name: "c", Module: g.Bytes(), Log: j.log})
	open, idle := stream(t, p, newExchange()), stream(t, p, newExchange())
	idle.End()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Stream(newExchange()); !errors.Is(err, proxywasm.ErrClosed) {
		t.Errorf("a stream of a closed plugin: %v", err)
	}
	if a := open.RequestHeaders(true); a != proxywasm.Continue {
		t.Errorf("the open stream: %d, %v", a, open.Err())
	}
	open.End()
	if got := j.text(); got != "info done\ninfo deleted" {
		t.Errorf("logged %q", got)
	}
	if n := p.Stats().Instances; n != 0 {
		t.Errorf("%d instances are left", n)
	}
	if err := p.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// TestSees knows the hooks that a module exports.
func TestSees(t *testing.T) {
	g, _ := newGuest("0_2_1")
	g.onRequest(I32(0))
	p := load(t, proxywasm.Config{Name: "s", Module: g.Bytes()})
	for h, want := range map[proxywasm.Hook]bool{
		proxywasm.OnRequestHeaders: true, proxywasm.OnRequestBody: false, proxywasm.OnResponseHeaders: false, -1: false, 99: false,
	} {
		if got := p.Sees(h); got != want {
			t.Errorf("%v: %v", h, got)
		}
	}
}
