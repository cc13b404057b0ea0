package proxywasm

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

// anything is an exchange whose maps are all there.
type anything [4]list

func (x *anything) Fields(m Map) Fields { return &x[m] }

func (*anything) Property(path []byte) ([]byte, bool) { return path, len(path)%2 == 0 }

// FuzzHost calls host functions in any order, with any parameters, on a memory
// that holds anything. They answer, or unwind the guest by one of the errors
// that are meant for that; nothing else may come out of them.
func FuzzHost(f *testing.F) {
	var m assembly.Module
	m.Memory(1, 2)
	heap := m.Global(4096)
	m.Func("proxy_abi_version_0_2_1", "", "", 0)
	m.Func("malloc", "i", "i", 0, assembly.GetGlobal(heap), assembly.I32(64), assembly.Add, assembly.I32(0xffff), assembly.Op(0x71),
		assembly.SetGlobal(heap), assembly.GetGlobal(heap))
	m.Func("proxy_on_queue_ready", "ii", "", 0)
	m.Func("proxy_on_tick", "i", "", 0)
	m.Func("proxy_on_http_call_response", "iiiii", "", 0)
	type named struct {
		name string
		hostFunction
	}
	var all []named
	for _, functions := range hostModules() {
		for _, name := range slices.Sorted(maps.Keys(functions)) {
			all = append(all, named{name, functions[name]})
		}
	}
	slices.SortStableFunc(all, func(a, b named) int { return slices.Compare([]byte(a.name), []byte(b.name)) })
	p, err := Load(context.Background(), Config{
		Name: "fuzz", Module: m.Bytes(), VMConfiguration: []byte("vm"), Configuration: []byte("configuration"),
		Shared: NewShared(SharedLimits{Bytes: 1 << 16, Keys: 10, Queues: 10, Items: 10}),
		Limits: Limits{Metrics: 10, Deadline: time.Minute, BodyBytes: 1 << 12},
		Log:    func(Level, string) {},
		Call: func(context.Context, Call) (CallResponse, error) {
			return CallResponse{Headers: []Field{{":status", "200"}}, Body: []byte("x")}, nil
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = p.Close() })
	script := func(name string, parameters ...uint32) []byte {
		i := slices.IndexFunc(all, func(n named) bool { return n.name == name })
		b := []byte{byte(i)}
		for _, v := range parameters {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return append(b, make([]byte, 4*(12-len(parameters)))...)
	}
	pairs := "\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00a\x00b\x00"
	f.Add(script("proxy_set_header_map_pairs", 0, 0, uint32(len(pairs))), []byte(pairs))
	f.Add(script("proxy_send_local_response", 429, 0, 4, 4, 4, 0, uint32(len(pairs)), 0), []byte(pairs))
	f.Add(script("proxy_get_header_map_value", 2, 0, 1, 100, 104), []byte("a"))
	f.Add(append(script("proxy_set_shared_data", 0, 1, 1, 3, 0), script("proxy_get_shared_data", 0, 1, 100, 104, 108)...), []byte("kvvv"))
	f.Add(script("proxy_set_buffer_bytes", 0, 1, 1<<31, 0, 4), []byte("data"))
	f.Add(script("fd_write", 1, 0, 1, 100), []byte("\x00\x00\x00\x00\xff\xff\xff\xff"))
	f.Add(script("proxy_get_property", 0xffffffff, 0xffffffff, 0, 0), []byte{})
	f.Add(script("proxy_set_tick_period_milliseconds", 1), []byte{})
	f.Fuzz(func(t *testing.T, calls, memory []byte) {
		s, err := p.Stream(&anything{{{":path", "/"}, {"a", "1"}}, {{"t", "2"}}, {{":status", "200"}}, nil})
		if err != nil {
			t.Fatal(err)
		}
		defer s.End()
		in := s.in
		in.memory.Write(0, memory[:min(len(memory), 4096)])
		s.bodies[request].content, s.bodies[request].open = []byte("body"), true
		for ; len(calls) >= 49; calls = calls[49:] {
			h := all[int(calls[0])%len(all)]
			var stack [12]uint64
			for i := range stack {
				v := uint64(binary.LittleEndian.Uint32(calls[1+4*i:]))
				if i < len(h.params) && h.params[i] == types("l")[0] {
					v |= v << 32
				}
				stack[i] = v
			}
			if meant := unwound(in, h.hostFunction, stack[:]); meant != nil {
				t.Fatalf("%s%x: %v", h.name, stack[:len(h.params)], meant)
			}
			if len(h.results) > 0 && stack[0] > 100 {
				t.Fatalf("%s%x answers %d", h.name, stack[:len(h.params)], stack[0])
			}
		}
		if len(in.scratch) > 1<<17 || s.setBytes > in.plugin.limits.Properties {
			t.Fatalf("%d bytes of scratch memory, %d of properties", len(in.scratch), s.setBytes)
		}
	})
}

// unwound calls a host function, and returns what came out of it beside what
// may unwind a guest.
func unwound(in *instance, h hostFunction, stack []uint64) (wrong any) {
	defer func() {
		r := recover()
		if err, ok := r.(error); ok && (errors.Is(err, ErrExit) || errors.Is(err, ErrDeadline)) {
			r = nil
		}
		wrong = r
	}()
	h.call(in, stack)
	return nil
}

// FuzzWhole reads any memory as what a guest wants to know and as what it
// leaves for a response: it is refused, or lies within that memory.
func FuzzWhole(f *testing.F) {
	var m assembly.Module
	m.Memory(1, 1)
	m.Func("proxy_abi_version_0_2_1", "", "", 0)
	m.Func("malloc", "i", "i", 0, assembly.I32(0))
	p, err := Load(context.Background(), Config{Name: "fuzz", Module: m.Bytes()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = p.Close() })
	f.Add(uint32(4), []byte("\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x05\x00\x00\x00"))
	f.Add(uint32(4), []byte("\x00\x00\x00\x00\x01\x00\x00\x00\xff\xff\xff\xff\x04\x00\x00\x00\x05\x00\x00\x00\x09\x00\x00\x00"))
	f.Add(uint32(pageBytes-2), []byte{})
	f.Fuzz(func(t *testing.T, at uint32, memory []byte) {
		s, err := p.Stream(&anything{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.End()
		in := s.in
		in.wants = nil
		in.memory.Write(0, memory[:min(len(memory), pageBytes)])
		if err := in.readWants(at); err == nil && len(in.wants) > mostWants {
			t.Errorf("%d things are wanted", len(in.wants))
		}
		total := 0
		if err := s.readAdditions(at); err == nil {
			for _, p := range s.additions {
				total += len(p.Name) + len(p.Value)
			}
		}
		if len(s.additions) > mostPairs || total > mostPairBytes {
			t.Errorf("%d additions of %d bytes", len(s.additions), total)
		}
	})
}

// FuzzPairs reads any bytes as a serialised map, and writes what it has read
// as it was.
func FuzzPairs(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0})
	f.Add([]byte("\x01\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00a\x00bc\x00"))
	f.Add([]byte("\x01\x00\x00\x00\xff\xff\xff\xff\x02\x00\x00\x00a\x00bc\x00"))
	f.Add([]byte("\x00\x04\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		pairs, ok := readPairs(nil, b)
		if !ok {
			return
		}
		fields := list(fieldsOf(pairs))
		again := appendPairs(nil, fields)
		if len(again) != pairsSize(fields) {
			t.Fatalf("%d bytes, said to be %d", len(again), pairsSize(fields))
		}
		if len(pairs) > 0 && !slices.Equal(again, b) {
			t.Fatalf("%q became %q", b, again)
		}
	})
}
