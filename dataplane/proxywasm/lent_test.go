package proxywasm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/taremesh/tare/dataplane/proxywasm"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

// lending makes a guest whose allocator traps, which lends memory, and which
// hands the path back as a header as often as it says.
func lending(lends int64, times int) []byte {
	g := &guest{texts: textsAt}
	f := imports{}
	for _, name := range []string{"get_header_map_value", "replace_header_map_value"} {
		s := signatures["proxy_"+name]
		f[name] = g.Import("env", "proxy_"+name, s[0], s[1])
	}
	g.Memory(1, 1)
	g.Func("proxy_abi_version_0_2_1", "", "", 0)
	g.Func("malloc", "i", "i", 0, Unreachable)
	g.Func("tare_lend", "", "l", 0, I64(lends))
	var code [][]byte
	for range times {
		code = append(code, must(0, Call(f["get_header_map_value"], I32(0), g.text(":path"), I32(out), I32(out2))), g.put(f, proxywasm.RequestHeaders, "x-path"))
	}
	g.onRequest(append(code, I32(0))...)
	return g.Bytes()
}

func area(at, size int64) int64 { return size<<32 | at }

// TestLent hands values over in memory that the guest lends, anew for each
// stream, and asks the guest's allocator for what does not fit there.
func TestLent(t *testing.T) {
	path := "/a-path-of-24-characters"
	for _, c := range []struct {
		name   string
		size   int64
		times  int
		reason error
	}{
		{"exactly enough", 48, 2, nil},
		{"too little for the second", 47, 2, proxywasm.ErrTrap},
		{"nothing", 0, 1, proxywasm.ErrTrap},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := load(t, proxywasm.Config{Name: "p", Module: lending(area(heapAt, c.size), c.times), Limits: proxywasm.Limits{Instances: 1}})
			for range 3 {
				x := newExchange()
				x.maps[proxywasm.RequestHeaders].Set([]byte(":path"), []byte(path))
				s := stream(t, p, x)
				s.RequestHeaders(true)
				if err := s.Err(); !errors.Is(err, c.reason) {
					t.Fatalf("%v, not %v", err, c.reason)
				}
				if got, _ := x.maps[proxywasm.RequestHeaders].Get([]byte("x-path")); c.reason == nil && string(got) != path {
					t.Errorf("the guest was handed %q", got)
				}
				s.End()
			}
		})
	}
}

// TestLentBeyondMemory refuses a guest that lends what it does not have.
func TestLentBeyondMemory(t *testing.T) {
	for _, a := range []int64{area(1<<16-8, 16), area(1<<16, 1), area(0xffff_ffff, 0x7fff_ffff)} {
		_, err := proxywasm.Load(t.Context(), proxywasm.Config{Name: "p", Module: lending(a, 1)})
		if err == nil || !strings.Contains(err.Error(), "it lends") {
			t.Errorf("%#x: %v", a, err)
		}
	}
}
