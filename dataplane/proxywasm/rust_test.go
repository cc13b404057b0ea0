package proxywasm_test

import (
	"bytes"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/taremesh/tare/dataplane/proxywasm"
)

// filter reads a function's filter, as it is built.
func filter(t testing.TB, function string) []byte {
	t.Helper()
	module, err := os.ReadFile("../../function/" + function + "/filter/" + function + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// ways are the ways in which hosts call a filter: all that it exports is known,
// requests are not handed over whole, nothing beside the ABI is known.
func ways(module []byte) map[string][]byte {
	unknown := func(prefix string) []byte {
		return bytes.ReplaceAll(module, []byte("tare_"+prefix), []byte("none_"+prefix))
	}
	return map[string][]byte{"whole": module, "lent": unknown("on_request"), "plain": unknown("")}
}

// TestRustRateLimit offers more than the limit from many instances of two
// plugins at once: exactly as many are let through, and the others get the
// answer that the filter gives.
func TestRustRateLimit(t *testing.T) {
	for name, module := range ways(filter(t, "ratelimit")) {
		t.Run(name, func(t *testing.T) { rustRateLimit(t, module) })
	}
}

func rustRateLimit(t *testing.T, module []byte) {
	const limit, workers, each = 300, 6, 80
	var j journal
	c := proxywasm.Config{
		Name: "ratelimit", VMID: "ratelimit", Module: module, Shared: proxywasm.NewShared(proxywasm.SharedLimits{}),
		Configuration: []byte(`{"limits":{"Team":"300/h"},"others":"1/h","paths":["/pull"]}`), Log: j.log,
	}
	plugins := []*proxywasm.Plugin{load(t, c), load(t, c)}
	var passed, refused atomic.Int64
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			for range each {
				x := newExchange()
				x.maps[proxywasm.RequestHeaders].Add([]byte("x-subscription"), []byte("Team"))
				s, err := plugins[i%2].Stream(x)
				if err != nil {
					t.Error(err)
					return
				}
				switch a := s.RequestHeaders(true); {
				case a == proxywasm.Continue && respond(s, x) == proxywasm.Continue && x.field(proxywasm.ResponseHeaders, "x-ratelimit-limit") == "300":
					passed.Add(1)
				case a == proxywasm.Pause && s.Reply() != nil && s.Reply().Status == 429 && string(s.Reply().Body) == "local_rate_limited":
					refused.Add(1)
				default:
					t.Errorf("action %d, %+v, %v", a, s.Reply(), s.Err())
				}
				s.End()
			}
		})
	}
	all.Wait()
	// A token comes back every 12 s; the test may be slow.
	if p := passed.Load(); p < limit || p > limit+2 || p+refused.Load() != workers*each {
		t.Errorf("%d passed, %d were refused\n%s", p, refused.Load(), j.text())
	}
}

// TestRustRefusesConfiguration says so, and the filter's own words are logged.
func TestRustRefusesConfiguration(t *testing.T) {
	var j journal
	_, err := proxywasm.Load(t.Context(), proxywasm.Config{Name: "r", Module: filter(t, "ratelimit"), Configuration: []byte("{"), Log: j.log})
	if err == nil || j.text() == "" {
		t.Errorf("%v, logged %q", err, j.text())
	}
}

// TestRustNoop lets everything through as it is.
func TestRustNoop(t *testing.T) {
	for name, module := range ways(filter(t, "noop")) {
		t.Run(name, func(t *testing.T) { rustNoop(t, module) })
	}
}

func rustNoop(t *testing.T, module []byte) {
	p := load(t, proxywasm.Config{Name: "noop", Module: module})
	x := newExchange()
	s := stream(t, p, x)
	if a := s.RequestHeaders(false); a != proxywasm.Continue {
		t.Error(s.Err())
	}
	for _, part := range []string{"a", "b", ""} {
		if b, a := s.RequestBody([]byte(part), part == ""); a != proxywasm.Continue || string(b) != part {
			t.Errorf("%q became %q, %d, %v", part, b, a, s.Err())
		}
	}
	if a := s.ResponseHeaders(true); a != proxywasm.Continue {
		t.Error(s.Err())
	}
	s.End()
	if y := newExchange(); x.maps[0].Len() != y.maps[0].Len() || x.maps[2].Len() != y.maps[2].Len() {
		t.Error(x.maps[0], x.maps[2])
	}
}
