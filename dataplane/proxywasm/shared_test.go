package proxywasm_test

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/taremesh/tare/dataplane/proxywasm"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

// counting is a guest that adds one to a shared number with each request, by
// compare-and-swap, and gives the response the number as it stands.
func counting() *guest {
	g, f := newGuest("0_2_1", "get_shared_data", "set_shared_data", "add_header_map_value")
	const mine = 600
	key := g.text("n")
	g.onRequest(
		Loop(
			I32(mine), I32(1), Store(0),
			I32(out3), I32(-1), Store(0), // of a key that is not there, no value has the highest stamp
			Call(f["get_shared_data"], key, I32(out), I32(out2), I32(out3)), Eqz,
			If(I32(mine), I32(out), Load(0), Load(0), I32(1), Add, Store(0)),
			Call(f["set_shared_data"], key, I32(mine), I32(4), I32(out3), Load(0)), Tee(3), I32(8), Eq, BrIf(0)),
		Get(3), If(Unreachable), I32(0))
	g.Func("proxy_on_response_headers", "iii", "i", 0,
		must(0, Call(f["get_shared_data"], key, I32(out), I32(out2), I32(out3))),
		must(0, Call(f["add_header_map_value"], I32(2), g.text("x-n"), I32(out), Load(0), I32(out2), Load(0))), I32(0))
	return g
}

// number reads what a counting guest has counted.
func number(t *testing.T, p *proxywasm.Plugin) uint32 {
	t.Helper()
	x := newExchange()
	s := stream(t, p, x)
	if a := s.ResponseHeaders(true); a != proxywasm.Continue {
		t.Fatal(s.Err())
	}
	s.End()
	return binary.LittleEndian.Uint32([]byte(x.field(proxywasm.ResponseHeaders, "x-n")))
}

// TestSharedIsExact counts from many instances of two plugins at once. Plugins
// of another VM id, and with a store of their own, see nothing of it.
func TestSharedIsExact(t *testing.T) {
	const workers, each = 8, 200
	shared := proxywasm.NewShared(proxywasm.SharedLimits{})
	module := counting().Bytes()
	one := load(t, proxywasm.Config{Name: "one", VMID: "vm", Module: module, Shared: shared})
	two := load(t, proxywasm.Config{Name: "two", VMID: "vm", Module: module, Shared: shared})
	other := load(t, proxywasm.Config{Name: "other", VMID: "else", Module: module, Shared: shared})
	own := load(t, proxywasm.Config{Name: "own", VMID: "vm", Module: module})
	count := func(p *proxywasm.Plugin) {
		s, err := p.Stream(newExchange())
		if err != nil {
			t.Error(err)
			return
		}
		if a := s.RequestHeaders(true); a != proxywasm.Continue {
			t.Error(s.Err())
		}
		s.End()
	}
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			for range each {
				count([]*proxywasm.Plugin{one, two}[i%2])
			}
		})
	}
	all.Wait()
	count(other)
	count(own)
	for p, want := range map[*proxywasm.Plugin]uint32{one: workers * each, two: workers * each, other: 1, own: 1} {
		if got := number(t, p); got != want {
			t.Errorf("counted %d, not %d", got, want)
		}
	}
}

// TestCompareAndSwap holds the three answers, and the limits.
func TestCompareAndSwap(t *testing.T) {
	g, f := newGuest("0_2_1", "get_shared_data", "set_shared_data", "get_header_map_value")
	get := func(key string) []byte {
		return Call(f["get_shared_data"], g.text(key), I32(out), I32(out2), I32(out3))
	}
	set := func(key, value string, cas []byte) []byte {
		return Call(f["set_shared_data"], g.text(key), g.text(value), cas)
	}
	stamp := Join(I32(out3), Load(0))
	g.onRequest(
		must(1, get("k")),
		must(0, set("k", "a", I32(0))),
		must(0, get("k")), stamp, Eqz, If(Unreachable), stamp, Set(3),
		must(0, set("k", "b", stamp)),  // the stamp that it had
		must(8, set("k", "c", Get(3))), // and has no more
		must(8, set("k", "c", I32(-1))),
		must(0, get("k")), stamp, Get(3), Eq, If(Unreachable), stamp, Set(3),
		I32(out2), Load(0), I32(1), Ne, If(Unreachable), I32(out), Load(0), Op(0x2d, 0, 0), I32('b'), Ne, If(Unreachable),
		must(0, set("k", "d", I32(0))), // no stamp: whatever is there
		must(8, set("k", "e", Get(3))),
		must(0, set("new", "x", I32(77))), // a key that is not there is made, whatever the stamp
		must(8, set("new", "y", I32(77))),
		must(0, set("k", "", I32(0))), must(0, get("k")), I32(out2), Load(0), If(Unreachable), // an empty value is a value
		must(10, set("third", "x", I32(0))), // one key too many
		must(10, Call(f["set_shared_data"], g.text("k"), I32(0), I32(2000), I32(0))),
		must(0, set("k", "fits", I32(0))),
		I32(0))
	p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Shared: proxywasm.NewShared(proxywasm.SharedLimits{Keys: 2, Bytes: 1000})})
	s := stream(t, p, newExchange())
	if a := s.RequestHeaders(true); a != proxywasm.Continue {
		t.Error(s.Err())
	}
	s.End()
}
