package proxywasm_test

import (
	"os"
	"testing"

	"github.com/taremesh/tare/dataplane/proxywasm"
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

// BenchmarkRust is a whole request through the filters of the functions, built
// from Rust.
func BenchmarkRust(b *testing.B) {
	for _, c := range []struct{ name, module, configuration string }{
		{"noop", "../../function/noop/filter/noop.wasm", ""},
		{"ratelimit", "../../function/ratelimit/filter/ratelimit.wasm", `{"limits":{"Enterprise":"1000000000/min"},"others":"10/min","paths":["/pull"]}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			module, err := os.ReadFile(c.module)
			if err != nil {
				b.Fatal(err)
			}
			p := load(b, proxywasm.Config{Name: c.name, Module: module, Configuration: []byte(c.configuration), Log: func(l proxywasm.Level, t string) { b.Log(l, t) }, LogLevel: proxywasm.Warn})
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
		})
	}
}
