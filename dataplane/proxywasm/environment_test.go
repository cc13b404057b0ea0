package proxywasm_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/dataplane/proxywasm"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

// TestMetrics defines metrics of each kind, from two instances, and reads them.
func TestMetrics(t *testing.T) {
	g, f := newGuest("0_2_1", "define_metric", "increment_metric", "record_metric", "get_metric")
	define := func(kind int32, name string, at int32) []byte {
		return must(0, Call(f["define_metric"], I32(kind), g.text(name), I32(at)))
	}
	g.Func("proxy_on_configure", "ii", "i", 0,
		define(0, "requests", 700), define(1, "level", 704), define(2, "sizes", 708), define(0, "requests", 712),
		I32(700), Load(0), I32(712), Load(0), Ne, If(Unreachable),
		must(2, Call(f["define_metric"], I32(3), g.text("x"), I32(out))),
		must(10, Call(f["define_metric"], I32(0), g.text("one too many"), I32(out))),
		must(6, Call(f["define_metric"], I32(0), g.text("requests"), I32(-1))),
		I32(1))
	g.onRequest(
		must(0, Call(f["increment_metric"], I32(700), Load(0), I64(2))), must(0, Call(f["record_metric"], I32(700), Load(0), I64(1))),
		must(2, Call(f["increment_metric"], I32(700), Load(0), I64(-1))),
		must(0, Call(f["record_metric"], I32(704), Load(0), I64(50))), must(0, Call(f["increment_metric"], I32(704), Load(0), I64(-8))),
		must(0, Call(f["record_metric"], I32(708), Load(0), I64(10))), must(2, Call(f["increment_metric"], I32(708), Load(0), I64(1))),
		must(1, Call(f["record_metric"], I32(0), I64(1))), must(1, Call(f["record_metric"], I32(99), I64(1))), must(1, Call(f["increment_metric"], I32(-1), I64(1))),
		must(1, Call(f["get_metric"], I32(99), I32(out))), must(2, Call(f["get_metric"], I32(708), Load(0), I32(out))),
		must(6, Call(f["get_metric"], I32(704), Load(0), I32(-1))),
		must(0, Call(f["get_metric"], I32(704), Load(0), I32(out))), I32(out), Load(0), I32(42), Ne, If(Unreachable),
		I32(0))
	p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Limits: proxywasm.Limits{Metrics: 3}})
	a, b := stream(t, p, newExchange()), stream(t, p, newExchange())
	for _, s := range []*proxywasm.Stream{a, b} {
		if got := s.RequestHeaders(true); got != proxywasm.Continue {
			t.Error(s.Err())
		}
		s.End()
	}
	want := []proxywasm.Metric{
		{Name: "requests", Kind: proxywasm.Counter, Value: 6},
		{Name: "level", Kind: proxywasm.Gauge, Value: 42},
		{Name: "sizes", Kind: proxywasm.Histogram, Value: 20, Count: 2},
	}
	if diff := cmp.Diff(want, p.Metrics()); diff != "" {
		t.Error(diff)
	}
}

// TestLog logs at each level, and drops what is below the plane's.
func TestLog(t *testing.T) {
	g, f := newGuest("0_2_1", "log", "get_log_level")
	var lines []byte
	for level := range int32(6) {
		lines = Join(lines, must(0, Call(f["log"], I32(level), g.text("x"))))
	}
	g.onRequest(lines, must(2, Call(f["log"], I32(6), g.text("x"))),
		must(0, Call(f["get_log_level"], I32(out))), I32(out), Load(0), I32(3), Ne, If(Unreachable), I32(0))
	var j journal
	s := stream(t, load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Log: j.log, LogLevel: proxywasm.Warn}), newExchange())
	if a := s.RequestHeaders(true); a != proxywasm.Continue {
		t.Error(s.Err())
	}
	s.End()
	if got := j.text(); got != "warn x\nerror x\ncritical x" {
		t.Errorf("logged %q", got)
	}
}

// TestWASI calls the functions that toolchains make modules import.
func TestWASI(t *testing.T) {
	g := &guest{texts: textsAt}
	call := map[string]Func{}
	for _, name := range []string{"fd_write", "environ_sizes_get", "args_sizes_get", "clock_time_get", "clock_res_get", "random_get", "fd_fdstat_get",
		"poll_oneoff", "fd_close", "path_open", "sched_yield", "environ_get", "fd_prestat_get", "fd_seek"} {
		params := map[string]string{"fd_write": "iiii", "clock_time_get": "ili", "poll_oneoff": "iiii", "fd_close": "i", "path_open": "iiiiillii",
			"sched_yield": "", "fd_seek": "ilii"}[name]
		if params == "" && name != "sched_yield" {
			params = "ii"
		}
		call[name] = g.Import("wasi_snapshot_preview1", name, params, "i")
	}
	now := g.Import("env", "proxy_get_current_time_nanoseconds", "i", "i")
	g.body("0_2_0", "malloc")
	g.Data(800, "out\n")
	g.Data(900, "\x20\x03\x00\x00\x02\x00\x00\x00\x22\x03\x00\x00\x02\x00\x00\x00") // 800: 2 bytes, 802: 2 bytes
	g.onRequest(
		must(0, Call(call["fd_write"], I32(1), I32(900), I32(2), I32(out))), I32(out), Load(0), I32(4), Ne, If(Unreachable),
		must(0, Call(call["fd_write"], I32(2), I32(900), I32(1), I32(out))),
		must(8, Call(call["fd_write"], I32(3), I32(900), I32(1), I32(out))),
		must(21, Call(call["fd_write"], I32(1), I32(-8), I32(2), I32(out))), must(21, Call(call["fd_write"], I32(1), I32(0), I32(-1), I32(-1))),
		must(0, Call(call["environ_sizes_get"], I32(out), I32(out2))), I32(out), Load(0), If(Unreachable), must(21, Call(call["args_sizes_get"], I32(-1), I32(out))),
		must(0, Call(call["environ_get"], I32(0), I32(0))),
		must(0, Call(call["clock_time_get"], I32(0), I64(0), I32(out))), I32(out2), Load(0), Eqz, If(Unreachable),
		must(0, Call(call["clock_time_get"], I32(1), I64(0), I32(out))), must(58, Call(call["clock_time_get"], I32(2), I64(0), I32(out))),
		must(21, Call(call["clock_time_get"], I32(1), I64(0), I32(-1))), must(0, Call(call["clock_res_get"], I32(0), I32(out))),
		must(0, Call(now, I32(out))), I32(out2), Load(0), Eqz, If(Unreachable), must(6, Call(now, I32(-7))),
		must(0, Call(call["random_get"], I32(out), I32(64))), must(28, Call(call["random_get"], I32(0), I32(65537))), must(21, Call(call["random_get"], I32(-1), I32(64))),
		must(0, Call(call["fd_fdstat_get"], I32(1), I32(out))), must(8, Call(call["fd_fdstat_get"], I32(3), I32(out))), must(0, Call(call["poll_oneoff"], I32(0), I32(0), I32(0), I32(out))),
		must(0, Call(call["fd_close"], I32(1))), must(8, Call(call["fd_close"], I32(7))), must(8, Call(call["fd_prestat_get"], I32(3), I32(0))),
		must(44, Call(call["path_open"], I32(3), I32(0), I32(0), I32(0), I32(0), I64(0), I64(0), I32(0), I32(out))),
		must(0, Call(call["sched_yield"])), must(8, Call(call["fd_seek"], I32(1), I64(0), I32(0), I32(0))), I32(0))
	var j journal
	s := stream(t, load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Log: j.log}), newExchange())
	if a := s.RequestHeaders(true); a != proxywasm.Continue {
		t.Error(s.Err())
	}
	s.End()
	if got := j.text(); got != "info out\nerror ou" {
		t.Errorf("logged %q", got)
	}
}

// TestDefaultLimits are what zero fields stand for.
func TestDefaultLimits(t *testing.T) {
	d := proxywasm.DefaultLimits()
	if d.Deadline != 100*time.Millisecond || d.MemoryBytes != 64<<20 || d.Instances != 256 {
		t.Errorf("%+v: docs/formats/proxy-wasm.md says otherwise", d)
	}
}
