package proxywasm_test

import (
	"testing"

	"github.com/taremesh/tare/dataplane/proxywasm"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

func TestFields(t *testing.T) {
	g, f := newGuest("0_2_1", map[string][2]string{
		"proxy_get_header_map_value":     {"iiiii", "i"},
		"proxy_replace_header_map_value": {"iiiii", "i"},
	})
	g.onRequest(
		must(0, Call(f["proxy_get_header_map_value"], I32(0), g.text("x-user"), I32(out), I32(out2))),
		must(0, Call(f["proxy_replace_header_map_value"], I32(0), g.text("x-copy"), I32(out), Load(0), I32(out2), Load(0))),
		I32(0))
	p := load(t, proxywasm.Config{Name: "fields", Module: g.Bytes()})
	x := newExchange()
	s := stream(t, p, x)
	if a := s.RequestHeaders(true); a != proxywasm.Continue {
		t.Fatalf("action %d, %v", a, s.Err())
	}
	s.End()
	if got := x.get(proxywasm.RequestHeaders, "x-copy"); got != "ada" {
		t.Errorf("x-copy is %q", got)
	}
}

func TestEndless(t *testing.T) {
	g, _ := newGuest("0_2_1", nil)
	g.onRequest(Loop(Br(0)), Unreachable)
	p := load(t, proxywasm.Config{Name: "endless", Module: g.Bytes()})
	s := stream(t, p, newExchange())
	if a := s.RequestHeaders(true); a != proxywasm.Pause {
		t.Errorf("action %d", a)
	}
	t.Log(s.Err())
	s.End()
	t.Log(p.Stats())
}
